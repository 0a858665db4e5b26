"""Whether the same came of a run and of its reproduction: the first place at which they part."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmark.results.compare import Value, same
from benchmark.results.recorded_run import RecordedRun
from benchmark.tracking.records import PREDICTIONS_FILE

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from benchmark.tracking.records import RunRecord

_EPOCH_METRICS = ("train/loss", "val/loss", "val/accuracy")  # in the order in which an epoch makes them
_INPUTS = {"corpus_fingerprint": "corpus", "split_fingerprint": "split", "precision": "precision"}


@dataclass(frozen=True, slots=True)
class FirstDifference:
    """Where two runs part.

    Attributes:
        where: the place in the run's life.
        a: what the first run has there, in words or as a number; None where it has nothing.
        b: what the second has.
    """

    where: str
    a: Value | None
    b: Value | None

    def __str__(self) -> str:
        """E.g. `val/loss of epoch 2: 0.51, 0.52`; numbers to the last digit."""
        a, b = ("nothing" if value is None else str(value) for value in (self.a, self.b))
        return f"{self.where}: {a}, {b}"


def first_difference(a: RecordedRun, b: RecordedRun) -> FirstDifference | None:
    """The first difference in the order of a run's life, None where two finished runs are equal bit for bit.

    The order: what went in, the losses of each epoch, the number of epochs and the one chosen, the scores on test, the
    logits. Durations, memory, times of day and the machine do not count.
    """
    return next(_differences(a, b), None)


def verdict(a: RecordedRun, difference: FirstDifference | None) -> str:
    """The outcome in one line.

    Args:
        a: the original.
        difference: what `first_difference` found between it and its reproduction.
    """
    if difference is not None:
        return f"differs first at {difference}"
    reviews = 0 if a.predictions is None else len(a.predictions)
    return f"equal: {a.epochs} epoch{'s' if a.epochs != 1 else ''}, {reviews:,} test predictions, bit for bit"


def _differences(a: RecordedRun, b: RecordedRun) -> Iterator[FirstDifference]:
    yield from _input_differences(a.record, b.record)
    for epoch in range(1, min(a.epochs, b.epochs) + 1):
        for key in _EPOCH_METRICS:
            yield from _unless_same(
                f"{key} of epoch {epoch}", *(run.histories.get(key, {}).get(epoch) for run in (a, b))
            )
    yield from _unless_same("number of epochs", a.epochs, b.epochs)
    one, other = a.record.metrics, b.record.metrics
    for key in ["best_epoch", *sorted(key for key in {*one, *other} if key.startswith("test/"))]:
        yield from _unless_same(key, one.get(key), other.get(key))
    yield from _prediction_differences(a.predictions, b.predictions)


def _unless_same(where: str, a: Value | None, b: Value | None) -> Iterator[FirstDifference]:
    if not same(a, b):
        yield FirstDifference(where, a, b)


def _input_differences(a: RunRecord, b: RunRecord) -> Iterator[FirstDifference]:
    for tag, name in _INPUTS.items():
        yield from _unless_same(name, a.tags.get(tag), b.tags.get(tag))
    yield from _unless_same("fingerprint (settings, encoder or code)", a.fingerprint, b.fingerprint)
    yield from _unless_same("seed", a.seed, b.seed)


def _prediction_differences(a: pd.DataFrame | None, b: pd.DataFrame | None) -> Iterator[FirstDifference]:
    if a is None or b is None:
        # Also where both are missing: nobody can say that they are equal.
        yield FirstDifference(
            PREDICTIONS_FILE, *("cannot be read" if table is None else "is there" for table in (a, b))
        )
        return
    if set(a.index) != set(b.index):
        only_a, only_b = len(a.index.difference(b.index)), len(b.index.difference(a.index))
        yield FirstDifference(
            "test reviews", f"{only_a:,} that the other has not", f"{only_b:,} that the other has not"
        )
        return
    logits_a, logits_b = (table.loc[a.index].drop(columns="label") for table in (a, b))
    yield from _unless_same("logits", ", ".join(logits_a.columns), ", ".join(logits_b.columns))
    one, other = logits_a.to_numpy(), logits_b.to_numpy()
    if one.shape == other.shape:
        yield from _logit_differences(a.index, one, other)


def _logit_differences(ids: pd.Index[str], a: np.ndarray, b: np.ndarray) -> Iterator[FirstDifference]:
    """A difference for each review whose logits are not the same; (N, C) each."""
    import numpy as np

    apart = ~((a == b) | (np.isnan(a) & np.isnan(b))).all(axis=1)
    for row in np.flatnonzero(apart).tolist():
        words = (", ".join(str(value) for value in logits[row]) for logits in (a, b))
        one, other = (f"({text})" for text in words)
        yield FirstDifference(f"logits of test review {ids[row]}", one, other)
