"""Read what a study has found: best trials, importance, values at the edge of their range, pictures."""

from __future__ import annotations

import math
import warnings
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from optuna import Study
from optuna.importance import FanovaImportanceEvaluator, get_param_importances
from optuna.trial import FrozenTrial, TrialState

from benchmark.config.search_space import FloatParameter, SearchSpace
from benchmark.tuning.study import EXPERIMENT, METRIC, OWN, PROFILE, SPACE, ranked, seconds_spent

EDGE = 0.02  # share of a range of real numbers that counts as its edge


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a study has found so far.

    Attributes:
        counts: trials by state, in lower case.
        seconds: wall time of all trials.
        best: the complete trials, the best first.
        before: value of the experiment's own settings; None: their trial is not complete.
        edges: lines about parameters of the best trial at the edge of their range.
    """

    name: str
    profile: str
    experiment: str
    metric: str
    counts: Mapping[str, int]
    seconds: float
    best: tuple[FrozenTrial, ...]
    before: float | None
    pruned: tuple[FrozenTrial, ...]
    edges: tuple[str, ...]


def read_outcome(study: Study) -> Outcome:
    """Read the study."""
    trials, best, attributes = study.get_trials(deepcopy=False), ranked(study), study.user_attrs
    return Outcome(
        name=study.study_name,
        profile=attributes[PROFILE],
        experiment=attributes[EXPERIMENT],
        metric=attributes[METRIC],
        counts=Counter(trial.state.name.lower() for trial in trials),
        seconds=seconds_spent(trials),
        best=tuple(best),
        before=next((trial.value for trial in best if trial.params == attributes[OWN]), None),
        pruned=tuple(trial for trial in trials if trial.state is TrialState.PRUNED),
        edges=tuple(edges(SearchSpace.model_validate(attributes[SPACE]), best[0].params)) if best else (),
    )


def edges(space: SearchSpace, values: Mapping[str, Any]) -> list[str]:
    """Return a line for each value at the edge of its range, or of choices that are numbers."""
    found = []
    for key, value in values.items():
        parameter = space.parameters[key]
        ends = parameter.values()
        if any(type(end) not in {int, float} for end in ends):
            continue
        low, high, at, margin = min(ends), max(ends), value, 0.0
        if isinstance(parameter, FloatParameter):
            low, high, at = map(math.log, (low, high, at)) if parameter.log else (low, high, at)
            margin = EDGE * (high - low)
        side = "lower" if at <= low + margin else "upper" if at >= high - margin else ""
        if side:
            found.append(
                f"{key} {value:g} is at the {side} edge of its range ({parameter.spell()}): a better one may be beyond"
            )
    return found


def importance(study: Study) -> dict[str, float]:
    """Return the share of each parameter that all complete trials have; empty if there are too few trials.

    By fANOVA: Hutter et al. 2014, "An efficient approach for assessing hyperparameter importance", ICML.
    """
    try:
        return dict(get_param_importances(study, evaluator=FanovaImportanceEvaluator(seed=0)))
    except (ValueError, RuntimeError):  # too few trials, or all with the same value
        return {}


def draw_study(study: Study, folder: Path) -> None:
    """Draw history, importance, parallel coordinates and slice as PNG files; fewer if there are too few trials."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot
    from optuna.visualization import matplotlib as drawings

    if len(ranked(study)) < 2:
        return
    pictures: dict[str, Callable[[Study], Any]] = {
        "history": drawings.plot_optimization_history,
        "importance": partial(drawings.plot_param_importances, evaluator=FanovaImportanceEvaluator(seed=0)),
        "parallel_coordinates": drawings.plot_parallel_coordinate,
        "slice": drawings.plot_slice,
    }
    for name, draw in pictures.items():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # where all trials have one value, an axis has no extent
            try:
                axes = draw(study)
            except (ValueError, RuntimeError):  # as in `importance`
                continue
        figure = (axes if hasattr(axes, "figure") else axes.flat[0]).figure
        figure.savefig(folder / f"{name}.png", dpi=110, bbox_inches="tight")
        pyplot.close(figure)
