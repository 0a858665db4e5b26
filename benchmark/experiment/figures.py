"""Pictures of one run, drawn without a screen."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from benchmark.training.epoch import EpochRecord

# Okabe & Ito's colours, which colour-blind readers can tell apart.
TRAIN_COLOUR, VAL_COLOUR, BEST_COLOUR = "#0072B2", "#D55E00", "#009E73"


def learning_curve(path: Path, title: str, epochs: Sequence[EpochRecord], best_epoch: int) -> None:
    """Loss and val accuracy by epoch, the chosen epoch marked."""
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    losses, accuracies = figure.subplots(1, 2)
    numbers = [record.epoch for record in epochs]
    losses.plot(numbers, [record.train_loss for record in epochs], "o-", color=TRAIN_COLOUR, label="train/loss")
    losses.plot(numbers, [record.val_loss for record in epochs], "s-", color=VAL_COLOUR, label="val/loss")
    losses.set_ylabel("cross-entropy, nats")
    accuracies.plot(
        numbers, [100 * record.val_accuracy for record in epochs], "s-", color=VAL_COLOUR, label="val/accuracy"
    )
    accuracies.set_ylabel("accuracy, %")
    for axes in (losses, accuracies):
        axes.axvline(best_epoch, color=BEST_COLOUR, linestyle="--", label=f"chosen: epoch {best_epoch}")
        axes.set_xlabel("epoch")
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.grid(alpha=0.3)
        axes.legend()
    figure.suptitle(title)
    figure.savefig(path, dpi=110)


def confusion_matrix(path: Path, title: str, labels: np.ndarray, predicted: np.ndarray) -> None:
    """Counts of true label against predicted label."""
    counts = np.zeros((2, 2), dtype=int)
    np.add.at(counts, (labels, predicted), 1)
    figure = Figure(figsize=(4.4, 4.2), layout="constrained")
    axes = figure.subplots()
    axes.imshow(counts, cmap="Blues", vmin=0)
    names = ["negative", "positive"]
    axes.set_xticks([0, 1], names)
    axes.set_yticks([0, 1], names, rotation=90, va="center")
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    for (row, column), count in np.ndenumerate(counts):
        colour = "white" if count > counts.max() / 2 else "black"
        axes.text(
            column,
            row,
            f"{count:,}\n{count / max(1, counts[row].sum()):.1%} of the row",
            ha="center",
            va="center",
            color=colour,
        )
    axes.set_title(title)
    figure.savefig(path, dpi=110)
