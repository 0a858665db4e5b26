"""The process that searches: reads the reviews once, then does trial after trial until the budget is spent."""

from __future__ import annotations

import gc
import sys
import time
import uuid
from functools import partial
from typing import TYPE_CHECKING, Any

from benchmark.launch.process import EXIT_DONE, EXIT_FAILED, EXIT_INTERRUPTED, serve
from benchmark.tracking.lock import hold
from data_pipeline.errors import InputError

if TYPE_CHECKING:
    from optuna import Study, Trial
    from optuna.trial import FrozenTrial

    from benchmark.plan.fingerprint import Inputs
    from benchmark.plan.workspace import Workspace
    from benchmark.tracking.store import TrackingStore
    from benchmark.training.progress import Progress
    from benchmark.tuning.objective import Objective
    from benchmark.tuning.plan import PlannedStudy, SearchOptions
    from data_pipeline.corpus import Corpus

POLL_SECONDS = 2.0  # between two looks at what other workers have finished


def main() -> int:
    """Search as standard input describes; returns the exit status."""
    return serve(_search)


def _search(request: dict[str, Any]) -> int:
    from benchmark.plan.workspace import Workspace
    from benchmark.training.progress import Progress
    from benchmark.tuning.plan import PlannedStudy, SearchOptions

    progress = Progress(sys.stderr)
    try:
        spend_budget(
            PlannedStudy.from_json(request["study"]),
            SearchOptions.from_json(request["options"]),
            Workspace.from_json(request["workspace"]),
            request["parent_id"],
            progress,
        )
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except InputError as error:
        progress.say(f"error: {error}")
        return EXIT_FAILED
    except Exception as error:  # noqa: BLE001 - whatever ends a trial ends the call; the study goes on with the next one
        progress.say(f"error: {type(error).__name__}: {' '.join(str(error).split())}")
        return EXIT_FAILED
    return EXIT_DONE


def spend_budget(
    planned: PlannedStudy, options: SearchOptions, workspace: Workspace, parent_id: str, progress: Progress
) -> Study:
    """Do what is missing of the study's trials, here and now; the study.

    Raises:
        InputError: storage, store or reviews cannot be used; or a grid is wanted of a space that has none.
        Exception: whatever a trial failed with.
    """
    from benchmark.tracking.store import TrackingStore
    from benchmark.tuning.objective import Objective
    from benchmark.tuning.storage import open_storage
    from benchmark.tuning.study import open_study, refuse_grid

    if options.sampler == "grid":
        refuse_grid(planned.space)

    store = TrackingStore(workspace.tracking_uri, workspace.cache_dir, probe=False)
    corpus, inputs, facts = _read_inputs(planned, workspace)
    storage = open_storage(options.storage, workspace.lock("optuna"), retire=partial(_retire, store))
    with hold(workspace.lock("studies")):
        study = open_study(storage, planned, parent_id, facts, partial(_end_trial, store))
    lock = workspace.lock(f"worker-{uuid.uuid4().hex}")
    try:
        with hold(lock):
            _spend(study, Objective(planned, options, corpus, inputs, workspace, store, parent_id, lock, progress))
    finally:
        lock.unlink(missing_ok=True)  # nobody else will ever take this one
    return study


def _read_inputs(planned: PlannedStudy, workspace: Workspace) -> tuple[Corpus, Inputs, dict[str, Any]]:
    """The reviews without their test part, fingerprints of what trials read, and what a winner tells of both."""
    from benchmark.plan.fingerprint import Inputs
    from benchmark.plan.plan import resolve_run_encoder
    from data_pipeline.sources import load_corpus

    corpus = load_corpus(planned.own.data, workspace.place).without_test()
    encoder = resolve_run_encoder(planned.own)
    inputs = Inputs(corpus.fingerprint, corpus.split_fingerprint, encoder.fingerprint if encoder else None, "")
    facts = {
        "corpus_fingerprint": corpus.fingerprint,
        "split_fingerprint": corpus.split_fingerprint,
        "data": planned.own.data.model_dump(mode="json"),
    }
    return corpus, inputs, facts


def _spend(study: Study, objective: Objective) -> None:
    """Do trials until the budget is spent; while others do the last ones, wait for them: one may die."""
    from optuna.storages import fail_stale_trials
    from optuna.trial import TrialState

    from benchmark.tuning.recovery import put_right
    from benchmark.tuning.study import (
        combinations,
        enqueue_first,
        finished_trials,
        is_spent,
        make_pruner,
        make_sampler,
    )

    planned, options = objective.planned, objective.options
    alone = partial(hold, objective.workspace.lock("studies"))

    def lay_down_next() -> bool:
        # One combination at a time: those that the budget has no room for stay out of the study.
        with alone():
            return enqueue_first(study, combinations(planned.space))

    study.pruner = make_pruner(options.pruner, planned.own.experiment.training.epochs)
    said = False
    gc.freeze()  # the libraries stay: to go through them after each trial took 0.3 s, as long as a small trial
    while True:
        with alone():
            put_right(study, partial(_end_trial, objective.store))
        trials = study.get_trials(deepcopy=False)
        if is_spent(options.budget, trials):
            return
        running = [trial for trial in trials if trial.state is TrialState.RUNNING]
        waiting = any(trial.state is TrialState.WAITING for trial in trials)
        enough = (
            options.budget.trials is not None and len(finished_trials(trials)) + len(running) >= options.budget.trials
        )
        if enough or (options.sampler == "grid" and not waiting and not lay_down_next()):
            if not running:
                return  # the whole grid is done
            if not said:
                objective.progress.say(f"waiting for {len(running)} trials of other workers")
                said = True
            time.sleep(POLL_SECONDS)
            fail_stale_trials(study)
            continue
        study.sampler = make_sampler(options.sampler, planned.own.seed, len(trials))
        _do_one(study, objective)


def _do_one(study: Study, objective: Objective) -> None:
    """One trial, begun and told. A worker that was silent for long, as in a laptop that slept, may have lost it.

    Raises:
        Exception: whatever the trial failed with.
    """
    from benchmark.tuning.objective import NotNeededError

    failures: list[Exception] = []

    def attempt(trial: Trial) -> float:
        try:
            return objective(trial)
        except Exception as error:
            failures.append(error)
            raise

    try:
        study.optimize(attempt, n_trials=1, catch=(NotNeededError,), callbacks=[_tell(objective)], gc_after_trial=True)
    except ValueError as error:
        if error in failures:
            raise
        # Optuna's, who takes no result of a trial that has ended: others counted its worker as dead.
        objective.progress.say("the trial was silent for so long that it counted as dead; its settings are tried again")


def _retire(store: TrackingStore, study: Study, trial: FrozenTrial) -> None:
    """Of a worker on another host Optuna's heartbeat alone tells that it is dead."""
    from benchmark.tuning.recovery import RUN_ID, try_again

    if RUN_ID in trial.user_attrs:
        _end_trial(store, trial.user_attrs[RUN_ID])
    try_again(study, trial)


def _end_trial(store: TrackingStore, run_id: str) -> None:
    """A trial was broken off: its run ends with it, unless it says already how it was ended."""
    from benchmark.launch.recovery import record_killed
    from benchmark.tracking.client import StoreError, TrackingError
    from benchmark.tracking.records import TRIAL, Status

    try:
        if store.run(run_id).status in {Status.RUNNING, Status.FINISHED}:
            record_killed(store, run_id, TRIAL)
    except TrackingError as error:  # of a run that somebody deleted there is nothing to end
        if isinstance(error, StoreError) and not error.refused:
            raise


def _tell(objective: Objective) -> Any:
    """A callback that says how a trial ended, and which is the best."""
    from benchmark.tuning.outcome import best_trial
    from benchmark.tuning.study import REASON

    def tell(study: Study, trial: Any) -> None:
        best = best_trial(study)
        found = f"{objective.planned.metric} {trial.value:.4f}" if trial.value is not None else ""
        reason = trial.user_attrs.get(REASON, "")
        ended = ", ".join(filter(None, [trial.state.name.lower(), found, reason]))
        so_far = f"; best {best.value:.4f}, trial {best.number}" if best is not None else ""
        objective.progress.say(f"trial {trial.number}: {ended}{so_far}")

    return tell


if __name__ == "__main__":
    sys.exit(main())
