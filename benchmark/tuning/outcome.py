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

import optuna
from optuna import Study
from optuna.trial import FrozenTrial, TrialState
from tabulate import tabulate

from benchmark.config.search_space import FloatParameter, SearchSpace
from benchmark.output import spell_seconds, spell_value, spell_values
from benchmark.tuning.study import EXPERIMENT, METRIC, OWN, PROFILE, REASON, SPACE, ranked, seconds_spent, trial_seconds

ROWS = 10  # of a list of trials
FEW = 10  # TPE draws its first ten trials at random
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
        return optuna.importance.get_param_importances(study, evaluator=_fanova())
    except (ValueError, RuntimeError):  # too few trials, or all with the same value
        return {}


def _fanova() -> optuna.importance.FanovaImportanceEvaluator:
    return optuna.importance.FanovaImportanceEvaluator(seed=0)


def study_text(found: Outcome, importance: Mapping[str, float]) -> str:
    """Return the text about a study: its ten best trials, importance of its parameters, the ten newest pruned ones."""
    states = ", ".join(f"{count} {state}" for state, count in sorted(found.counts.items()))
    before = "not complete" if found.before is None else f"{found.before:.4f}"
    parts = [
        f"study {found.name}: {states or 'no trial yet'}; {spell_seconds(found.seconds)}\n"
        f"{found.metric} of the settings in experiments.yaml: {before}",
    ]
    if found.best:
        parts.append(f"best trials\n{_best_trials(found)}")
        parts.append("\n".join(found.edges) or "the best values are inside the search ranges")
    if importance:
        shares = "\n".join(f"  {key}: {100 * share:.0f} %" for key, share in importance.items())
        doubt = f"; {len(found.best)} trials are too few to trust it" if len(found.best) < FEW else ""
        parts.append(
            f"importance: share of the variance in {found.metric} explained by each parameter (fANOVA{doubt})\n{shares}"
        )
    if found.pruned:
        few = len(found.pruned) <= ROWS
        title = "pruned" if few else f"pruned: {len(found.pruned)}, of which the newest are"
        lines = (
            f"  trial {trial.number} {trial.user_attrs.get(REASON, '')}: {spell_values(trial.params)}"
            for trial in found.pruned[-ROWS:]
        )
        parts.append("\n".join([title, *lines]))
    return "\n\n".join(parts)


def _best_trials(found: Outcome) -> str:
    trials = found.best[:ROWS]
    keys = list(dict.fromkeys(key for trial in trials for key in trial.params))
    rows = [
        [
            trial.number,
            f"{trial.value:.4f}",
            *(spell_value(trial.params[key]) if key in trial.params else "" for key in keys),
            spell_seconds(trial_seconds(trial)),
        ]
        for trial in trials
    ]
    return tabulate(rows, ["trial", found.metric, *keys, "took"], tablefmt="simple", disable_numparse=True)


def draw_study(study: Study, folder: Path) -> None:
    """Draw history, importance, parallel coordinates and slice as PNG files; fewer if there are too few trials."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    drawings = optuna.visualization.matplotlib

    if len(ranked(study)) < 2:
        return
    pictures: dict[str, Callable[[Study], Any]] = {
        "history": drawings.plot_optimization_history,
        "importance": partial(drawings.plot_param_importances, evaluator=_fanova()),
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
