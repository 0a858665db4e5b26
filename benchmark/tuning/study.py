"""One study in its storage: opened, put right, and how far it is."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from benchmark.config.errors import ConfigError
from benchmark.config.search_space import CategoricalParameter, SearchSpace
from benchmark.tuning.plan import Budget, PlannedStudy
from benchmark.tuning.recovery import RUN_ID, put_right, seconds_at_work

if TYPE_CHECKING:
    from optuna import Study
    from optuna.pruners import BasePruner
    from optuna.samplers import BaseSampler
    from optuna.storages import RDBStorage
    from optuna.trial import FrozenTrial
from datetime import datetime
from typing import TYPE_CHECKING

from benchmark.tuning.storage import StorageError
from data_pipeline.errors import did_you_mean

if TYPE_CHECKING:
    from optuna import Study
    from optuna.storages import RDBStorage

# User attributes of a trial.
REASON, CODE = "reason", "code"
# Of a study.
PROFILE, EXPERIMENT, METRIC, SPACE, OWN = "profile", "experiment", "metric", "space", "own"
FACTS = "facts"  # what its winner's provenance tells of the reviews


def open_study(
    storage: RDBStorage,
    planned: PlannedStudy,
    parent_id: str,
    facts: Mapping[str, Any],
    end_run: Callable[[str], None],
) -> Study:
    """The study, made if there is none and put right; the experiment's own settings wait unless they were tried.

    Call it under a lock of the study's: two that enqueue at once would enqueue twice.

    Args:
        storage: where it is kept.
        planned: what is searched.
        parent_id: the study's MLflow run.
        facts: of the reviews, for a winner to tell.
        end_run: see `put_right`.
    """
    import optuna

    study = optuna.create_study(
        storage=storage,
        study_name=planned.name,
        direction="minimize" if planned.metric == "val/loss" else "maximize",
        load_if_exists=True,
    )
    for key, value in {
        RUN_ID: parent_id,
        PROFILE: planned.own.profile,
        METRIC: planned.metric,
        SPACE: planned.space.model_dump(mode="json"),
        OWN: planned.own_values,
        FACTS: dict(facts),
        EXPERIMENT: planned.own.experiment_name,  # last: who finds a study by it finds the others too
    }.items():
        study.set_user_attr(key, value)
    put_right(study, end_run)
    enqueue_first(study, [planned.own_values])
    return study


def enqueue_first(study: Study, wanted: Iterable[dict[str, Any]]) -> bool:
    """Let the first of these settings wait that no trial has which waits, runs, or has finished.

    Returns:
        Whether there was one.
    """
    from optuna.trial import TrialState

    trials = [trial for trial in study.get_trials(deepcopy=False) if trial.state is not TrialState.FAIL]
    tried = [trial.system_attrs.get("fixed_params", {}) | trial.params for trial in trials]
    values = next((values for values in wanted if values not in tried), None)
    if values is not None:
        study.enqueue_trial(values)
    return values is not None


def combinations(space: SearchSpace) -> Iterator[dict[str, Any]]:
    """The grid: every combination of the space's choices."""
    keys = list(space.parameters)
    for values in itertools.product(*(space.parameters[key].values() for key in keys)):
        yield dict(zip(keys, values, strict=True))


def was_waiting(trial: FrozenTrial) -> bool:
    """Whether its settings were laid down before it began, and not drawn by a sampler."""
    return not trial.system_attrs.keys().isdisjoint({"fixed_params", "failed_trial"})


def refuse_grid(space: SearchSpace) -> None:
    """A grid has choices alone.

    Raises:
        ConfigError: the space has ranges or conditions.
    """
    for key, parameter in space.parameters.items():
        if not isinstance(parameter, CategoricalParameter):
            raise ConfigError(
                f"--sampler grid: {key} is a range ({parameter.spell()}); give it `type: categorical` with `choices`, "
                "or take --sampler tpe"
            )
        if parameter.when:
            raise ConfigError(f"--sampler grid: {key} has a condition (`when`); remove it, or take --sampler tpe")


def make_sampler(kind: str, seed: int, trials: int) -> BaseSampler:
    """The sampler of the next trial; a study that goes on must not draw again what it began with.

    Args:
        kind: `tpe` (Bergstra et al. 2011, multivariate as in Falkner et al. 2018), else `random`.
        seed: the run's.
        trials: how many there are.
    """
    import numpy as np
    from optuna.samplers import RandomSampler, TPESampler

    number = int(np.random.SeedSequence([seed, trials]).generate_state(1)[0])
    if kind == "tpe":
        return TPESampler(seed=number, multivariate=True, group=True, constant_liar=True)
    return RandomSampler(seed=number)


def make_pruner(kind: str, epochs: int) -> BasePruner:
    """`median`: worse than half of the trials after as many epochs; `hyperband`: Li et al. 2018; else none."""
    from optuna.pruners import HyperbandPruner, MedianPruner, NopPruner

    if kind == "median":
        return MedianPruner(n_startup_trials=5)
    if kind == "hyperband":
        return HyperbandPruner(min_resource=1, max_resource=epochs)
    return NopPruner()


def finished_trials(trials: Iterable[FrozenTrial]) -> list[FrozenTrial]:
    """The complete and the pruned ones."""
    from optuna.trial import TrialState

    return [trial for trial in trials if trial.state in {TrialState.COMPLETE, TrialState.PRUNED}]


def seconds_spent(trials: Iterable[FrozenTrial]) -> float:
    """Wall time of all trials that have ended, however they have."""
    return sum(seconds_at_work(trial) for trial in trials if trial.state.is_finished())


def is_spent(budget: Budget, trials: list[FrozenTrial]) -> bool:
    """Whether nothing more is to be begun or waited for."""
    if budget.trials is not None and len(finished_trials(trials)) >= budget.trials:
        return True
    return budget.minutes is not None and seconds_spent(trials) >= 60 * budget.minutes


def is_needed(number: int, budget: Budget, trials: list[FrozenTrial]) -> bool:
    """Whether this trial is one of those that the budget allows.

    Two workers may begin the last one at once; both see the other, and the one with the higher number gives way.
    """
    from optuna.trial import TrialState

    if budget.trials is None:
        return True
    before = [t for t in trials if t.state is TrialState.RUNNING and t.number < number]
    return len(finished_trials(trials)) + len(before) < budget.trials


def find_study(storage: RDBStorage, profile: str, name: str) -> tuple[Study, list[str]]:
    """The newest study of the experiment in the profile, or the one of that full name; and the names of older ones.

    Raises:
        StorageError: there is none.
    """
    from optuna import get_all_study_summaries, load_study

    ours = [summary for summary in get_all_study_summaries(storage) if EXPERIMENT in summary.user_attrs]
    named = [summary for summary in ours if summary.study_name == name]
    found = named or [
        summary for summary in ours if (summary.user_attrs[PROFILE], summary.user_attrs[EXPERIMENT]) == (profile, name)
    ]
    if not found:
        known = [f"{summary.user_attrs[EXPERIMENT]}" for summary in ours if summary.user_attrs[PROFILE] == profile]
        advice = did_you_mean(name, dict.fromkeys(known)) if known else ""
        raise StorageError(
            f"there is no study of {name!r} in profile {profile!r}{advice}; `python -m benchmark tune {name} "
            f"--profile {profile}` makes one"
        )
    newest, *older = sorted(found, key=lambda summary: summary.datetime_start or datetime.min, reverse=True)
    return load_study(study_name=newest.study_name, storage=storage), [summary.study_name for summary in older]
