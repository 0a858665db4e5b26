"""Figures are PNG files, drawn whether or not there is a display."""

from pathlib import Path

import matplotlib.image
import numpy as np
import pytest

from benchmark.experiment.figures import confusion_matrix, learning_curve
from benchmark.training.epoch import EpochRecord

PNG = b"\x89PNG\r\n\x1a\n"


def epochs(count: int) -> list[EpochRecord]:
    return [EpochRecord(n, 0.7 / n, 0.8 / n, 1 - 0.5 / n, 1e-3, 10.0, 1.0) for n in range(1, count + 1)]


def is_drawn(path: Path) -> bool:
    colours = np.unique(matplotlib.image.imread(path).reshape(-1, 4), axis=0)
    return path.read_bytes().startswith(PNG) and len(colours) > 10


@pytest.mark.parametrize("count", [1, 2, 30])
def test_the_learning_curve_is_drawn_for_any_number_of_epochs(tmp_path, count):
    learning_curve(tmp_path / "curve.png", "lstm seed 1", epochs(count), best_epoch=1)

    assert is_drawn(tmp_path / "curve.png")


def test_the_chosen_epoch_is_marked(tmp_path):
    learning_curve(tmp_path / "first.png", "lstm seed 1", epochs(5), best_epoch=1)
    learning_curve(tmp_path / "last.png", "lstm seed 1", epochs(5), best_epoch=5)

    assert (tmp_path / "first.png").read_bytes() != (tmp_path / "last.png").read_bytes()


@pytest.mark.parametrize(
    ("labels", "predicted"), [([0, 1, 0, 1], [0, 1, 1, 0]), ([0, 1, 0, 1], [0, 0, 0, 0]), ([1, 1], [1, 0])]
)
def test_the_confusion_matrix_is_drawn_even_where_a_class_is_missing(tmp_path, labels, predicted):
    confusion_matrix(tmp_path / "matrix.png", "lstm seed 1", np.array(labels), np.array(predicted))

    assert is_drawn(tmp_path / "matrix.png")


def test_the_confusion_matrix_counts_true_label_by_predicted_label(tmp_path, monkeypatch):
    written: dict[tuple[int, int], str] = {}
    monkeypatch.setattr("matplotlib.axes.Axes.text", lambda _, x, y, text, **style: written.update({(y, x): text}))
    answers = np.array([0, 0, 0, 1, 1, 1, 1]), np.array([0, 1, 1, 1, 1, 1, 0])
    confusion_matrix(tmp_path / "matrix.png", "lstm seed 1", *answers)

    assert {place: text.split()[:2] for place, text in written.items()} == {
        (0, 0): ["1", "33.3%"],
        (0, 1): ["2", "66.7%"],
        (1, 0): ["1", "25.0%"],
        (1, 1): ["3", "75.0%"],
    }
