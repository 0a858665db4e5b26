"""Compare two recorded runs: count what is equal, name what differs.

N test reviews that both runs have, C classes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from benchmark.results.read import BY_EPOCH
from benchmark.results.results import RecordedRun
from benchmark.tracking import tags
from benchmark.tracking.records import PREDICTIONS_FILE

Value = str | float
SIDES = ("A", "B")
_COST = ("seconds", "_mib", "_per_second")  # how the names of durations, memory and speed end
_NOT_ONCE = (*BY_EPOCH, "system/")  # how the names begin of metrics with a value per epoch or per minute
_MACHINE_TAGS = {"hardware", "device", "torch", "transformers"}  # environment.json has them too, and more
# What a run reads and makes, in the order of its life.
_INPUTS = ("corpus_fingerprint", "split_fingerprint", "precision", "fingerprint")
_PER_EPOCH = ("train/loss", "val/loss", "val/accuracy")


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is not the same in both runs.

    Attributes:
        name: of the setting, tag, fact or metric.
        a: its value in the first run, None where it has none; `b` is that in the second.
        epoch: of a metric with a value per epoch, the first at which they differ.
    """

    name: str
    a: Value | None
    b: Value | None
    epoch: int | None = None

    def __str__(self) -> str:
        """Return e.g. `val/loss of epoch 2: 0.51, 0.52`, numbers to the last digit."""
        where = self.name if self.epoch is None else f"{self.name} of epoch {self.epoch}"
        a, b = ("nothing" if value is None else str(value) for value in (self.a, self.b))
        return f"{where}: {a}, {b}"

    @property
    def change(self) -> float | None:
        """Return `b - a` of two numbers, else None."""
        if isinstance(self.a, int | float) and isinstance(self.b, int | float):
            return self.b - self.a
        return None

    def to_json(self) -> dict[str, Any]:
        """Return plain values; NaN and infinity become words."""
        found = {"epoch": self.epoch, "a": self.a, "b": self.b, "difference": self.change}
        return {key: _finite(value) for key, value in found.items() if key in {"a", "b"} or value is not None}


@dataclass(frozen=True, slots=True)
class Section:
    """Things of one kind: how many are equal, the others, and the runs, out of SIDES, that have none of the kind."""

    equal: int
    different: tuple[Difference, ...]
    missing: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        different = {difference.name: difference.to_json() for difference in self.different}
        return {"equal": self.equal, "different": different, "missing_in": list(self.missing)}


@dataclass(frozen=True, slots=True)
class PredictionComparison:
    """The predictions of two runs, review by review.

    Attributes:
        both: N, the test reviews that both runs have; what follows is about these.
        only_a: test reviews that only the first run has; `only_b` only the second.
        labels_differ: how many get another label.
        right_only_a: how many of these only the first run labels correctly; `right_only_b` only the second.
        largest_logit_difference: over N reviews and C classes; None without common reviews or classes.
        missing: the runs, out of SIDES, that have no predictions.
        first: the first difference, in the first run's order of reviews; None where all logits are equal.
    """

    both: int = 0
    only_a: int = 0
    only_b: int = 0
    labels_differ: int = 0
    right_only_a: int = 0
    right_only_b: int = 0
    largest_logit_difference: float | None = None
    missing: tuple[str, ...] = ()
    first: Difference | None = None

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        found = {key: _finite(value) for key, value in asdict(self).items() if key not in {"missing", "first"}}
        return {**found, "missing_in": list(self.missing)}


@dataclass(frozen=True, slots=True)
class RunComparison:
    """Two runs side by side.

    Attributes:
        sections: by kind: settings; data (fingerprints and tags about it); environment (processor, threads, versions,
            state of our code); metrics with one value per run; epochs (metrics with a value per epoch); cost.
        predictions: of the test part.
    """

    sections: Mapping[str, Section]
    predictions: PredictionComparison

    def to_json(self) -> dict[str, Any]:
        """Return plain values by kind."""
        sections = {kind: section.to_json() for kind, section in self.sections.items()}
        return {**sections, "predictions": self.predictions.to_json()}


def compare(a: RecordedRun, b: RecordedRun) -> RunComparison:
    """Compare two runs, whatever their status."""
    (scores_a, cost_a), (scores_b, cost_b) = _metrics(a), _metrics(b)
    sections = {
        "settings": compare_values(a.record.params, b.record.params),
        "data": compare_values(_data(a), _data(b)),
        "environment": compare_values(a.environment, b.environment),
        "metrics": compare_values(scores_a, scores_b),
        "epochs": _compare_histories(a.histories, b.histories),
        "cost": compare_values(cost_a, cost_b),
    }
    return RunComparison(sections, compare_predictions(a.predictions, b.predictions))


def first_difference(comparison: RunComparison) -> Difference | None:
    """Return the first difference in the order of a run's life, None where two finished runs are equal bit for bit.

    The order: what went in, losses per epoch, the epoch chosen, scores on test, logits. Durations, memory, times of day
    and the machine do not count.
    """
    sections = comparison.sections
    different = [each for each in sections["metrics"].different if each.name.startswith("test/")]
    scores = [each.name for each in different if None not in (each.a, each.b)]  # a version may record one more
    found = [
        *_pick("data", sections, _INPUTS),
        *sorted(_pick("epochs", sections, _PER_EPOCH), key=lambda each: each.epoch or 0),
        *_pick("metrics", sections, ["best_epoch", *scores]),
    ]
    return found[0] if found else comparison.predictions.first


def different_result(a: RecordedRun, b: RecordedRun) -> Difference | None:
    """Return the first difference of two finished runs in scores on test and logits, None where there is none.

    Scores that only one of them has do not count: a version may record one more.
    """
    both = [key for key in a.record.metrics if key.startswith("test/") and key in b.record.metrics]
    scores = ({key: run.record.metrics[key] for key in both} for run in (a, b))
    return next(iter(compare_values(*scores).different), compare_predictions(a.predictions, b.predictions).first)


def compare_values(a: Mapping[str, Value], b: Mapping[str, Value]) -> Section:
    """Compare values by name; the names of the first run come first, in its order."""
    if missing := _without(a, b):
        return Section(0, (), missing)
    names = list(dict.fromkeys([*a, *b]))
    pairs = [Difference(name, a.get(name), b.get(name)) for name in names]
    different = tuple(pair for pair in pairs if not same(pair.a, pair.b))
    return Section(len(names) - len(different), different)


def same(a: Value | None, b: Value | None) -> bool:
    """Return whether two values are exactly equal, NaN to NaN too."""
    return a == b or (isinstance(a, float) and isinstance(b, float) and math.isnan(a) and math.isnan(b))


def compare_predictions(a: pd.DataFrame | None, b: pd.DataFrame | None) -> PredictionComparison:
    """Compare predictions by review id, whatever their order: tables as `RecordedRun` has them."""
    if a is None or b is None:
        missing = tuple(side for side, table in zip(SIDES, (a, b), strict=True) if table is None)
        return PredictionComparison(missing=missing, first=_absence(PREDICTIONS_FILE, missing))
    ids = a.index.intersection(b.index, sort=False)
    only_a, only_b = len(a) - len(ids), len(b) - len(ids)
    first = None
    if only_a or only_b:
        first = Difference("test reviews", f"{only_a:,} that B does not have", f"{only_b:,} that A does not have")
    if ids.empty:
        return PredictionComparison(only_a=only_a, only_b=only_b, first=first)
    label = a.loc[ids, "label"].to_numpy()
    classes_a, classes_b = (list(table.columns[table.columns.str.startswith("logit_")]) for table in (a, b))
    logits_a, logits_b = a.loc[ids, classes_a].to_numpy(), b.loc[ids, classes_b].to_numpy()
    named_a, named_b = logits_a.argmax(axis=1), logits_b.argmax(axis=1)
    if classes_a != classes_b:
        first = first or Difference("logits", ", ".join(classes_a), ", ".join(classes_b))
    largest = None
    if logits_a.shape == logits_b.shape:
        equal = (logits_a == logits_b) | (np.isnan(logits_a) & np.isnan(logits_b))
        with np.errstate(invalid="ignore"):  # of two equal infinities
            largest = float(np.where(equal, 0.0, np.abs(logits_a - logits_b)).max())
        for row in np.flatnonzero(~equal.all(axis=1))[:1]:
            one, other = (f"({', '.join(map(str, logits[row]))})" for logits in (logits_a, logits_b))
            first = first or Difference(f"logits of test review {ids[row]}", one, other)
    return PredictionComparison(
        both=len(ids),
        only_a=only_a,
        only_b=only_b,
        labels_differ=int((named_a != named_b).sum()),
        right_only_a=int(((named_a == label) & (named_b != label)).sum()),
        right_only_b=int(((named_b == label) & (named_a != label)).sum()),
        largest_logit_difference=largest,
        first=first,
    )


def _compare_histories(a: Mapping[str, Mapping[int, float]], b: Mapping[str, Mapping[int, float]]) -> Section:
    if missing := _without(a, b):
        return Section(0, (), missing)
    names = [name for name in dict.fromkeys([*a, *b]) if not name.endswith(_COST)]
    different = []
    for name in names:
        one, other = a.get(name, {}), b.get(name, {})
        epoch = next((at for at in sorted({*one, *other}) if not same(one.get(at), other.get(at))), None)
        if epoch is not None:
            different.append(Difference(name, one.get(epoch), other.get(epoch), epoch))
    return Section(len(names) - len(different), tuple(different))


def _pick(kind: str, sections: Mapping[str, Section], names: Sequence[str]) -> list[Difference]:
    """Return the differences of these names, in their order; a run that has none of the kind differs."""
    section = sections[kind]
    if section.missing:
        return [_absence(kind, section.missing)]
    return [each for name in names for each in section.different if each.name == name]


def _absence(kind: str, missing: Sequence[str]) -> Difference:
    a, b = ("missing" if side in missing else "recorded" for side in SIDES)
    return Difference(kind, a, b)


def _without(a: Mapping[str, Any], b: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(side for side, values in zip(SIDES, (a, b), strict=True) if not values)


def _metrics(run: RecordedRun) -> tuple[dict[str, float], dict[str, float]]:
    """Split the metrics with one value into scores and cost; MLflow's samples of the machine are neither."""
    once = {key: value for key, value in sorted(run.record.metrics.items()) if not key.startswith(_NOT_ONCE)}
    cost = {key: value for key, value in once.items() if key.endswith(_COST)}
    return {key: value for key, value in once.items() if key not in cost}, cost


def _data(run: RecordedRun) -> dict[str, Value]:
    labels = run.record.tags
    known = {key: labels[key] for key in sorted(labels) if not key.startswith(("benchmark.", "mlflow."))}
    return {
        "fingerprint": labels.get(tags.FINGERPRINT, ""),
        **{key: value for key, value in known.items() if key not in _MACHINE_TAGS},
    }


def _finite(value: Any) -> Any:
    """Spell NaN and infinity, which JSON does not have."""
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value
