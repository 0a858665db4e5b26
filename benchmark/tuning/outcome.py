"""What a study has found: its best trials, what mattered, and where the best lies within its ranges."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from benchmark.config.search_space import FloatParameter, Parameter, SearchSpace
from benchmark.tuning.recovery import seconds_at_work
from benchmark.tuning.study import EXPERIMENT, METRIC, OWN, PROFILE, REASON, SPACE, seconds_spent

if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import FrozenTrial

EDGE = 0.02  # of a range of real numbers: so near to its end is at its end


@dataclass(frozen=True, slots=True)
class Tried:
    """One trial.

    Attributes:
        number: Optuna's.
        value: of the metric; None where it was not trained to its end.
        settings: by key path.
        seconds: that it took.
        reason: why it was ended early, or what else is to be said of it.
    """

    number: int
    value: float | None
    settings: Mapping[str, Any]
    seconds: float
    reason: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """A study as it stands.

    Attributes:
        name: Optuna's.
        profile: of experiments.yaml.
        experiment: the same.
        metric: what is lowest or highest.
        counts: trials by state, in lower case.
        seconds: that all trials have taken.
        best: the complete trials, the best first.
        before: value of the experiment's own settings, None where they were not trained to their end.
        pruned: trials that were ended early.
        edges: parameters of the best trial that lie on the edge of their range, in words.
    """

    name: str
    profile: str
    experiment: str
    metric: str
    counts: Mapping[str, int]
    seconds: float
    best: tuple[Tried, ...]
    before: float | None
    pruned: tuple[Tried, ...]
    edges: tuple[str, ...]


def outcome(study: Study) -> Outcome:
    """Read the study."""
    from optuna.trial import TrialState

    trials = study.get_trials(deepcopy=False)
    attributes = study.user_attrs
    space = SearchSpace.model_validate(attributes[SPACE])
    best = _ranked(study)
    own = next((trial for trial in best if trial.params == attributes[OWN]), None)
    return Outcome(
        name=study.study_name,
        profile=attributes[PROFILE],
        experiment=attributes[EXPERIMENT],
        metric=attributes[METRIC],
        counts=Counter(trial.state.name.lower() for trial in trials),
        seconds=seconds_spent(trials),
        best=tuple(map(_tried, best)),
        before=own.value if own else None,
        pruned=tuple(_tried(trial) for trial in trials if trial.state is TrialState.PRUNED),
        edges=tuple(edges(space, best[0].params)) if best else (),
    )


def best_trial(study: Study) -> FrozenTrial | None:
    """The complete trial of the best value, of several the first; None where there is none."""
    return next(iter(_ranked(study)), None)


def _tried(trial: FrozenTrial) -> Tried:
    value = trial.value if trial.state.name == "COMPLETE" else None  # a pruned one's is that of its last epoch
    return Tried(trial.number, value, trial.params, seconds_at_work(trial), trial.user_attrs.get(REASON, ""))


def edges(space: SearchSpace, values: Mapping[str, Any]) -> list[str]:
    """Which of the values lie on the edge of their range, or of choices that are numbers, in words."""
    found = []
    for key, value in values.items():
        parameter = space.parameters[key]
        if side := _edge(parameter, value):
            found.append(f"{key} {value:g} lies on the {side} edge of {parameter.spell()}: a better one may lie beyond")
    return found


def _edge(parameter: Parameter, value: Any) -> str:
    """`lower`, `upper`, or nothing where the value lies within, or where there is no order."""
    ends = parameter.values()
    if any(type(end) not in {int, float} for end in ends):
        return ""
    place, margin = _place(parameter, value), EDGE if isinstance(parameter, FloatParameter) else 0
    return "lower" if place <= margin else "upper" if place >= 1 - margin else ""


def importance(study: Study) -> dict[str, float]:
    """Of each parameter that all complete trials have, together 1; empty where there are too few trials to tell.

    By fANOVA: Hutter et al. 2014, "An efficient approach for assessing hyperparameter importance", ICML.
    """
    from optuna.importance import FanovaImportanceEvaluator, get_param_importances

    try:
        return dict(get_param_importances(study, evaluator=FanovaImportanceEvaluator(seed=0)))
    except (ValueError, RuntimeError):  # too few trials, or all with the same value
        return {}


def _ranked(study: Study) -> list[FrozenTrial]:
    from optuna.study import StudyDirection
    from optuna.trial import TrialState

    sign = 1 if study.direction is StudyDirection.MINIMIZE else -1
    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    return sorted(complete, key=lambda trial: (sign * (trial.value or 0.0), trial.number))


def _place(parameter: Parameter, value: float) -> float:
    """Where the value lies in its range, from 0 to 1."""
    low, high = float(min(parameter.values())), float(max(parameter.values()))
    if isinstance(parameter, FloatParameter) and parameter.log:
        low, high, value = math.log(low), math.log(high), math.log(value)
    return (value - low) / (high - low)
