"""A search carried out: by a process of its own, recorded in MLflow, and what has won written down."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark.config.tuned import tuned_file
from benchmark.launch.process import EXIT_DONE, EXIT_FAILED, describe_exit, run_worker
from benchmark.launch.recovery import reconcile
from benchmark.output import OutputError, spell_value
from benchmark.plan.workspace import Workspace
from benchmark.tracking import tags
from benchmark.tracking.client import TrackingError
from benchmark.tracking.lock import hold, lock_name, make_exclusive
from benchmark.tracking.mlflow_tracker import MlflowTracker
from benchmark.tracking.records import STUDY, Status
from benchmark.tracking.store import TrackingStore
from benchmark.tuning.outcome import Outcome
from benchmark.tuning.pictures import draw_study
from benchmark.tuning.plan import PlannedStudy, SearchOptions
from benchmark.tuning.storage import open_storage
from benchmark.tuning.winner import write_winner

if TYPE_CHECKING:
    from optuna.storages import RDBStorage


def search(
    planned: PlannedStudy, options: SearchOptions, workspace: Workspace, say: Callable[[str], None]
) -> Outcome | None:
    """Do what is missing of a study's budget, and write down what has won.

    Args:
        planned: the study.
        options: where it is kept, when it ends, and how it searches.
        workspace: where state is kept.
        say: is given each line for the reader.

    Returns:
        The study as it stands, None where a trial failed or none is complete; the reason has been said.

    Raises:
        StorageError, TrackingError: a storage or store cannot be opened.
        KeyboardInterrupt: interrupted; the same call goes on.
    """
    storage = open_storage(options.storage, workspace.lock("optuna"))
    store = TrackingStore(workspace.tracking_uri, workspace.cache_dir)
    reconcile(store, planned.own.profile, workspace, say)
    lock = workspace.lock(f"study-{planned.name}")
    with hold(lock, shared=True) as held:
        with hold(workspace.lock("studies")):  # one parent a study, also when two workers begin at once
            tracker = store.open_study(
                planned.own.profile, planned.name, f"search: {planned.own.experiment_name}", _labels(planned, workspace)
            )
        request = {
            "workspace": workspace.to_json(),
            "study": planned.to_json(),
            "options": options.to_json(),
            "parent_id": tracker.run_id,
        }
        try:
            code = run_worker("benchmark.tuning.worker", request, [held])
        except KeyboardInterrupt:
            store.stop_waiting()
            with suppress(TrackingError):
                _close(tracker, held, Status.KILLED)
            _broken_off(storage, planned, workspace, say)
            raise
        if code not in {EXIT_DONE, EXIT_FAILED}:
            say(f"  {describe_exit(code)}; the same command goes on")
        if code == EXIT_DONE:
            found = _done(storage, planned, workspace, tracker, say)
        else:
            found = None
            _broken_off(storage, planned, workspace, say)
        _close(tracker, held, Status.FAILED if found is None else Status.FINISHED)
    return found


def _close(tracker: MlflowTracker, held: int, status: Status) -> None:
    if make_exclusive(held):  # whoever still searches closes it
        tracker.finish(status)


def _labels(planned: PlannedStudy, workspace: Workspace) -> dict[str, str]:
    own = planned.own
    return (
        tags.origin_tags(f"tune {own.experiment_name} --profile {own.profile}")
        | {tags.STUDY: planned.name}
        | tags.run_tags(
            kind=STUDY,
            parent="",
            experiment=own.experiment_name,
            seed=own.seed,
            fingerprint=planned.name,
            lock=lock_name(workspace.lock(f"study-{planned.name}")),
            note=f"Optuna's study `{planned.name}`; its trials are nested below. They were trained on train and judged "
            f"on val by `{planned.metric}`; no test review was read. Tags `best/...`: the best"
            " when a call was last done.",
        )
    )


def _broken_off(storage: RDBStorage, planned: PlannedStudy, workspace: Workspace, say: Callable[[str], None]) -> None:
    """What is best so far is written: it may be enough for who ended the search."""
    from optuna import load_study
    from optuna.exceptions import OptunaError

    try:
        study = load_study(study_name=planned.name, storage=storage)
    except (KeyError, OptunaError):  # it had not begun, or its storage is gone, which has been said
        return
    try:
        with hold(workspace.lock("studies")):
            write_winner(study, planned, say, ended_early=True)
    except (OptunaError, OutputError) as error:  # how the search ended is what is to be told
        say(f"  {error}")


def _done(
    storage: RDBStorage, planned: PlannedStudy, workspace: Workspace, tracker: MlflowTracker, say: Callable[[str], None]
) -> Outcome | None:
    """The winner's file, the same and pictures in MLflow."""
    from optuna import load_study

    study = load_study(study_name=planned.name, storage=storage)
    with hold(workspace.lock("studies")):
        found = write_winner(study, planned, say)
    if not found.best:
        say("  no trial was trained to its end; give it more --trials or --minutes")
        return None
    winner = found.best[0]
    assert winner.value is not None  # it is complete
    tracker.log_params({"search": {key: parameter.spell() for key, parameter in planned.space.parameters.items()}})
    tracker.set_tags(
        # Of a parameter whose condition the winner does not meet, an earlier winner may have left a value.
        {f"best/{key}": spell_value(winner.settings.get(key, "not used")) for key in planned.space.parameters}
        | {"best/trial": str(winner.number), f"best/{found.metric}": spell_value(winner.value)}
    )
    tracker.log_metrics(
        {
            found.metric: winner.value,
            "trials_complete": found.counts.get("complete", 0),
            "trials_pruned": found.counts.get("pruned", 0),
            "trials_seconds": found.seconds,
        },
        step=sum(found.counts.values()),
    )
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(tuned_file(found.profile, found.experiment), folder)
        draw_study(study, Path(folder))
        tracker.log_artifacts(Path(folder))
    return found
