"""One study in Optuna: opened, recovered after a kill, its queue, budget, sampler and pruner."""

from __future__ import annotations

import copy
import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from optuna import Study
from optuna.pruners import BasePruner, HyperbandPruner, MedianPruner, NopPruner
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from optuna.storages import RDBStorage, RetryHeartbeatStaleTrialCallback
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from benchmark.config.search_space import SearchSpace
from benchmark.tracking.lock import hold_if_orphan
from benchmark.tuning.plan import PlannedStudy, SearchOptions

# User attributes of a trial.
REASON, CODE, SECONDS = "reason", "code", "seconds"
LOCK = "lock"  # its worker holds it until it ends
KILLS = "kills"  # how often a worker died in a trial of these settings
# Of a study; RUN_ID of both.
PROFILE, EXPERIMENT, METRIC, SPACE, OWN, RUN_ID = "profile", "experiment", "metric", "space", "own", "mlflow_run_id"
FACTS = "facts"  # provenance of its reviews

HEARTBEAT_SECONDS, GRACE_SECONDS = 10, 60  # a trial that is silent for a minute is dead, whichever its host
MOST_RETRIES = 3  # of a trial whose worker dies: the machine cannot bear such settings


def open_study(storage: RDBStorage, planned: PlannedStudy, parent_id: str, facts: Mapping[str, Any]) -> Study:
    """Open the study, or create it; enqueue the experiment's own settings unless they were tried.

    Hold the lock `studies`, or two workers enqueue them twice.
    """
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
        EXPERIMENT: planned.own.experiment_name,  # last: `find_study` takes a study that has it for whole
    }.items():
        study.set_user_attr(key, value)
    enqueue_first(study, [planned.own_values])
    return study


def enqueue_first(study: Study, wanted: Iterable[dict[str, Any]]) -> bool:
    """Enqueue the first of these settings that no waiting, running or finished trial uses; False if there is none."""
    trials = [trial for trial in study.get_trials(deepcopy=False) if trial.state is not TrialState.FAIL]
    tried = [trial.system_attrs.get("fixed_params", {}) | trial.params for trial in trials]
    values = next((values for values in wanted if values not in tried), None)
    if values is not None:
        study.enqueue_trial(values)
    return values is not None


def combinations(space: SearchSpace) -> Iterator[dict[str, Any]]:
    """Yield every combination of the space's choices."""
    for values in itertools.product(*(parameter.values() for parameter in space.parameters.values())):
        yield dict(zip(space.parameters, values, strict=True))


def retry(study: Study, trial: FrozenTrial, *, killed: bool) -> None:
    """Enqueue the settings of a failed trial again, unless its worker has been killed too often."""
    kills = trial.user_attrs.get(KILLS, 0) + killed
    if kills <= MOST_RETRIES:
        again = copy.deepcopy(trial)
        again.user_attrs = {KILLS: kills}
        RetryHeartbeatStaleTrialCallback()(study, again)


def fail_killed(study: Study, on_killed: Callable[[Study, FrozenTrial], None], locks: Path) -> None:
    """Mark trials whose worker on this host died FAIL; Optuna's heartbeat does so for other hosts.

    Hold the lock `studies`: under it a worker takes a trial and writes LOCK.
    """
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        if _is_dead(trial, locks):
            study.tell(trial.number, state=TrialState.FAIL, skip_if_finished=True)
            on_killed(study, trial)


def _is_dead(trial: FrozenTrial, locks: Path) -> bool:
    if LOCK not in trial.user_attrs:  # a worker on another host takes it at this moment, or died in that moment
        assert trial.datetime_start is not None
        return (datetime.now() - trial.datetime_start).total_seconds() > GRACE_SECONDS
    with hold_if_orphan(trial.user_attrs[LOCK], locks) as orphan:
        return orphan


def trial_seconds(trial: FrozenTrial) -> float:
    """Return a trial's wall time; a killed trial's ends with its last epoch, not when the kill was noticed."""
    if SECONDS in trial.user_attrs:
        return float(trial.user_attrs[SECONDS])
    if trial.state is TrialState.FAIL or trial.duration is None:
        return 0.0
    return trial.duration.total_seconds()


def seconds_spent(trials: Iterable[FrozenTrial]) -> float:
    """Return the wall time of all trials that have ended, failed ones too."""
    return sum(trial_seconds(trial) for trial in trials if trial.state.is_finished())


def trials_left(options: SearchOptions, trials: list[FrozenTrial]) -> float:
    """Return how many trials the budget allows beyond the finished ones; running ones are not subtracted."""
    if options.minutes is not None and seconds_spent(trials) >= 60 * options.minutes:
        return 0
    finished = sum(trial.state in {TrialState.COMPLETE, TrialState.PRUNED} for trial in trials)
    return math.inf if options.trials is None else options.trials - finished


def ranked(study: Study) -> list[FrozenTrial]:
    """Return the complete trials, the best first; of equal ones the oldest first."""
    sign = 1 if study.direction is StudyDirection.MINIMIZE else -1
    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    return sorted(complete, key=lambda trial: (sign * (trial.value or 0.0), trial.number))


def make_sampler(kind: str, seed: int, trials: int) -> BaseSampler:
    """Return the sampler of the next trial; its seed changes with `trials`, or a resumed study draws the same again.

    `tpe` is Bergstra et al. 2011, multivariate as in Falkner et al. 2018; a grid enqueues all settings itself.
    """
    number = int(np.random.SeedSequence([seed, trials]).generate_state(1)[0])
    if kind == "tpe":
        return TPESampler(seed=number, multivariate=True, group=True, constant_liar=True)
    return RandomSampler(seed=number)


def make_pruner(kind: str, epochs: int) -> BasePruner:
    """Return the pruner: `median`: worse than half of the trials after as many epochs; `hyperband`: Li et al. 2018."""
    if kind == "median":
        return MedianPruner(n_startup_trials=5)
    return HyperbandPruner(min_resource=1, max_resource=epochs) if kind == "hyperband" else NopPruner()
