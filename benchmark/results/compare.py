"""Two recorded runs side by side: what is equal is counted, what differs is named.

N test reviews that both runs have, C classes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any

from benchmark.results.recorded_run import RecordedRun, has_epochs
from benchmark.tracking import tags

if TYPE_CHECKING:
    import pandas as pd

Value = str | float
SIDES = ("A", "B")
_COST = ("seconds", "_mib", "_per_second")  # how the names of durations, memory and speed end
_MACHINE_TAGS = {"hardware", "device", "torch", "transformers"}  # environment.json says them too, and more


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is not the same in both runs.

    Attributes:
        name: of the setting, tag, fact or metric.
        a: its value in the first run, None where it has none.
        b: its value in the second.
        epoch: of a metric with a value for each epoch, the first at which they differ.
    """

    name: str
    a: Value | None
    b: Value | None
    epoch: int | None = None

    @property
    def change(self) -> float | None:
        """`b - a` of two numbers."""
        if isinstance(self.a, int | float) and isinstance(self.b, int | float):
            return self.b - self.a
        return None

    def to_json(self) -> dict[str, Any]:
        """Plain values; numbers that JSON does not have become words."""
        found = {"epoch": self.epoch, "a": self.a, "b": self.b, "difference": self.change}
        always = {"a", "b"}
        return {key: _finite(value) for key, value in found.items() if key in always or value is not None}


@dataclass(frozen=True, slots=True)
class Section:
    """Things of one kind.

    Attributes:
        equal: how many are the same in both runs.
        different: the others; empty where a run has none of the kind.
        missing: the runs, out of SIDES, that have none of the kind.
    """

    equal: int
    different: tuple[Difference, ...]
    missing: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        different = {difference.name: difference.to_json() for difference in self.different}
        return {"equal": self.equal, "different": different, "missing_in": list(self.missing)}


@dataclass(frozen=True, slots=True)
class PredictionComparison:
    """The predictions of two runs, review by review.

    Attributes:
        both: test reviews (N) that both runs have; what follows is about these.
        only_a: reviews of the first run's test part that the second one's has not.
        only_b: the other way round.
        labels_differ: how many get another label.
        right_only_a: how many of these only the first run labels rightly.
        right_only_b: the other way round.
        largest_logit_difference: over N reviews and C classes; None without common reviews or classes.
        missing: the runs, out of SIDES, that have no predictions.
    """

    both: int = 0
    only_a: int = 0
    only_b: int = 0
    labels_differ: int = 0
    right_only_a: int = 0
    right_only_b: int = 0
    largest_logit_difference: float | None = None
    missing: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        found = {key: _finite(value) for key, value in asdict(self).items() if key != "missing"}
        return {**found, "missing_in": list(self.missing)}


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two runs side by side.

    Attributes:
        settings: params.
        data: fingerprints, and the tags that are neither bookkeeping nor about the machine.
        environment: processor, threads, versions, state of our own code.
        metrics: what has one value in a run: scores, the epoch chosen, parameter counts.
        epochs: what has a value for each epoch, where it first differs.
        cost: durations, memory and speed.
        predictions: of the test part.
    """

    settings: Section
    data: Section
    environment: Section
    metrics: Section
    epochs: Section
    cost: Section
    predictions: PredictionComparison

    def to_json(self) -> dict[str, Any]:
        """Plain values, by the names of the attributes."""
        return {field.name: getattr(self, field.name).to_json() for field in fields(self)}


def compare(a: RecordedRun, b: RecordedRun) -> Comparison:
    """Set two runs side by side, whatever their status."""
    once_a, once_b = _once(a), _once(b)
    return Comparison(
        settings=compare_values(a.record.params, b.record.params),
        data=compare_values(_data(a), _data(b)),
        environment=compare_values(a.environment, b.environment),
        metrics=compare_values(*({key: run[key] for key in run if not _is_cost(key)} for run in (once_a, once_b))),
        epochs=_compare_histories(a.histories, b.histories),
        cost=compare_values(*({key: run[key] for key in run if _is_cost(key)} for run in (once_a, once_b))),
        predictions=compare_predictions(a.predictions, b.predictions),
    )


def compare_values(a: Mapping[str, Value] | None, b: Mapping[str, Value] | None) -> Section:
    """Values by name; the names of the first run come first, in its order."""
    missing = tuple(side for side, values in zip(SIDES, (a, b), strict=True) if not values)
    if not a or not b:
        return Section(0, (), missing)
    names = list(dict.fromkeys([*a, *b]))
    pairs = [Difference(name, a.get(name), b.get(name)) for name in names]
    different = tuple(pair for pair in pairs if not same(pair.a, pair.b))
    return Section(len(names) - len(different), different)


def same(a: Value | None, b: Value | None) -> bool:
    """Equal exactly; a number that is none equals itself here."""
    return a == b or (isinstance(a, float) and isinstance(b, float) and math.isnan(a) and math.isnan(b))


def compare_predictions(a: pd.DataFrame | None, b: pd.DataFrame | None) -> PredictionComparison:
    """Predictions aligned by review id, whatever their order.

    Args:
        a: the first run's, indexed by id: `label`, and a column `logit_...` for each class.
        b: the second run's.
    """
    import numpy as np

    missing = tuple(side for side, table in zip(SIDES, (a, b), strict=True) if table is None)
    if a is None or b is None:
        return PredictionComparison(missing=missing)
    ids = a.index.intersection(b.index, sort=False)
    only_a, only_b = len(a) - len(ids), len(b) - len(ids)
    if ids.empty:
        return PredictionComparison(only_a=only_a, only_b=only_b)
    label = a.loc[ids, "label"].to_numpy()
    logits_a, logits_b = (table.loc[ids].drop(columns="label").to_numpy() for table in (a, b))
    named_a, named_b = logits_a.argmax(axis=1), logits_b.argmax(axis=1)
    largest = None
    if logits_a.shape == logits_b.shape:
        equal = (logits_a == logits_b) | (np.isnan(logits_a) & np.isnan(logits_b))
        with np.errstate(invalid="ignore"):  # of two equal infinities
            largest = float(np.where(equal, 0.0, np.abs(logits_a - logits_b)).max())
    return PredictionComparison(
        both=len(ids),
        only_a=only_a,
        only_b=only_b,
        labels_differ=int((named_a != named_b).sum()),
        right_only_a=int(((named_a == label) & (named_b != label)).sum()),
        right_only_b=int(((named_b == label) & (named_a != label)).sum()),
        largest_logit_difference=largest,
    )


def first_epoch_that_differs(a: Mapping[int, float], b: Mapping[int, float]) -> int | None:
    """The first epoch at which two histories differ, one that only one of them has included; None where none does."""
    return next((epoch for epoch in sorted({*a, *b}) if not same(a.get(epoch), b.get(epoch))), None)


def _compare_histories(a: Mapping[str, Mapping[int, float]], b: Mapping[str, Mapping[int, float]]) -> Section:
    missing = tuple(side for side, histories in zip(SIDES, (a, b), strict=True) if not histories)
    if missing:
        return Section(0, (), missing)
    names = [name for name in dict.fromkeys([*a, *b]) if not _is_cost(name)]
    different = []
    for name in names:
        one, other = a.get(name, {}), b.get(name, {})
        epoch = first_epoch_that_differs(one, other)
        if epoch is not None:
            different.append(Difference(name, one.get(epoch), other.get(epoch), epoch))
    return Section(len(names) - len(different), tuple(different))


def _once(run: RecordedRun) -> dict[str, float]:
    """The metrics with one value; MLflow's own samples of the machine are no result of the run."""
    metrics = run.record.metrics
    return {key: metrics[key] for key in sorted(metrics) if not has_epochs(key) and not key.startswith("system/")}


def _data(run: RecordedRun) -> dict[str, Value]:
    labels = run.record.tags
    known = {key: labels[key] for key in sorted(labels) if not key.startswith(("benchmark.", "mlflow."))}
    return {
        "fingerprint": labels.get(tags.FINGERPRINT, ""),
        **{key: value for key, value in known.items() if key not in _MACHINE_TAGS},
    }


def _is_cost(key: str) -> bool:
    return key.endswith(_COST)


def _finite(value: Any) -> Any:
    """JSON has no NaN and no infinity: these become their names."""
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value
