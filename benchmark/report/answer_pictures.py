"""Pictures of the answers: on which reviews models err, which way, and whether they know it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.patches import Rectangle

from benchmark.analysis.metrics import ReliabilityBins, reliability_bins
from benchmark.analysis.slices import Groups, Slice, accuracy_by, flag_groups, length_groups, star_groups
from benchmark.report.drawing import COLOURS, MUTED, PAPER, Look, Picture, Table, canvas, finish, label, legend
from benchmark.report.rows import Row
from benchmark.results.results import Details, PlanResults

NAMES = ("negative", "positive")
_RANGE = re.compile(r"(?<=\d) to (?=\d)")


def slice_pictures(
    results: PlanResults, details: Details, rows: Sequence[Row], look: Mapping[str, Look]
) -> list[Picture]:
    """Accuracy by what is known of the reviews; what is not recorded has no picture."""
    if not rows:
        return []
    pictures = []
    measure, tokens = reference_tokens(results, details, rows)
    if tokens is not None:
        lengths = length_groups(tokens)
        title, axis = "By length", f"length in tokens, as {measure} counts them"
        pictures.append(_slice_picture("length", title, axis, _same(results, rows, lengths), look, joined=True))
    seen = {row.name: found for row in rows if (found := _by_truncation(results, details, row))}
    if seen:
        axis = "what the network saw of the review"
        pictures.append(_slice_picture("truncated", "Whole or truncated", axis, seen, look))
    if details.stars is not None and not np.isnan(details.stars).all():
        by_star = _same(results, rows, star_groups(details.stars))
        pictures.append(_slice_picture("stars", "By the writer's stars", "stars of 10", by_star, look, joined=True))
    if details.also_in_train is not None and details.also_in_train.any():
        known = flag_groups(details.also_in_train, "new to the model", "also in train")
        axis = "where the same text stands"
        pictures.append(_slice_picture("known", "Texts seen before", axis, _same(results, rows, known), look))
    return pictures


def reference_tokens(results: PlanResults, details: Details, rows: Sequence[Row]) -> tuple[str, np.ndarray | None]:
    """The lengths by which all models' reviews are sorted, and the first model, whose tokenizer counted them."""
    for row in rows:
        for run in results.finished(row.plan):
            if (tokens := details.tokens.get(run.run_id)) is not None:
                return row.name, tokens
    return "", None


def _same(results: PlanResults, rows: Sequence[Row], groups: Groups) -> dict[str, tuple[Slice, ...]]:
    """Slices of every row by the same groups."""
    return {row.name: accuracy_by(results.correct(results.finished(row.plan)), groups) for row in rows}


def _by_truncation(results: PlanResults, details: Details, row: Row) -> tuple[Slice, ...]:
    runs = results.finished(row.plan)
    truncated = details.truncated.get(runs[0].run_id)
    if truncated is None:
        return ()
    return accuracy_by(results.correct(runs), flag_groups(truncated, "all of it", "a part"))


def _slice_picture(
    key: str,
    title: str,
    axis: str,
    found: Mapping[str, Sequence[Slice]],
    look: Mapping[str, Look],
    *,
    joined: bool = False,
) -> Picture:
    """A line or a row of points a model, side by side at each slice."""
    names = list(dict.fromkeys(each.name for slices in found.values() for each in slices))
    if joined and all(name.isdigit() for name in names):
        names.sort(key=int)
    lines = []
    with canvas(3.6) as (figure, axes):
        for number, (model, slices) in enumerate(found.items()):
            style = look[model]
            shift = 0.5 / len(found) * (number - (len(found) - 1) / 2)
            points = [100 * each.accuracy for each in slices]
            axes.errorbar(
                [names.index(each.name) + shift for each in slices],
                points,
                (
                    [max(0.0, 100 * (each.accuracy - each.interval.low)) for each in slices],
                    [max(0.0, 100 * (each.interval.high - each.accuracy)) for each in slices],
                ),
                color=style.colour,
                marker=style.marker,
                linestyle=style.line if joined else "none",
                linewidth=1.2,
                elinewidth=0.9,
                label=label(model),
            )
            lines += [
                (
                    model,
                    each.name,
                    f"{each.reviews:,}",
                    f"{100 * each.accuracy:.2f}",
                    f"{100 * each.interval.low:.2f} to {100 * each.interval.high:.2f}",
                )
                for each in slices
            ]
        axes.set_xticks(range(len(names)), [_short(name) for name in names])
        axes.set_xlim(-0.6, len(names) - 0.4)
        axes.grid(visible=False, axis="x")
        axes.set_xlabel(axis)
        axes.set_ylabel("accuracy, %")
        legend(figure, axes, columns=2)
        alt = f"Accuracy of each model, {axis}: {', '.join(names)}."
        columns = ("model", title.lower(), "reviews", "accuracy, %", "95 % interval (Wilson)")
        return finish(figure, f"slice-{key}", title, alt, Table(columns, tuple(lines)))


def _short(name: str) -> str:
    """`≤ 100`, `101–150`, `> 500`: a slice's name as an axis has room for it."""
    return _RANGE.sub("–", name).replace("up to ", "≤ ").replace("over ", "> ")


def reliability_pictures(results: PlanResults, rows: Sequence[Row], look: Mapping[str, Look]) -> list[Picture]:
    """A reliability diagram a row, all of one scale; the seeds' answers together."""
    found = []
    for row in rows:
        logits = [results.logits[run.run_id] for run in results.finished(row.plan)]
        found.append(reliability_bins(np.tile(results.labels, len(logits)), np.concatenate(logits)))
    floor = min((100 * float(np.nanmin(bins.accuracy)) for bins in found), default=0.0)
    return [
        _reliability_picture(f"reliability-{number}", row, bins, look[row.name], floor)
        for number, (row, bins) in enumerate(zip(rows, found, strict=True))
    ]


def _reliability_picture(key: str, row: Row, bins: ReliabilityBins, style: Look, floor: float) -> Picture:
    filled = np.flatnonzero(bins.count)
    shares = bins.count / bins.count.sum()
    error = 100 * row.scores["ece"].mean
    lines = []
    with canvas(3.0) as (figure, axes):
        axes.plot([50, 100], [50, 100], color=MUTED, linewidth=1, linestyle=(0, (4, 2)))
        for place in filled.tolist():
            sure, right = 100 * bins.confidence[place], 100 * bins.accuracy[place]
            axes.plot([sure, sure], [sure, right], color=style.colour, linewidth=1)
            size = 3 + 11 * float(shares[place]) ** 0.5
            axes.plot(sure, right, style.marker, color=style.colour, markersize=size, markeredgecolor=PAPER, mew=0.6)
            width = 100 / len(bins.count)
            span = f"{place * width:.0f} to {(place + 1) * width:.0f}"
            lines.append((span, f"{100 * shares[place]:.1f} %", f"{sure:.1f}", f"{right:.1f}"))
        axes.annotate("as sure as right", (66, 66), (4, -3), textcoords="offset points", va="top", color=MUTED)
        axes.set_xlim(48, 102)
        axes.set_ylim(min(45.0, floor - 5), 103)
        axes.set_xlabel("how sure it was, %")
        axes.set_ylabel("how often it was right, %")
        alt = f"Share of right answers by how sure the model was; expected calibration error {error:.2f} %."
        table = Table(("sure, %", "answers", "mean sureness, %", "right, %"), tuple(lines))
        return finish(figure, key, f"{row.name}: off by {error:.1f} points", alt, table)


def confusion_pictures(results: PlanResults, rows: Sequence[Row]) -> list[Picture]:
    """Predicted by true label, in the mean over seeds."""
    return [_confusion_picture(f"confusion-{number}", results, row) for number, row in enumerate(rows)]


def _confusion_picture(key: str, results: PlanResults, row: Row) -> Picture:
    runs = results.finished(row.plan)
    counts = np.zeros((2, 2))
    for run in runs:
        np.add.at(counts, (results.labels, results.logits[run.run_id].argmax(axis=1)), 1 / len(runs))
    shares = counts / np.maximum(1, counts.sum(axis=1, keepdims=True))
    with canvas(2.4) as (figure, axes):
        for (true, predicted), share in np.ndenumerate(shares):
            colour = COLOURS[0] if true == predicted else COLOURS[1]
            place = (predicted - 0.48, true - 0.47)
            alpha = 0.08 + 0.34 * float(share)
            axes.add_patch(Rectangle(place, 0.96, 0.94, facecolor=colour, alpha=alpha, linewidth=0))
            axes.text(predicted, true - 0.1, f"{100 * share:.1f} %", ha="center", va="center", fontsize=14)
            count = f"{counts[true, predicted]:,.0f} reviews"
            axes.text(predicted, true + 0.22, count, ha="center", va="center", color=MUTED)
        axes.set_xlim(-0.5, 1.5)
        axes.set_ylim(1.5, -0.5)
        axes.grid(visible=False)
        axes.set_xticks([0, 1], [f"called {name}" for name in NAMES])
        axes.set_yticks([0, 1], [f"is {name}" for name in NAMES], rotation=90, va="center")
        for spine in axes.spines.values():
            spine.set_visible(False)
        alt = "; ".join(
            f"of {NAMES[true]} reviews {100 * shares[true, 1 - true]:.1f} % are called {NAMES[1 - true]}"
            for true in (0, 1)
        )
        lines = [
            (f"is {NAMES[true]}", *(f"{counts[true, each]:,.1f} ({100 * shares[true, each]:.2f} %)" for each in (0, 1)))
            for true in (0, 1)
        ]
        table = Table(("", *(f"called {name}" for name in NAMES)), tuple(lines))
        return finish(figure, key, row.name, f"{alt[0].upper()}{alt[1:]}.", table)
