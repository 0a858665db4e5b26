"""Pictures of the rows: how they learned, what accuracy costs, what more reviews bring, what separates them.

Each is about complete rows alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from matplotlib.axis import Axis
from matplotlib.ticker import MaxNLocator, NullLocator

from benchmark.analysis.pairwise import Comparison
from benchmark.output import spell_seconds
from benchmark.report.drawing import (
    COLOURS,
    INK,
    MUTED,
    PAPER,
    Look,
    Picture,
    Table,
    canvas,
    finish,
    label,
    legend,
    words,
)
from benchmark.report.narrative import pareto_front, prices
from benchmark.report.rows import Row
from benchmark.results.results import Details, PlanResults

TRAIN_COLOUR, VAL_COLOUR, CHOSEN_COLOUR = COLOURS[0], COLOURS[1], COLOURS[2]
_STEPS = [step * 10.0**power for power in range(-3, 12) for step in (1, 2, 5)]
_SECONDS = [
    0.1,
    0.2,
    0.5,
    1,
    2,
    5,
    10,
    30,
    60,
    120,
    300,
    600,
    1800,
    *(3600.0 * hours for hours in (1, 2, 5, 10, 24, 48)),
]


def ranking_picture(rows: Sequence[Row], look: Mapping[str, Look]) -> Picture:
    """Accuracy of each row with its interval and every seed's own, the best on top."""
    ranked = sorted(rows, key=lambda row: -_accuracy(row))
    lines = []
    with canvas(0.7 + 0.56 * len(ranked)) as (figure, axes):
        for place, row in enumerate(ranked):
            assert row.accuracy is not None
            style, mean = look[row.name], 100 * _accuracy(row)
            axes.plot([100 * end for end in row.accuracy.interval], [place, place], color=style.colour, linewidth=2)
            if len(row.accuracies) > 1:
                seeds = [100 * each for each in row.accuracies]
                axes.plot(seeds, [place + 0.19] * len(seeds), "|", color=MUTED, markersize=5, markeredgewidth=1)
            axes.plot(mean, place, style.marker, color=style.colour, markersize=8, markeredgecolor=PAPER)
            words(axes, place, label(row.name))
            words(axes, place, f"{mean:.2f} %", right=True)
            seeds_spelled = ", ".join(f"{100 * each:.2f}" for each in row.accuracies)
            lines.append((row.name, *_spelled(row), seeds_spelled))
        axes.set_ylim(len(ranked) - 0.5, -0.95)
        axes.set_yticks([])
        axes.spines["left"].set_visible(False)
        axes.margins(x=0.06)
        axes.set_xlabel("test accuracy, %")
        alt = f"Best first: {', '.join(f'{row.name} {_spelled(row)[0]} %' for row in ranked)}."
        table = Table(("model", "test accuracy, %", "95 % interval", "by seed"), tuple(lines))
        return finish(figure, "ranking", "Test accuracy", alt, table)


def learning_curves(results: PlanResults, details: Details, rows: Sequence[Row]) -> list[Picture]:
    """A picture a row: loss on train and val by epoch, a line a seed, the chosen epochs marked; one scale for all."""
    losses = [
        value
        for row in rows
        for run in results.finished(row.plan)
        for key in ("train/loss", "val/loss")
        for value in details.runs[run.run_id].histories.get(key, {}).values()
    ]
    top = 1.05 * max(losses, default=1.0)
    drawn = [_learning_curve(results, details, row, number, top) for number, row in enumerate(rows)]
    return [picture for picture in drawn if picture is not None]


def _learning_curve(results: PlanResults, details: Details, row: Row, number: int, top: float) -> Picture | None:
    lines: list[tuple[str, ...]] = []
    chosen: list[int] = []
    with canvas(3.0) as (figure, axes):
        for run in results.finished(row.plan):
            histories = details.runs[run.run_id].histories
            train, val = histories.get("train/loss", {}), histories.get("val/loss", {})
            for history, colour, mark, line, name in (
                (train, TRAIN_COLOUR, "o", "-", "train"),
                (val, VAL_COLOUR, "s", (0, (4, 1.5)), "val"),
            ):
                axes.plot(*_points(history), marker=mark, linestyle=line, color=colour, linewidth=1, markersize=3)
                if not chosen:
                    axes.plot([], [], marker=mark, linestyle=line, color=colour, label=name)
            best = int(run.metrics.get("best_epoch", 0))
            chosen.append(best)
            if best in val:
                marked = {"marker": "D", "linestyle": "none", "markersize": 7, "color": CHOSEN_COLOUR}
                first = "chosen epoch" if len(chosen) == 1 else None
                axes.plot([best], [val[best]], zorder=5, markeredgecolor=PAPER, label=first, **marked)  # type: ignore[arg-type]
            lines += [
                (str(run.seed), str(epoch), _loss(train.get(epoch)), _loss(val.get(epoch)), "yes" * (epoch == best))
                for epoch in sorted({*train, *val})
            ]
        if not lines:
            return None
        axes.set_ylim(0, top)
        axes.set_xlabel("epoch")
        axes.set_ylabel("cross-entropy, nats")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        axes.set_xlim(0.6, max(int(line[1]) for line in lines) + 0.4)
        legend(figure, axes)
        epochs = ", ".join(map(str, chosen))
        alt = f"Loss on train and val by epoch, {len(chosen)} seed(s); chosen epoch of each seed: {epochs}."
        table = Table(("seed", "epoch", "train loss", "val loss", "chosen"), tuple(lines))
        return finish(figure, f"learning-{number}", row.name, alt, table)


def cost_pictures(rows: Sequence[Row], look: Mapping[str, Look]) -> list[Picture]:
    """Accuracy against each price that is known of at least two rows, with the Pareto front."""
    pictures = []
    for number, (price, value, spell) in enumerate(prices(rows)):
        known = [(row, found) for row in rows if (found := value(row.cost))]
        if len(known) > 1:
            ticks = _SECONDS if spell is spell_seconds else _STEPS
            pictures.append(_cost_picture(f"cost-{number}", price, known, look, spell=spell, steps=ticks))
    return pictures


def _cost_picture(
    key: str,
    price: str,
    known: Sequence[tuple[Row, float]],
    look: Mapping[str, Look],
    *,
    spell: Callable[[float], str],
    steps: Sequence[float],
) -> Picture:
    front = pareto_front({row.name: (_accuracy(row), cost) for row, cost in known})
    places = {row.name: (cost, 100 * _accuracy(row)) for row, cost in known}
    costs = [cost for _, cost in known]
    low, high = min(costs) / 1.6, max(costs) * 1.6
    with canvas(3.2) as (figure, axes):
        axes.set_xscale("log")
        axes.set_xlim(low, high)
        axes.step(*zip(*(places[name] for name in front), strict=True), where="post", color=MUTED, linewidth=1)
        for row, cost in known:
            style = look[row.name]
            errors = [[gap] for gap in _gaps(row)]
            axes.errorbar(cost, places[row.name][1], errors, color=style.colour, elinewidth=1)
            filled = style.colour if row.name in front else PAPER
            axes.plot(cost, places[row.name][1], style.marker, color=style.colour, markerfacecolor=filled, markersize=8)
            right = cost > (low * high) ** 0.5
            axes.annotate(
                label(row.name),
                places[row.name],
                (-8 if right else 8, 4),
                textcoords="offset points",
                ha="right" if right else "left",
                va="bottom",
                bbox={"facecolor": PAPER, "edgecolor": "none", "pad": 0.5},
            )
        _plain_ticks(axes.xaxis, low, high, steps, spell)
        axes.set_xlabel(f"{price}, logarithmic")
        axes.set_ylabel("test accuracy, %")
        axes.margins(y=0.15)
        alt = f"Each model's accuracy against its {price}. On the front, cheapest first: {', '.join(front)}."
        lines = [(row.name, spell(cost), *_spelled(row), "yes" * (row.name in front)) for row, cost in known]
        table = Table(("model", price, "test accuracy, %", "95 % interval", "on the front"), tuple(lines))
        return finish(figure, key, f"Accuracy against {price}", alt, table)


def size_picture(rows: Sequence[Row], look: Mapping[str, Look]) -> Picture:
    """Accuracy by the number of reviews trained on, a line a model."""
    sizes = sorted({row.plan.train_size for row in rows})
    with canvas(3.4) as (figure, axes):
        axes.set_xscale("log")
        for number, (name, style) in enumerate(look.items()):
            mine = sorted((row for row in rows if row.name == name), key=lambda row: row.plan.train_size)
            if mine:
                shift = 1 + 0.015 * (number - len(look) / 2)  # so that intervals at one size can be told apart
                axes.errorbar(
                    [shift * row.plan.train_size for row in mine],
                    [100 * _accuracy(row) for row in mine],
                    tuple(zip(*(_gaps(row) for row in mine), strict=True)),
                    color=style.colour,
                    marker=style.marker,
                    linestyle=style.line,
                    elinewidth=0.8,
                    label=label(name),
                )
        low, high = sizes[0] / 1.2, sizes[-1] * 1.2
        axes.set_xlim(low, high)
        _plain_ticks(axes.xaxis, low, high, sizes, lambda value: f"{value:,.0f}")
        axes.set_xlabel("reviews trained on")
        axes.set_ylabel("test accuracy, %")
        legend(figure, axes, columns=2)
        lines = [(row.name, f"{row.plan.train_size:,}", *_spelled(row)) for row in rows]
        table = Table(("model", "trained on", "test accuracy, %", "95 % interval"), tuple(lines))
        alt = f"Each model's accuracy after training on {', '.join(f'{size:,}' for size in sizes)} reviews."
        return finish(figure, "accuracy-by-size", "Accuracy by reviews trained on", alt, table)


def pair_picture(size: int, comparison: Comparison) -> Picture:
    """All pairs: difference of their accuracies with its interval."""
    pairs = comparison.pairs
    lines = []
    with canvas(0.8 + 0.5 * len(pairs)) as (figure, axes):
        for place, pair in enumerate(pairs):
            points = [100 * part for part in (pair.difference, *pair.interval)]
            colour = COLOURS[0] if pair.separated else MUTED
            axes.plot(points[1:], [place, place], color=colour, linewidth=2)
            face = colour if pair.separated else PAPER
            axes.plot(points[0], place, "o", color=colour, markerfacecolor=face, markersize=7)
            words(axes, place, f"{label(pair.first)} above {label(pair.second)}")
            p = "< 0.001" if pair.adjusted_p < 0.001 else f"{pair.adjusted_p:.3f}"
            interval = f"{points[1]:+.2f} to {points[2]:+.2f}"
            lines.append((pair.first, pair.second, f"{points[0]:+.2f}", interval, p, "yes" if pair.separated else "no"))
        axes.axvline(0, color=INK, linewidth=1)
        axes.set_ylim(len(pairs) - 0.4, -0.95)
        axes.set_yticks([])
        axes.spines["left"].set_visible(False)
        axes.set_xlabel("difference in test accuracy, points")
        apart = sum(pair.separated for pair in pairs)
        alt = f"{len(pairs)} pairs with the 95 % interval of their difference; the tests separate {apart} of them."
        columns = ("better", "other", "difference, points", "95 % interval", "p after Holm", "separated")
        title = f"Pairs of {comparison.about}, trained on {size:,} reviews"
        return finish(figure, f"pairs-{size}", title, alt, Table(columns, tuple(lines)))


def _plain_ticks(axis: Axis, low: float, high: float, steps: Sequence[float], spell: Callable[[float], str]) -> None:
    """At most five ticks of a logarithmic axis, at round values, spelled out."""
    inside = [step for step in steps if low <= step <= high]
    every = -(-len(inside) // 5) or 1
    axis.set_minor_locator(NullLocator())
    axis.set_ticks(inside[::every], [_short(spell(value)) for value in inside[::every]])


def _short(text: str) -> str:
    """`2 min` for `2 min 00 s`."""
    return (
        text.replace(" 00 s", "")
        .replace(" 00 min", "")
        .replace(" parameters", "")
        .replace(".0 M", " M")
        .replace(".0 ms", " ms")
    )


def _points(history: Mapping[int, float]) -> tuple[list[int], list[float]]:
    epochs = sorted(history)
    return epochs, [history[epoch] for epoch in epochs]


def _loss(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"


def _accuracy(row: Row) -> float:
    assert row.accuracy is not None
    return row.accuracy.accuracy


def _gaps(row: Row) -> tuple[float, float]:
    """From the accuracy down and up to the ends of its interval, in points."""
    assert row.accuracy is not None
    low, high = row.accuracy.interval
    return max(0.0, 100 * (_accuracy(row) - low)), max(0.0, 100 * (high - _accuracy(row)))


def _spelled(row: Row) -> tuple[str, str]:
    assert row.accuracy is not None
    low, high = row.accuracy.interval
    return f"{100 * _accuracy(row):.2f}", f"{100 * low:.2f} to {100 * high:.2f}"
