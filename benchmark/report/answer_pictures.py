"""Pictures of the answers: accuracy on parts of the reviews, confusion matrices and calibration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.patches import Rectangle

from benchmark.analysis.metrics import ReliabilityBins, reliability_bins
from benchmark.analysis.slices import Groups, Slice, accuracy_by, flag_groups, length_groups, star_groups
from benchmark.output import spell_amount
from benchmark.report.drawing import COLOURS, MUTED, PAPER, Look, Picture, Table, canvas, finish, label, legend
from benchmark.report.rows import Row
from benchmark.results.results import Details, PlanResults

NAMES = ("negative", "positive")


def slice_pictures(
    results: PlanResults, details: Details, rows: Sequence[Row], look: Mapping[str, Look]
) -> list[Picture]:
    """Draw accuracy by each recorded fact about the reviews: length, truncation, stars, presence in train."""
    runs = {row.name: results.finished(row.plan) for row in rows}
    if not runs:
        return []
    correct = {name: results.correct(of_row) for name, of_row in runs.items()}

    def by(groups: Groups) -> dict[str, tuple[Slice, ...]]:
        return {name: accuracy_by(answers, groups) for name, answers in correct.items()}

    pictures = []
    counted = [(name, run.run_id) for name, of_row in runs.items() for run in of_row if run.run_id in details.tokens]
    if counted:
        name, run_id = counted[0]  # one model's tokenizer measures the reviews for all
        axis, tokens = f"length in tokens of {name}", details.tokens[run_id]
        pictures.append(_slice_picture("length", "By length", axis, by(length_groups(tokens)), look, joined=True))
    if seen := {
        name: accuracy_by(correct[name], flag_groups(details.truncated[run.run_id], "the whole review", "a part"))
        for name, (run, *_) in runs.items()
        if run.run_id in details.truncated
    }:
        pictures.append(_slice_picture("truncated", "Whole or truncated", "what the model read", seen, look))
    if details.stars is not None and not np.isnan(details.stars).all():
        stars = by(star_groups(details.stars))
        pictures.append(_slice_picture("stars", "By the writer's stars", "stars of 10", stars, look, joined=True))
    if details.also_in_train is not None and details.also_in_train.any():
        known = by(flag_groups(details.also_in_train, "not in train", "also in train"))
        pictures.append(_slice_picture("known", "Texts that are also in train", "text of the review", known, look))
    return pictures


def _slice_picture(
    key: str,
    title: str,
    axis: str,
    found: Mapping[str, Sequence[Slice]],
    look: Mapping[str, Look],
    *,
    joined: bool = False,
) -> Picture:
    """Draw a line, or a row of points, per model."""
    names = list(dict.fromkeys(each.name for slices in found.values() for each in slices))
    if joined and all(name.isdigit() for name in names):
        names.sort(key=int)
    lines = []
    with canvas(3.6) as (figure, axes):
        for number, (model, slices) in enumerate(found.items()):
            style = look[model]
            shift = 0.5 / len(found) * (number - (len(found) - 1) / 2)
            below = [max(0.0, 100 * (each.accuracy - each.interval.low)) for each in slices]
            above = [max(0.0, 100 * (each.interval.high - each.accuracy)) for each in slices]
            axes.errorbar(
                [names.index(each.name) + shift for each in slices],
                [100 * each.accuracy for each in slices],
                (below, above),
                color=style.colour,
                marker=style.marker,
                linestyle=style.line if joined else "none",
                linewidth=1.2,
                elinewidth=0.9,
                label=label(model),
            )
            for name, reviews, accuracy, (low, high) in slices:
                interval = f"{100 * low:.2f} to {100 * high:.2f}"
                lines.append((model, name, f"{reviews:,}", f"{100 * accuracy:.2f}", interval))
        short = [name.replace(" to ", "–").replace("up–", "≤ ").replace("over ", "> ") for name in names]
        axes.set_xticks(range(len(names)), short)
        axes.set_xlim(-0.6, len(names) - 0.4)
        axes.grid(visible=False, axis="x")
        axes.set_xlabel(axis)
        axes.set_ylabel("accuracy, %")
        legend(figure, axes, columns=2)
        alt = f"Accuracy of each model, {axis}: {', '.join(names)}."
        columns = ("model", title.lower(), "reviews", "accuracy, %", "95 % interval (Wilson)")
        return finish(figure, f"slice-{key}", title, alt, Table(columns, lines))


def reliability_pictures(results: PlanResults, rows: Sequence[Row], look: Mapping[str, Look]) -> list[Picture]:
    """Draw a reliability diagram per row, all on one scale, of all seeds' answers."""
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
    filled = np.flatnonzero(bins.counts)
    shares = bins.counts / bins.counts.sum()
    error = 100 * row.scores["ece"].mean
    lines = []
    with canvas(3.0) as (figure, axes):
        axes.plot([50, 100], [50, 100], color=MUTED, linewidth=1, linestyle=(0, (4, 2)))
        for place in filled.tolist():
            confidence, right = 100 * bins.confidence[place], 100 * bins.accuracy[place]
            axes.plot([confidence, confidence], [confidence, right], color=style.colour, linewidth=1)
            size = 3 + 11 * float(shares[place]) ** 0.5
            axes.plot(
                confidence, right, style.marker, color=style.colour, markersize=size, markeredgecolor=PAPER, mew=0.6
            )
            width = 100 / len(bins.counts)
            span = f"{place * width:.0f} to {(place + 1) * width:.0f}"
            lines.append((span, f"{100 * shares[place]:.1f} %", f"{confidence:.1f}", f"{right:.1f}"))
        axes.annotate("perfectly calibrated", (66, 66), (4, -3), textcoords="offset points", va="top", color=MUTED)
        axes.set_xlim(48, 102)
        axes.set_ylim(min(45.0, floor - 5), 103)
        axes.set_xlabel("confidence, %")
        axes.set_ylabel("accuracy, %")
        alt = f"Accuracy by confidence; expected calibration error {error:.2f} %."
        table = Table(("confidence, %", "answers", "mean confidence, %", "accuracy, %"), lines)
        return finish(figure, key, f"{row.name}: ECE {error:.1f} %", alt, table)


def confusion_pictures(results: PlanResults, rows: Sequence[Row]) -> list[Picture]:
    """Draw a confusion matrix per row, in the mean over seeds."""
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
            count = spell_amount(float(counts[true, predicted]), "review")
            axes.text(predicted, true + 0.22, count, ha="center", va="center", color=MUTED)
        axes.set_xlim(-0.5, 1.5)
        axes.set_ylim(1.5, -0.5)
        axes.grid(visible=False)
        axes.set_xticks([0, 1], [f"predicted {name}" for name in NAMES])
        axes.set_yticks([0, 1], [f"label {name}" for name in NAMES], rotation=90, va="center")
        for spine in axes.spines.values():
            spine.set_visible(False)
        alt = "; ".join(
            f"of {NAMES[true]} reviews {100 * shares[true, 1 - true]:.1f} % are predicted {NAMES[1 - true]}"
            for true in (0, 1)
        )
        lines = [
            (
                f"label {NAMES[true]}",
                *(f"{counts[true, each]:,.1f} ({100 * shares[true, each]:.2f} %)" for each in (0, 1)),
            )
            for true in (0, 1)
        ]
        table = Table(("", *(f"predicted {name}" for name in NAMES)), lines)
        return finish(figure, key, row.name, f"{alt[0].upper()}{alt[1:]}.", table)
