"""The worker process of a search: reads the reviews once, then does trials until the budget is spent."""

from __future__ import annotations

import gc
import sys
import time
import uuid
from collections import Counter
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

from optuna import Study, Trial
from optuna.storages import fail_stale_trials
from optuna.trial import FrozenTrial, TrialState

from benchmark.launch.process import EXIT_DONE, EXIT_FAILED, EXIT_INTERRUPTED, serve
from benchmark.launch.recovery import record_killed
from benchmark.plan.encoder import resolve_run_encoder
from benchmark.plan.fingerprint import Inputs
from benchmark.plan.workspace import Workspace
from benchmark.tracking.client import StoreError, TrackingError
from benchmark.tracking.lock import hold, lock_name
from benchmark.tracking.records import TRIAL, Status
from benchmark.tracking.store import TrackingStore
from benchmark.training.progress import Progress
from benchmark.tuning.objective import Objective, suggest
from benchmark.tuning.plan import PlannedStudy, SearchOptions
from benchmark.tuning.storage import open_storage
from benchmark.tuning.study import (
    LOCK,
    REASON,
    RUN_ID,
    combinations,
    enqueue_first,
    fail_killed,
    make_pruner,
    make_sampler,
    open_study,
    ranked,
    retry,
    trials_left,
)
from data_pipeline.errors import InputError
from data_pipeline.load import load_corpus

POLL_SECONDS = 2.0  # between two checks of other workers' trials


def search(request: dict[str, Any]) -> int:
    """Search as the parent's request says; return the exit status."""
    progress = Progress(sys.stderr)
    try:
        spend_budget(
            PlannedStudy.from_json(request["study"]),
            SearchOptions(**request["options"]),
            Workspace.from_json(request["workspace"]),
            request["parent_id"],
            progress,
        )
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except InputError as error:
        progress.say(f"error: {error}")
        return EXIT_FAILED
    except Exception as error:  # noqa: BLE001 - whatever ends a trial ends this call; the next call resumes the study
        progress.say(f"error: {type(error).__name__}: {' '.join(str(error).split())}")
        return EXIT_FAILED
    return EXIT_DONE


def spend_budget(
    planned: PlannedStudy, options: SearchOptions, workspace: Workspace, parent_id: str, progress: Progress
) -> Study:
    """Do the study's missing trials in this process; return the study.

    Raises:
        InputError: storage, store or reviews cannot be used.
        Exception: a trial failed with it.
    """
    store = TrackingStore(workspace.tracking_uri, workspace.cache_dir, probe=False)
    corpus = load_corpus(planned.own.data, workspace.place, planned.own.challenges).without_test()
    encoder = resolve_run_encoder(planned.own)
    inputs = Inputs(corpus.fingerprint, corpus.split_fingerprint, encoder.fingerprint if encoder else None, "")
    facts = {
        "corpus_fingerprint": corpus.fingerprint,
        "split_fingerprint": corpus.split_fingerprint,
        "data": planned.own.data.model_dump(mode="json"),
    }
    storage = open_storage(options.storage, workspace.lock("optuna"), on_stale=partial(_retire, store))
    with hold(workspace.lock("studies")):
        study = open_study(storage, planned, parent_id, facts)
    study.pruner = make_pruner(options.pruner, planned.own.experiment.training.epochs)
    objective = Objective(planned, corpus, inputs, workspace, store, parent_id, progress)
    lock = workspace.lock(f"worker-{uuid.uuid4().hex}")
    try:
        with hold(lock):
            gc.freeze()  # the libraries stay: to go through them after each trial took 0.3 s, as long as a small trial
            _spend(study, objective, options, lock)
    finally:
        lock.unlink(missing_ok=True)  # no other worker takes it
    return study


def _spend(study: Study, objective: Objective, options: SearchOptions, lock: Path) -> None:
    """Do trials until the budget is spent; wait while other workers do the last ones, because one may die."""
    said = False
    while True:
        with ExitStack() as choosing:
            # One worker at a time takes a trial: together they do no more than the budget, and a grid once.
            choosing.enter_context(hold(objective.workspace.lock("studies")))
            fail_killed(study, partial(_retire, objective.store), objective.workspace.locks)
            trials = study.get_trials(deepcopy=False)
            left, states = trials_left(options, trials), Counter(trial.state for trial in trials)
            running = states[TrialState.RUNNING]
            if left <= 0:
                return
            if left > running and (
                options.sampler != "grid"
                or states[TrialState.WAITING]
                # One at a time: what the budget has no room for stays out of the study.
                or enqueue_first(study, combinations(objective.planned.space))
            ):
                study.sampler = make_sampler(options.sampler, objective.planned.own.seed, len(trials))
                _do_one(study, objective, lock, choosing)
                continue
        if not running:
            return  # the grid is complete
        if not said:
            objective.progress.say(f"waiting for {running} trials of other workers")
            said = True
        time.sleep(POLL_SECONDS)
        fail_stale_trials(study)


def _do_one(study: Study, objective: Objective, lock: Path, choosing: ExitStack) -> None:
    """Do one trial; close `choosing` as soon as its settings are chosen.

    Raises:
        Exception: the trial failed with it.
    """
    begun: list[int] = []
    failures: list[Exception] = []

    def attempt(trial: Trial) -> float:
        begun.append(trial.number)
        trial.set_user_attr(LOCK, lock_name(lock))
        values = suggest(trial, objective.planned.space)
        choosing.close()
        try:
            return objective(trial, values)
        except Exception as error:
            failures.append(error)
            raise

    try:
        study.optimize(attempt, n_trials=1, gc_after_trial=True)
    except KeyboardInterrupt:
        for number in begun:
            trial = study.get_trials(deepcopy=False)[number]
            if trial.state is TrialState.FAIL:
                _retire(objective.store, study, trial, killed=False)
        raise
    except ValueError as error:
        if error in failures:
            raise
        # Optuna's: other workers counted this one as dead, as after a laptop's sleep, and retry the trial.
        objective.progress.say("the trial's heartbeat stopped for over a minute; its settings are tried again")
        return
    trial, best = study.get_trials(deepcopy=False)[begun[0]], ranked(study)[:1]
    value = f"{objective.planned.metric} {trial.value:.4f}" if trial.value is not None else ""
    ended = ", ".join(filter(None, [trial.state.name.lower(), value, trial.user_attrs.get(REASON)]))
    so_far = "".join(f"; best {each.value:.4f}, trial {each.number}" for each in best)
    objective.progress.say(f"trial {trial.number}: {ended}{so_far}")


def _retire(store: TrackingStore, study: Study, trial: FrozenTrial, *, killed: bool = True) -> None:
    """Retry a trial whose worker was killed or interrupted, and end its MLflow run, even one that says FINISHED."""
    retry(study, trial, killed=killed)
    if (run_id := trial.user_attrs.get(RUN_ID)) is None:
        return
    try:
        if store.run(run_id).status in {Status.RUNNING, Status.FINISHED}:
            record_killed(store, run_id, TRIAL)
    except TrackingError as error:  # a user has deleted the run
        if isinstance(error, StoreError) and not error.refused:
            raise


def main() -> int:
    """Do the search that standard input describes and return the exit status."""
    return serve(search)
