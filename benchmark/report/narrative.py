"""What the figures say, by rules: a sentence is made from the figures that it states, so none can contradict them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from benchmark.analysis.pairwise import Comparison, Pair
from benchmark.output import spell_seconds
from benchmark.report.rows import Cost, Row, Verdict
from benchmark.tracking.records import PlanRecord

EQUAL = 1.0  # percentage points: within so much of each other two accuracies are called about equal
CLAIMS_SOURCE = "2021 course experiment"
# What the 2021 report concluded, as pairs of experiments.
ABOUT_EQUAL = ("bert-frozen", "lstm")
FAR_BETTER = (("bert-finetuned", "bert-frozen"), ("bert-finetuned", "lstm"))

Price = tuple[str, Callable[[Cost], float | None], Callable[[float], str]]
LATENCY: Price = ("latency of one review", lambda cost: cost.latency_ms, lambda value: f"{value:.1f} ms")
SIZE: Price = ("size", lambda cost: cost.parameters, lambda value: f"{value / 1e6:.1f} M parameters")


def narrate(plan: PlanRecord, verdict: Verdict) -> tuple[str, ...]:
    """The findings about the rows of the largest train size that has a comparison, a paragraph each."""
    if not verdict.comparisons:
        return ()
    size = max(verdict.comparisons)
    comparison = verdict.comparisons[size]
    rows = {row.name: row for row in verdict.rows if row.plan.train_size == size and row.complete}
    return (
        *_level(plan, comparison, size),
        *_best(comparison, rows),
        *_claims(comparison, rows),
        *_baseline(comparison, rows),
        *_choice(rows),
        *_incomplete(verdict, size),
    )


def _level(plan: PlanRecord, comparison: Comparison, size: int) -> Iterator[str]:
    """What kind of statement all that follows is."""
    trained = f", trained on {size:,} reviews" if len(plan.train_sizes) > 1 else ""
    if comparison.about == "methods":
        yield (
            f"These findings are about methods{trained}: whether networks trained with other seeds, on the same "
            f"reviews, would compare alike. Seeds: {len(plan.seeds)}."
        )
    else:
        yield (
            f"These findings are about these networks{trained}, one of each model (seed {plan.seeds[0]}): whether they "
            "would label other reviews as differently. Networks of other seeds may compare otherwise."
        )
    if comparison.left_out:
        yield f"Not compared for want of a second seed: {', '.join(comparison.left_out)}."


def _best(comparison: Comparison, rows: dict[str, Row]) -> Iterator[str]:
    best, *others = comparison.letters
    accuracy = rows[best].accuracy
    assert accuracy is not None
    low, high = accuracy.interval
    tied = [name for name in others if (pair := _pair(comparison, best, name)) is not None and not pair.separated]
    figure = f"{best} has the highest test accuracy, {_percent(accuracy.accuracy)} (95 % interval {_range(low, high)})"
    if not tied:
        yield f"{figure}; it is separated from every other model."
    else:
        yield f"{figure}; no test separates it from {_listed(tied)}."


def _claims(comparison: Comparison, rows: dict[str, Row]) -> Iterator[str]:
    """The 2021 report's conclusions, one by one, where its models are here and it is quoted."""
    named = {row.plan.experiment: name for name, row in rows.items() if _is_claimed(row)}
    if all(experiment in named for experiment in ABOUT_EQUAL):
        pair = _pair(comparison, named[ABOUT_EQUAL[0]], named[ABOUT_EQUAL[1]])
        if pair is not None:
            then = _then(rows, named, ABOUT_EQUAL)
            yield f"Is frozen BERT about equal to the LSTM, as in 2021 ({then})? {_answer(pair)}"
    for wanted in FAR_BETTER:
        if all(experiment in named for experiment in wanted):
            better, other = (named[experiment] for experiment in wanted)
            pair = _pair(comparison, better, other)
            if pair is not None:
                yield (
                    f"Is fine-tuned BERT far better than {wanted[1]}, as in 2021 ({_then(rows, named, wanted)})? "
                    f"{_answer(pair, better)}{_price(rows[better], rows[other], rows.values())}"
                )


def _is_claimed(row: Row) -> bool:
    return row.plan.published is not None and row.plan.published["source"] == CLAIMS_SOURCE


def _then(rows: dict[str, Row], named: dict[str, str], experiments: Sequence[str]) -> str:
    figures = []
    for experiment in experiments:
        published = rows[named[experiment]].plan.published
        assert published is not None
        figures.append(f"{experiment} {published['test_accuracy']:.2f} %")
    return ", ".join(figures)


def _answer(pair: Pair, better: str = "") -> str:
    """What the test and the interval say of a pair: whether it is about equal, or whether one is far `better`."""
    low, high = 100 * pair.interval.low, 100 * pair.interval.high
    figures = (
        f"{pair.first} is {_points(pair.difference)} above {pair.second} (95 % interval of this pair "
        f"alone {low:+.2f} to {high:+.2f}; p {_p(pair.adjusted_p)} after Holm)"
    )
    within = max(abs(low), abs(high)) <= EQUAL
    if pair.separated:
        differ = "They differ, the other way round" if better == pair.second else "They differ"
        return f"{differ}: {figures}{f', though by less than {EQUAL:g} point' if within else ''}."
    if within:
        equal = "No, they are equal" if better else "Yes,"
        return f"{equal} to within {EQUAL:g} point, and no test separates them: {figures}."
    missed = ""
    if pair.smallest_detectable is not None:
        missed = (
            f" At Holm's strictest step a difference of {_points(pair.smallest_detectable)} would be missed one time "
            "in five, a smaller one more often."
        )
    return f"This comparison cannot tell: {figures}.{missed}"


def prices(rows: Iterable[Row]) -> tuple[Price, ...]:
    """What the rows can be compared by; times of different machines do not compare."""
    rows = list(rows)
    if len({machine for row in rows for machine in row.machines}) > 1:
        return LATENCY, SIZE
    tuned = any(row.cost.tuning_seconds for row in rows)
    return ("train and tuning time" if tuned else "train time", _seconds, spell_seconds), LATENCY, SIZE


def _seconds(cost: Cost) -> float:
    return (cost.train_seconds or 0.0) + (cost.tuning_seconds or 0.0)


def _price(better: Row, other: Row, rows: Iterable[Row]) -> str:
    """How many times the other's cost it has, but for its size."""
    parts = []
    for name, value, spell in prices(rows)[:-1]:
        ours, theirs = value(better.cost), value(other.cost)
        if ours is not None and theirs:
            parts.append(f"{ours / theirs:.1f} times the {name} ({spell(ours)} against {spell(theirs)})")
    return f" It has {' and '.join(parts)}." if parts else ""


def _baseline(comparison: Comparison, rows: dict[str, Row]) -> Iterator[str]:
    for name, row in rows.items():
        if not row.plan.baseline:
            continue
        above: list[str] = []
        level: list[str] = []
        below: list[str] = []
        for other, candidate in rows.items():
            pair = _pair(comparison, name, other)
            if pair is None or candidate.plan.baseline:
                continue
            (level if not pair.separated else below if pair.first == name else above).append(other)
        assert row.accuracy is not None
        parts = [
            f"{verb} {_listed(names)}"
            for verb, names in (("beaten by", above), ("not separated from", level), ("above", below))
            if names
        ]
        if parts:
            yield f"The floor, {name}, reaches {_percent(row.accuracy.accuracy)}: it is {', '.join(parts)}."


def _choice(rows: dict[str, Row]) -> Iterator[str]:
    """The front of accuracy against each price, and which model that makes the choice for whom."""
    for price, value, spell in prices(rows.values()):
        known = {name: found for name, row in rows.items() if (found := value(row.cost)) is not None}
        if len(known) < 2:
            continue
        front = pareto_front({name: (_accuracy_of(rows[name]), cost) for name, cost in known.items()})
        steps = ", ".join(f"{name} ({_percent(_accuracy_of(rows[name]))}, {spell(known[name])})" for name in front)
        beside = [name for name in known if name not in front]
        rest = f" For {_listed(beside)} another is at least as accurate at no higher a price." if beside else ""
        yield f"Accuracy against {price}, cheapest first: {steps}.{rest}"


def pareto_front(models: dict[str, tuple[float, float]]) -> list[str]:
    """Names of the models that none other is as good as at no higher a price, the cheapest first.

    Args:
        models: by name, accuracy and price. Of two that are equal in both, both stay.
    """

    def beaten(name: str) -> bool:
        accuracy, price = models[name]
        return any(
            other[0] >= accuracy and other[1] <= price and other != (accuracy, price) for other in models.values()
        )

    return sorted((name for name in models if not beaten(name)), key=lambda name: models[name][1])


def _incomplete(verdict: Verdict, size: int) -> Iterator[str]:
    names = [
        row.name if row.plan.train_size == size else f"{row.name} (trained on {row.plan.train_size:,})"
        for row in verdict.rows
        if row.plan.train_size >= size and not row.complete
    ]
    if names:
        yield f"Incomplete, and in none of these findings: {_listed(names)}."


def _pair(comparison: Comparison, one: str, other: str) -> Pair | None:
    return next((pair for pair in comparison.pairs if {pair.first, pair.second} == {one, other}), None)


def _accuracy_of(row: Row) -> float:
    assert row.accuracy is not None
    return row.accuracy.accuracy


def _percent(share: float) -> str:
    return f"{100 * share:.2f} %"


def _range(low: float, high: float) -> str:
    return f"{100 * low:.2f} to {100 * high:.2f}"


def _points(difference: float) -> str:
    return f"{100 * difference:.2f} points"


def _p(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def _listed(names: Sequence[str]) -> str:
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last
