"""The picture of slopes: how each model's accuracy changes from the test part to challenge sets."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from benchmark.analysis.intervals import ConfidenceInterval
from benchmark.report.beyond import ChallengeVerdict
from benchmark.report.drawing import Look, Picture, Table, canvas, finish, label, legend

TEST = "test part"
_ROOM = 52  # characters side by side below the plot

Point = tuple[float, ConfidenceInterval]


def beyond_pictures(challenges: Sequence[ChallengeVerdict], look: Mapping[str, Look]) -> list[Picture]:
    """Draw a line per model from the test part to each set, the sets that are easiest for the models first."""
    if not challenges:
        return []
    points = _points(sorted(challenges, key=_mean_accuracy, reverse=True))
    columns = list(points)
    names = list(dict.fromkeys(name for column in columns[1:] for name in points[column]))
    lines = []
    crowded = max(map(len, columns)) * len(columns) > _ROOM
    with canvas(4.2 if crowded else 3.4) as (figure, axes):
        for number, name in enumerate(names):
            style = look[name]
            shift = 0.035 * len(columns) * ((number + 0.5) / len(names) - 0.5)  # so that intervals can be distinguished
            found = [points[column].get(name) for column in columns]
            axes.errorbar(
                [place + shift for place in range(len(columns))],
                [math.nan if each is None else 100 * each[0] for each in found],
                np.transpose([_gaps(each) for each in found]),
                color=style.colour,
                marker=style.marker,
                linestyle=style.line,
                linewidth=1.3,
                elinewidth=0.9,
                label=label(name),
            )
            lines += [
                (name, column, f"{100 * each[0]:.2f}", f"{100 * each[1].low:.2f} to {100 * each[1].high:.2f}")
                for column, each in zip(columns, found, strict=True)
                if each is not None
            ]
        slanted: dict[str, Any] = {"rotation": 35, "ha": "right", "rotation_mode": "anchor"} if crowded else {}
        axes.set_xticks(range(len(columns)), list(map(label, columns)), **slanted)
        axes.set_xlim(-0.3, len(columns) - 0.7)
        axes.set_ylabel("accuracy, %")
        legend(figure, axes, columns=2)
        alt = f"Each model's accuracy on {', '.join(columns)}."
        table = Table(("model", "reviews", "accuracy, %", "95 % interval"), lines)
        return [finish(figure, "beyond", "Accuracy on the test part and on challenge sets", alt, table)]


def _points(challenges: Sequence[ChallengeVerdict]) -> dict[str, dict[str, Point]]:
    """Return by column and model the accuracy on the reviews that count, and its interval."""
    points: dict[str, dict[str, Point]] = {TEST: {}}
    for found in challenges:
        column = f"{found.results.name}, revised" if found.revised_alone else found.results.name
        points[column] = {}
        for row in found.scored:
            assert row.judged_interval is not None
            assert row.row.interval is not None
            points[column][row.row.name] = row.scores["judged"].mean, row.judged_interval
            points[TEST][row.row.name] = row.row.accuracy, row.row.interval
    return points


def _mean_accuracy(found: ChallengeVerdict) -> float:
    return float(np.mean([row.scores["judged"].mean for row in found.scored]))


def _gaps(point: Point | None) -> tuple[float, float]:
    """Return the points from an accuracy down and up to the ends of its interval."""
    if point is None:
        return 0.0, 0.0
    accuracy, interval = point
    return max(0.0, 100 * (accuracy - interval.low)), max(0.0, 100 * (interval.high - accuracy))
