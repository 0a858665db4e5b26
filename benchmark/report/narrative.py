"""What the figures say, by rules: a sentence is made from the figures that it states, so none can contradict them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from benchmark.analysis.pairwise import Pair, PairwiseTests
from benchmark.output import spell_count, spell_figure, spell_seconds
from benchmark.report.rows import Row, Verdict
from benchmark.results.results import PlanResults
from benchmark.tracking.records import PlanRecord
from data_pipeline.split import CLASSES

EQUAL = 1.0  # percentage points: two accuracies within so much of each other are called about equal
CLAIMS_SOURCE = "2021 course experiment"
# What the 2021 report concluded, as pairs of experiments.
ABOUT_EQUAL = ("bert-frozen", "lstm")
FAR_BETTER = (("bert-finetuned", "bert-frozen"), ("bert-finetuned", "lstm"))

Price = tuple[str, Callable[[Row], float | None], Callable[[float], str]]
LATENCY: Price = ("latency of one review", lambda row: row.cost.latency_ms, lambda value: f"{spell_figure(value)} ms")
SIZE: Price = ("size", lambda row: row.cost.parameters, lambda value: f"{spell_count(value)} parameters")


def narrate(results: PlanResults, verdict: Verdict) -> tuple[str, ...]:
    """Return the findings about the rows of the largest train size that has a comparison, a paragraph each.

    Before them stands what was not run. Without a comparison, the only other findings are which training was unstable,
    and which models are no better than always giving the same answer.
    """
    size = max(verdict.comparisons or results.plan.train_sizes)
    complete = {row.name: row for row in verdict.rows if row.plan.train_size == size and row.complete}
    not_run = tuple(_not_run(results.plan, verdict))
    warnings = (*_unstable(results.plan, verdict), *_majority(results, verdict))
    if size not in verdict.comparisons:
        return (*not_run, *warnings)
    comparison = verdict.comparisons[size]
    rows = {name: row for name, row in complete.items() if row.beats_majority}
    return (
        *not_run,
        *_scope(results.plan, complete, size),
        *warnings,
        *_best(comparison, rows),
        *_claims(comparison, rows),
        *_baseline(comparison, rows),
        *_choice(rows),
        *_incomplete(verdict, size),
    )


def _majority(results: PlanResults, verdict: Verdict) -> Iterator[str]:
    """Name the models that are not better than always answering the larger class; no other finding praises them."""
    share, several = results.majority_accuracy, len(results.plan.train_sizes) > 1
    rows = {
        f"{row.name} (trained on {row.plan.train_size:,})" if several and not row.plan.external else row.name: row
        for row in verdict.rows
        if row.complete and not row.beats_majority
    }
    if rows and share is not None:
        figures = [f"{name} {_percent(row.accuracy)}, p {spell_p(row.majority_p or 0.0)}" for name, row in rows.items()]
        each = ", with each of the seeds," if any(len(row.accuracies) > 1 for row in rows.values()) else ""
        yield (
            f"{_listed(list(rows))} {'is' if len(rows) == 1 else 'are'} not significantly better{each} than always "
            f"answering {CLASSES[results.larger_class]}, which is right for {_percent(share)} of the test reviews "
            f"({'; '.join(figures)} after Holm's correction): this accuracy does not show that anything was learned."
        )


def _unstable(plan: PlanRecord, verdict: Verdict) -> Iterator[str]:
    """Name the models and seeds whose training came apart."""
    for row in verdict.rows:
        if seeds := list(map(str, row.unstable_seeds)):
            trained = f" (trained on {row.plan.train_size:,})" if len(plan.train_sizes) > 1 else ""
            yield (
                f"Training of {row.name}{trained}, {'seed' if len(seeds) == 1 else 'seeds'} {_listed(seeds)}, was "
                "unstable: its figure depends on luck."
            )


def _scope(plan: PlanRecord, rows: dict[str, Row], size: int) -> Iterator[str]:
    """Say which findings hold for training methods, and which only for the networks that there are."""
    trained = f", trained on {size:,} reviews" if len(plan.train_sizes) > 1 else ""
    external = [name for name, row in rows.items() if row.plan.external]
    single = {name: row for name, row in rows.items() if len(row.accuracies) == 1 and name not in external}
    several = [name for name in rows if name not in single and name not in external]
    counts = sorted({len(rows[name].accuracies) for name in several})
    number = " to ".join(dict.fromkeys(map(str, counts[:1] + counts[-1:])))
    seeds = ", ".join(dict.fromkeys(str(run.seed) for row in single.values() for run in row.runs if run is not None))
    if external:
        yield f"A finding that names {_listed(external, 'or')} holds for these imported predictions."
    if not single and not several:
        return
    if not single:
        yield (
            f"{number} seeds per model{trained}: the findings hold for the training methods, not only for "
            "these networks of these seeds. Other training reviews may change them."
        )
    elif not several:
        yield (
            f"One seed per model (seed {seeds}){trained}: the findings hold for these {len(single)} networks. "
            "Another seed or processor may change the order; use `--seed 1 2 3 4 5`."
        )
    else:
        these = "it" if len(single) == 1 else "one of them"
        yield (
            f"{number} seeds of {_listed(several)}{trained}: findings about these alone hold for the training methods. "
            f"One seed of {_listed(list(single))} (seed {seeds}): a finding that names {these} holds "
            "for the networks trained here; another seed or processor may change it, use `--seed 1 2 3 4 5`. Other "
            "training reviews may change all."
        )


def _best(comparison: PairwiseTests, rows: dict[str, Row]) -> Iterator[str]:
    best, *others = comparison.letters
    if best not in rows:
        return
    interval = rows[best].interval
    assert interval is not None
    tied = [name for name in others if (pair := comparison.pair(best, name)) is not None and not pair.separated]
    figure = (
        f"{best} has the highest test accuracy, {_percent(rows[best].accuracy)} (95 % interval "
        f"{100 * interval.low:.2f} to {100 * interval.high:.2f})"
    )
    if tied:
        yield f"{figure}; it is not significantly better than {_listed(tied, 'or')}."
    else:
        yield f"{figure}; it is significantly better than every other model."


def _claims(comparison: PairwiseTests, rows: dict[str, Row]) -> Iterator[str]:
    """Answer the 2021 report's conclusions one by one, where their models are here and the report is quoted."""
    named = {
        row.plan.experiment: row
        for row in rows.values()
        if row.plan.published is not None and row.plan.published["source"] == CLAIMS_SOURCE
    }
    for wanted in (ABOUT_EQUAL, *FAR_BETTER):
        if not named.keys() >= set(wanted):
            continue
        one, other = (named[experiment] for experiment in wanted)
        then = ", ".join(f"{name} {(named[name].plan.published or {})['test_accuracy']:.2f} %" for name in wanted)
        if (pair := comparison.pair(one.name, other.name)) is None:
            continue
        if wanted == ABOUT_EQUAL:
            yield f"Is frozen BERT about equal to the LSTM, as in 2021 ({then})? {_answer(pair)}"
        else:
            question = f"Is fine-tuned BERT far better than {wanted[1]}, as in 2021 ({then})?"
            yield f"{question} {_answer(pair, one.name)}{_price(one, other, rows.values())}"


def _answer(pair: Pair, better: str = "") -> str:
    """Answer whether a pair is about equal, or whether one of it is far `better`."""
    low, high = 100 * pair.interval.low, 100 * pair.interval.high
    figures = (
        f"{pair.first} is {_points(pair.difference)} above {pair.second} (95 % interval of this pair alone "
        f"{low:+.2f} to {high:+.2f}; p {spell_p(pair.adjusted_p)} after Holm's correction)"
    )
    equal = max(abs(low), abs(high)) <= EQUAL
    if pair.separated and better:
        reply = "Yes" if better == pair.first else "No, it is worse"
        return f"{reply}, by {_points(pair.difference)}{f', less than {EQUAL:g} point' * equal}: {figures}."
    if pair.separated:
        reply = f"Within {EQUAL:g} point, yes, but the difference is significant" if equal else "No"
        return f"{reply}: {figures}."
    if equal:
        return f"{'No' if better else 'Yes'}, equal to within {EQUAL:g} point: {figures}."
    missed = ""
    if pair.smallest_detectable is not None:
        missed = (
            f" The test (at Holm's strictest step) misses a difference of {_points(pair.smallest_detectable)} one time "
            "in five, a smaller one more often."
        )
    return f"Not decided: {figures}.{missed}"


def prices(rows: Iterable[Row]) -> tuple[Price, ...]:
    """Return the costs by which the rows can be compared; times of different machines cannot."""
    rows = list(rows)
    if len({machine for row in rows for machine in row.machines}) > 1:
        return LATENCY, SIZE
    tuned = any(row.cost.tuning_seconds for row in rows)
    return ("train and tuning time" if tuned else "train time", _seconds, spell_seconds), LATENCY, SIZE


def _seconds(row: Row) -> float | None:
    seconds = row.cost.train_seconds
    return None if seconds is None else seconds + (row.cost.tuning_seconds or 0.0)


def _price(better: Row, other: Row, rows: Iterable[Row]) -> str:
    """Say how many times the other's time it takes."""
    parts = []
    for name, value, spell in prices(rows)[:-1]:  # all but the size
        ours, theirs = value(better), value(other)
        if ours is not None and theirs:
            parts.append(f"{ours / theirs:.1f} times the {name} ({spell(ours)} against {spell(theirs)})")
    return f" It takes {' and '.join(parts)}." if parts else ""


def _baseline(comparison: PairwiseTests, rows: dict[str, Row]) -> Iterator[str]:
    for name, row in rows.items():
        if not row.plan.baseline:
            continue
        groups: dict[str, list[str]] = {
            word: [] for word in ("significantly better", "not significantly different", "significantly worse")
        }
        better, similar, worse = groups.values()
        for other, candidate in rows.items():
            pair = comparison.pair(name, other)
            if pair is not None and not candidate.plan.baseline:
                (similar if not pair.separated else worse if pair.first == name else better).append(other)
        if parts := [f"{word}: {_listed(names)}" for word, names in groups.items() if names]:
            yield f"The baseline {name} reaches {_percent(row.accuracy)}; {'; '.join(parts)}."


def _choice(rows: dict[str, Row]) -> Iterator[str]:
    """Name the Pareto front of accuracy against each price, and for each other model one that dominates it."""
    for price, value, spell in prices(rows.values()):
        models = {name: (row.accuracy, cost) for name, row in rows.items() if (cost := value(row)) is not None}
        if len(models) < 2:
            continue
        front = pareto_front(models)
        steps = ", ".join(f"{name} ({_percent(models[name][0])}, {spell(models[name][1])})" for name in front)
        dominated: dict[str, list[str]] = {}
        for name in (name for name in models if name not in front):
            by = next(each for each in reversed(front) if models[each][1] <= models[name][1])
            dominated.setdefault(by, []).append(name)
        rest = "".join(
            f" {_listed(names)} {'is' if len(names) == 1 else 'are'} dominated: {by} is at least as accurate "
            "and costs no more."
            for by, names in dominated.items()
        )
        yield f"Pareto front of accuracy against {price}, cheapest first: {steps}.{rest}"


def pareto_front(models: dict[str, tuple[float, float]]) -> list[str]:
    """Return the names of the models that no other model dominates, the cheapest first.

    A model dominates another that is no more accurate and no cheaper, unless both are equal in both.

    Args:
        models: by name, accuracy and price.
    """

    def is_dominated(name: str) -> bool:
        accuracy, price = models[name]
        return any(
            other[0] >= accuracy and other[1] <= price and other != (accuracy, price) for other in models.values()
        )

    return sorted((name for name in models if not is_dominated(name)), key=lambda name: models[name][1])


def _not_run(plan: PlanRecord, verdict: Verdict) -> Iterator[str]:
    """Name the rows that the tables leave out, because no `run` has asked for them yet."""
    sizes: dict[str, list[str]] = {}
    for row in verdict.rows:
        if not row.begun:
            sizes.setdefault(row.name, []).append(f"{row.plan.train_size:,}")
    names = [
        name if len(found) == len(plan.train_sizes) else f"{name} (trained on {', '.join(found)})"
        for name, found in sizes.items()
    ]
    if names and any(row.begun for row in verdict.rows):
        yield f"Not run: {', '.join(names)}."


def _incomplete(verdict: Verdict, size: int) -> Iterator[str]:
    names = [
        row.name if row.plan.train_size == size else f"{row.name} (trained on {row.plan.train_size:,})"
        for row in verdict.rows
        if row.plan.train_size >= size and row.begun and not row.complete
    ]
    if names:
        yield f"Incomplete, and in none of these findings: {_listed(names)}."


def _percent(share: float) -> str:
    return f"{100 * share:.2f} %"


def _points(difference: float) -> str:
    return f"{100 * difference:.2f} points"


def spell_p(value: float) -> str:
    """Write a p value with three digits."""
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def _listed(names: Sequence[str], conjunction: str = "and") -> str:
    *most, last = names
    return f"{', '.join(most)} {conjunction} {last}" if most else last
