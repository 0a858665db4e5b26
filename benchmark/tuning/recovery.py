"""Trials that were broken off: told from those that are at work, and tried again."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING

from benchmark.tracking.lock import hold_if_free, local_lock
from benchmark.training.progress import Progress

if TYPE_CHECKING:
    from optuna import Study, Trial
    from optuna.trial import FrozenTrial

# User attributes of a trial.
RUN_ID = "mlflow_run_id"
LOCK = "lock"  # its worker's, held as long as that lives
INTERRUPTED = "interrupted"  # by Ctrl-C or SIGTERM
KILLS = "kills"  # how often the process of a trial with these settings died
SECONDS = "seconds"  # that it has been at work

HEARTBEAT_SECONDS, GRACE_SECONDS = 10, 60  # a trial that was silent for so long is dead, wherever its worker was
MOST_RETRIES = 3  # of a trial whose process dies: settings that the machine cannot bear are given up


def try_again(study: Study, trial: FrozenTrial, *, killed: bool = True) -> None:
    """Let the settings of a failed trial wait again; those that are always killed are given up in the end."""
    from optuna.storages import RetryHeartbeatStaleTrialCallback

    kills = trial.user_attrs.get(KILLS, 0) + killed
    if kills <= MOST_RETRIES:
        again = copy.deepcopy(trial)
        again.user_attrs = {KILLS: kills}
        RetryHeartbeatStaleTrialCallback()(study, again)


def put_right(study: Study, end_run: Callable[[str], None]) -> None:
    """Let trials wait again that were interrupted, or whose process on this host was killed.

    Of other hosts' workers the heartbeat tells. Call it under a lock of the study's, or a trial may wait twice.

    Args:
        study: Optuna's.
        end_run: is given the MLflow run of each of them; it may say that it is at work, or even that it is complete.
    """
    from optuna.storages import RetryHeartbeatStaleTrialCallback
    from optuna.trial import TrialState

    trials = study.get_trials(deepcopy=False)
    retried = {number for trial in trials for number in RetryHeartbeatStaleTrialCallback.retry_history(trial)}
    for trial in trials:
        killed = trial.state is TrialState.RUNNING and _is_dead(trial)
        interrupted = trial.state is TrialState.FAIL and INTERRUPTED in trial.user_attrs and trial.number not in retried
        if not (killed or interrupted):
            continue
        if RUN_ID in trial.user_attrs:
            end_run(trial.user_attrs[RUN_ID])  # first: whoever is killed right here finds the trial as it was
        if killed:
            study.tell(trial.number, state=TrialState.FAIL, skip_if_finished=True)  # Optuna may have been first
        try_again(study, trial, killed=killed)


def _is_dead(trial: FrozenTrial) -> bool:
    """Whether its worker was on this host and lives no more."""
    if LOCK not in trial.user_attrs:  # its settings are being chosen, which takes a moment; or a kill came just then
        assert trial.datetime_start is not None  # it is running
        return (datetime.now() - trial.datetime_start).total_seconds() > GRACE_SECONDS  # as Optuna's
    lock = local_lock(trial.user_attrs[LOCK])
    if lock is None:
        return False
    with hold_if_free(lock) as free:
        return free


def seconds_at_work(trial: FrozenTrial) -> float:
    """Wall time of a trial that has ended; of one that was killed, without the time until that was noticed."""
    from optuna.trial import TrialState

    if SECONDS in trial.user_attrs:
        return float(trial.user_attrs[SECONDS])
    if trial.state is TrialState.FAIL or trial.duration is None:  # killed before it had begun
        return 0.0
    return trial.duration.total_seconds()


class TrialClock(Progress):
    """Progress that also records how long a trial has been at work."""

    def __init__(self, trial: Trial, progress: Progress) -> None:
        super().__init__(progress.stream)
        self._trial = trial
        self._started = self._kept = time.monotonic()

    def keep(self) -> None:
        """Write down how long it has been."""
        self._kept = time.monotonic()
        self._trial.set_user_attr(SECONDS, round(self._kept - self._started, 1))

    def advance(self, reviews: int, note: str = "") -> None:
        """Report progress, and record the time once per heartbeat."""
        super().advance(reviews, note)
        if time.monotonic() - self._kept >= HEARTBEAT_SECONDS:
            self.keep()
