"""Draw the pictures of one run, without a display."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from benchmark.training.epoch import EpochRecord

TRAIN_COLOUR, VAL_COLOUR, BEST_COLOUR = "#0072B2", "#D55E00", "#009E73"  # Okabe and Ito: safe for colour-blind readers


def learning_curve(path: Path, title: str, epochs: Sequence[EpochRecord], best_epoch: int) -> None:
    """Draw losses and val accuracy by epoch, the chosen epoch marked."""
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    losses, accuracies = figure.subplots(1, 2)
    numbers = [epoch.epoch for epoch in epochs]
    losses.plot(numbers, [epoch.train_loss for epoch in epochs], "o-", color=TRAIN_COLOUR, label="train/loss")
    losses.plot(numbers, [epoch.val_loss for epoch in epochs], "s-", color=VAL_COLOUR, label="val/loss")
    percents = [100 * epoch.val_accuracy for epoch in epochs]
    accuracies.plot(numbers, percents, "s-", color=VAL_COLOUR, label="val/accuracy")
    for axes, unit in ((losses, "cross-entropy, nats"), (accuracies, "accuracy, %")):
        axes.axvline(best_epoch, color=BEST_COLOUR, linestyle="--", label=f"chosen: epoch {best_epoch}")
        axes.set(xlabel="epoch", ylabel=unit)
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.grid(alpha=0.3)
        axes.legend()
    figure.suptitle(title)
    figure.savefig(path, dpi=110)


def confusion_matrix(path: Path, title: str, labels: np.ndarray, predicted: np.ndarray) -> None:
    """Draw the counts of true label by predicted label."""
    counts = np.zeros((2, 2), dtype=int)
    np.add.at(counts, (labels, predicted), 1)
    figure = Figure(figsize=(4.4, 4.2), layout="constrained")
    axes = figure.subplots()
    axes.imshow(counts, cmap="Blues", vmin=0)
    names = ["negative", "positive"]
    axes.set_xticks([0, 1], names)
    axes.set_yticks([0, 1], names, rotation=90, va="center")
    axes.set(xlabel="predicted", ylabel="true", title=title)
    for (row, column), count in np.ndenumerate(counts):
        colour = "white" if count > counts.max() / 2 else "black"
        text = f"{count:,}\n{count / max(1, counts[row].sum()):.1%} of the row"
        axes.text(column, row, text, ha="center", va="center", color=colour)
    figure.savefig(path, dpi=110)
