"""Pictures of complete rows: accuracy, learning curves, accuracy against cost and train size, and all pairs."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from matplotlib.axis import Axis
from matplotlib.ticker import MaxNLocator, NullLocator

from benchmark.analysis.pairwise import PairwiseTests
from benchmark.output import spell_amount, spell_seconds
from benchmark.report import drawing
from benchmark.report.drawing import INK, MUTED, PAPER, Look, Picture, Table, canvas, finish, label, write_above
from benchmark.report.narrative import Price, pareto_front, prices, spell_p
from benchmark.report.rows import Row
from benchmark.results.results import Details, PlanResults

TRAIN, VAL, CHOSEN = drawing.COLOURS[:3]
_STEPS = [step * 10.0**power for power in range(-3, 12) for step in (1, 2, 5)]
_SECONDS = [step for step in _STEPS if step < 20]
_SECONDS += [*(20, 30, 60, 120, 300, 600, 1200, 1800), *(3600.0 * hours for hours in (1, 2, 5, 10, 24, 48, 120, 240))]
MEASURED = ("test accuracy, %", "95 % interval")


def ranking_picture(rows: Sequence[Row], look: Mapping[str, Look]) -> Picture:
    """Draw the accuracy of each row with its interval and every seed's own, the best on top."""
    ranked = sorted(rows, key=lambda row: -row.accuracy)
    with canvas(0.7 + 0.56 * len(ranked)) as (figure, axes):
        for place, row in enumerate(ranked):
            style = look[row.name]
            axes.plot([100 * end for end in row.interval or ()], [place, place], color=style.colour, linewidth=2)
            if len(row.accuracies) > 1:
                seeds = [100 * each for each in row.accuracies]
                axes.plot(seeds, [place + 0.19] * len(seeds), "|", color=MUTED, markersize=5, markeredgewidth=1)
            axes.plot(100 * row.accuracy, place, style.marker, color=style.colour, markersize=8, markeredgecolor=PAPER)
            write_above(axes, place, label(row.name))
            write_above(axes, place, f"{100 * row.accuracy:.2f} %", right=True)
        axes.set_ylim(len(ranked) - 0.5, -0.95)
        axes.set_yticks([])
        axes.spines["left"].set_visible(False)
        axes.margins(x=0.06)
        axes.set_xlabel("test accuracy, %")
        alt = f"Best first: {', '.join(f'{row.name} {100 * row.accuracy:.2f} %' for row in ranked)}."
        lines = [
            (row.name, *_measured(row), ", ".join(f"{100 * each:.2f}" for each in row.accuracies)) for row in ranked
        ]
        return finish(figure, "ranking", "Test accuracy", alt, Table(("model", *MEASURED, "by seed"), lines))


def learning_curves(results: PlanResults, details: Details, rows: Sequence[Row]) -> list[Picture]:
    """Draw loss on train and val by epoch, a picture per row and a line per seed, all on one scale."""
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
            best = int(run.metrics.get("best_epoch", 0))
            chosen.append(best)
            for name, history, style in (
                ("train", train, {"color": TRAIN, "marker": "o", "markersize": 3}),
                ("val", val, {"color": VAL, "marker": "s", "markersize": 3, "linestyle": (0, (4, 1.5))}),
                (
                    "chosen epoch",
                    {epoch: loss for epoch, loss in val.items() if epoch == best},
                    {"color": CHOSEN, "marker": "D", "markersize": 7, "linestyle": "none", "markeredgecolor": PAPER},
                ),
            ):
                settings: dict[str, Any] = {"linewidth": 1, "label": name if len(chosen) == 1 else None, **style}
                epochs = sorted(history)
                axes.plot(epochs, [history[epoch] for epoch in epochs], **settings)
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
        drawing.legend(figure, axes)
        epochs_chosen = ", ".join(map(str, chosen))
        seeds = spell_amount(len(chosen), "seed")
        alt = f"Loss on train and val by epoch, {seeds}; chosen epoch of each: {epochs_chosen}."
        table = Table(("seed", "epoch", "train loss", "val loss", "chosen"), lines)
        return finish(figure, f"learning-{number}", row.name, alt, table)


def cost_pictures(rows: Sequence[Row], look: Mapping[str, Look]) -> list[Picture]:
    """Draw accuracy against each price that is known of at least two rows, with the Pareto front."""
    pictures = []
    for number, price in enumerate(prices(rows)):
        known = {row.name: (row, cost) for row in rows if (cost := price[1](row))}
        if len(known) > 1:
            pictures.append(_cost_picture(f"cost-{number}", price, known, look))
    return pictures


def _cost_picture(key: str, price: Price, known: Mapping[str, tuple[Row, float]], look: Mapping[str, Look]) -> Picture:
    name_of_price, _, spell = price
    front = pareto_front({name: (row.accuracy, cost) for name, (row, cost) in known.items()})
    costs = [cost for _, cost in known.values()]
    low, high = min(costs) / 1.6, max(costs) * 1.6
    with canvas(3.2 + 0.1 * len(known)) as (figure, axes):
        axes.set_xscale("log")
        axes.set_xlim(low, high)
        steps = [(known[name][1], 100 * known[name][0].accuracy) for name in front]
        for row, cost in known.values():
            style, accuracy = look[row.name], 100 * row.accuracy
            axes.errorbar(cost, accuracy, _gaps([row]), color=style.colour, elinewidth=1)
            face = style.colour if row.name in front else PAPER
            mark = axes.plot(cost, accuracy, style.marker, color=style.colour, label=label(row.name))[0]
            mark.set(markerfacecolor=face, markersize=8)
        _plain_ticks(axes.xaxis, low, high, _SECONDS if spell is spell_seconds else _STEPS, spell)
        axes.set_xlabel(f"{name_of_price}, logarithmic")
        axes.set_ylabel("test accuracy, %")
        bottom, _ = axes.set_ylim(axes.get_ylim())
        corners = [(steps[0][0], bottom), *steps, (high, steps[-1][1])]  # a line, however few models it joins
        axes.step(*zip(*corners, strict=True), where="post", color=MUTED, linewidth=1, zorder=1, gid="front")
        drawing.legend(figure, axes, columns=2)
        alt = f"Each model's accuracy against its {name_of_price}. Pareto front, cheapest first: {', '.join(front)}."
        lines = [(name, spell(cost), *_measured(row), "yes" * (name in front)) for name, (row, cost) in known.items()]
        table = Table(("model", name_of_price, *MEASURED, "on the front"), lines)
        return finish(figure, key, f"Accuracy against {name_of_price}", alt, table)


def size_picture(rows: Sequence[Row], look: Mapping[str, Look]) -> Picture:
    """Draw accuracy by the number of training reviews, a line per model."""
    sizes = sorted({row.plan.train_size for row in rows})
    with canvas(3.4) as (figure, axes):
        axes.set_xscale("log")
        for number, (name, style) in enumerate(look.items()):
            of_model = sorted((row for row in rows if row.name == name), key=lambda row: row.plan.train_size)
            if of_model:
                shift = 1 + 0.015 * (number - len(look) / 2)  # so that intervals at one size can be distinguished
                axes.errorbar(
                    [shift * row.plan.train_size for row in of_model],
                    [100 * row.accuracy for row in of_model],
                    _gaps(of_model),
                    color=style.colour,
                    marker=style.marker,
                    linestyle=style.line,
                    elinewidth=0.8,
                    label=label(name),
                )
        low, high = sizes[0] / 1.2, sizes[-1] * 1.2
        axes.set_xlim(low, high)
        _plain_ticks(axes.xaxis, low, high, sizes, "{:,.0f}".format)
        axes.set_xlabel("training reviews")
        axes.set_ylabel("test accuracy, %")
        drawing.legend(figure, axes, columns=2)
        lines = [(row.name, f"{row.plan.train_size:,}", *_measured(row)) for row in rows]
        alt = f"Each model's accuracy after training on {', '.join(f'{size:,}' for size in sizes)} reviews."
        table = Table(("model", "trained on", *MEASURED), lines)
        return finish(figure, "accuracy-by-size", "Accuracy by training reviews", alt, table)


def pair_picture(size: int, comparison: PairwiseTests) -> Picture:
    """Draw the difference of each pair's accuracies with its interval."""
    pairs = comparison.pairs
    lines = []
    with canvas(0.8 + 0.5 * len(pairs)) as (figure, axes):
        for place, pair in enumerate(pairs):
            points = [100 * part for part in (pair.difference, *pair.interval)]
            colour = drawing.COLOURS[0] if pair.separated else MUTED
            axes.plot(points[1:], [place, place], color=colour, linewidth=2)
            face = colour if pair.separated else PAPER
            axes.plot(points[0], place, "o", color=colour, markerfacecolor=face, markersize=7)
            write_above(axes, place, f"{label(pair.first)} minus {label(pair.second)}")
            interval, significant = f"{points[1]:+.2f} to {points[2]:+.2f}", "yes" if pair.separated else "no"
            lines.append(
                (
                    pair.first,
                    pair.second,
                    f"{points[0]:+.2f}",
                    interval,
                    spell_p(pair.adjusted_p),
                    significant,
                    pair.about,
                )
            )
        axes.axvline(0, color=INK, linewidth=1)
        axes.set_ylim(len(pairs) - 0.4, -0.95)
        axes.set_yticks([])
        axes.spines["left"].set_visible(False)
        axes.set_xlabel("difference in test accuracy, points")
        count = sum(pair.separated for pair in pairs)
        every = spell_amount(len(pairs), "pair")
        alt = f"{every} with the 95 % interval of the difference; {count} differ significantly."
        columns = ("better", "other", "difference, points", "95 % interval", "p after Holm", "significant", "about")
        title = f"Pairs of {' and of '.join(comparison.about)}, trained on {size:,} reviews"
        return finish(figure, f"pairs-{size}", title, alt, Table(columns, lines))


def _plain_ticks(axis: Axis, low: float, high: float, steps: Sequence[float], spell: Callable[[float], str]) -> None:
    ticks = round_ticks(low, high, steps, spell)
    axis.set_minor_locator(NullLocator())
    axis.set_ticks(list(ticks), list(ticks.values()))


def round_ticks(low: float, high: float, steps: Sequence[float], spell: Callable[[float], str]) -> dict[float, str]:
    """Return at most five of the steps between low and high, written as `2 min` for `2 min 00 s`."""
    inside = [step for step in steps if low <= step <= high]
    chosen = inside[:: -(-len(inside) // 5) or 1]
    return {value: re.sub(r" 00 (s|min)$| parameters$|\.0(?= |$)", "", spell(value)) for value in chosen}


def _loss(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"


def _gaps(rows: Sequence[Row]) -> list[list[float]]:
    """Return the points from each accuracy down and up to the ends of its interval, as error bars take them."""
    ends = [(row.accuracy, row.interval) for row in rows if row.interval is not None]
    return [
        [max(0.0, 100 * (accuracy - interval.low)) for accuracy, interval in ends],
        [max(0.0, 100 * (interval.high - accuracy)) for accuracy, interval in ends],
    ]


def _measured(row: Row) -> tuple[str, str]:
    low, high = row.interval or (0.0, 1.0)
    return f"{100 * row.accuracy:.2f}", f"{100 * low:.2f} to {100 * high:.2f}"
