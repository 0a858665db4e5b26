"""Carry a search out: start its worker, record it in MLflow, write tuned/<profile>/<experiment>.yaml."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC
from pathlib import Path

from optuna import Study, load_study
from optuna.exceptions import OptunaError
from optuna.storages import RDBStorage

from benchmark.config.errors import ConfigError
from benchmark.config.tuned import Provenance, TunedSettings, read_tuned, tuned_file, tuned_text
from benchmark.launch.process import EXIT_DONE, EXIT_FAILED, describe_exit, run_worker
from benchmark.launch.recovery import reconcile
from benchmark.output import OutputError, flattened, spell_value, write_whole
from benchmark.plan.workspace import Workspace
from benchmark.tracking import tags
from benchmark.tracking.client import TrackingError
from benchmark.tracking.lock import hold, lock_name, make_exclusive
from benchmark.tracking.mlflow_tracker import MlflowTracker
from benchmark.tracking.records import STUDY, Status
from benchmark.tracking.store import TrackingStore
from benchmark.tuning.outcome import Outcome, draw_study, read_outcome
from benchmark.tuning.plan import PlannedStudy, SearchOptions
from benchmark.tuning.study import CODE, FACTS


@dataclass(frozen=True, slots=True)
class Searcher:
    """Do searches, each in a worker process.

    Attributes:
        storage: the one of `options`, open.
        say: called with each line for the reader.
    """

    options: SearchOptions
    storage: RDBStorage
    store: TrackingStore
    workspace: Workspace
    say: Callable[[str], None]

    def search(self, planned: PlannedStudy) -> Outcome | None:
        """Do the missing trials of a study's budget, and write the winner.

        Returns:
            What the study has found; None if a trial failed or none is complete, for which `say` got the reason.

        Raises:
            StoreError: the store failed.
            KeyboardInterrupt: interrupted; the same call resumes.
        """
        own, name = planned.own, planned.own.experiment_name
        reconcile(self.store, own.profile, self.say, self.workspace.locks)
        lock = self.workspace.lock(f"study-{planned.name}")
        labels = (
            tags.origin_tags(f"tune {name} --profile {own.profile}")
            | {tags.STUDY: planned.name}
            | tags.run_tags(
                kind=STUDY,
                parent="",
                experiment=name,
                seed=own.seed,
                fingerprint=planned.name,
                lock=lock_name(lock),
                note=f"Optuna's study `{planned.name}`; its trials are nested below. They were trained on train and "
                f"judged on val by `{planned.metric}`; no test review was read. Tags `best/...`: the best trial when "
                "a call ended.",
            )
        )
        with hold(lock, shared=True) as held:
            with self._studies_lock():  # two workers that begin at once share one parent run
                tracker = self.store.open_study(own.profile, planned.name, f"search: {name}", labels)
            request = {
                "workspace": self.workspace.to_json(),
                "study": planned.to_json(),
                "options": asdict(self.options),
                "parent_id": tracker.run_id,
            }
            try:
                code = run_worker("benchmark.tuning.worker", request, [held])
            except KeyboardInterrupt:
                self.store.stop_waiting()
                with suppress(TrackingError):
                    _close(tracker, held, Status.KILLED)
                self._write_best_so_far(planned)
                raise
            found = None
            if code == EXIT_DONE:
                found = self._finish(planned, tracker)
            else:
                if code != EXIT_FAILED:
                    self.say(f"  {describe_exit(code)}; run the same command again to resume")
                self._write_best_so_far(planned)
            _close(tracker, held, Status.FAILED if found is None else Status.FINISHED)
        return found

    def _studies_lock(self) -> AbstractContextManager[int]:
        return hold(self.workspace.lock("studies"))

    def _write_best_so_far(self, planned: PlannedStudy) -> None:
        try:
            study = load_study(study_name=planned.name, storage=self.storage)
            with self._studies_lock():
                write_winner(study, planned, self.say, ended_early=True)
        except KeyError:  # the study had not begun
            return
        except (OptunaError, OutputError) as error:  # the command still ends as the search ended
            self.say(f"  {error}")

    def _finish(self, planned: PlannedStudy, tracker: MlflowTracker) -> Outcome | None:
        """Write the winner's file; log it, the winner and pictures to MLflow."""
        study = load_study(study_name=planned.name, storage=self.storage)
        with self._studies_lock():
            found = write_winner(study, planned, self.say)
        if not found.best:
            self.say("  no trial is complete. Give more --trials or --minutes.")
            return None
        winner, parameters = found.best[0], planned.space.parameters
        assert winner.value is not None
        tracker.log_params({"search": {key: parameter.spell() for key, parameter in parameters.items()}})
        tracker.set_tags(
            # An earlier winner may have left the value of a parameter whose condition this one does not meet.
            {f"best/{key}": spell_value(winner.params.get(key, "not used")) for key in parameters}
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


def _close(tracker: MlflowTracker, held: int, status: Status) -> None:
    if make_exclusive(held):  # else another worker still searches, and closes it
        tracker.finish(status)


def write_winner(
    study: Study, planned: PlannedStudy, say: Callable[[str], None], *, ended_early: bool = False
) -> Outcome:
    """Write the best trial's settings with their provenance, unless no trial is complete; return the outcome.

    A search that `ended_early` leaves another study's winner in place. Hold the lock `studies`, or an older winner may
    replace a newer one.

    Raises:
        OutputError: the file cannot be written.
    """
    found = read_outcome(study)
    if not found.best:
        return found
    path, another = tuned_file(found.profile, found.experiment), ""
    with suppress(ConfigError):  # a damaged file is replaced
        before = read_tuned(found.profile, found.experiment)
        if before is not None and before.provenance.study != found.name:
            another = before.provenance.study
    if another and ended_early:
        say(f"{path} keeps the winner of study {another}; a finished search replaces it")
        return found
    if another:
        say(f"{path} had the winner of study {another}; the same `tune` command writes it again")
    winner = found.best[0]
    assert winner.value is not None
    assert winner.datetime_complete is not None
    experiment = planned.with_values(winner.params).experiment.plain()
    provenance = Provenance(
        study=found.name,
        trial=winner.number,
        metric=found.metric,
        value=winner.value,
        before=found.before,
        complete=found.counts.get("complete", 0),
        pruned=found.counts.get("pruned", 0),
        seconds=round(found.seconds, 1),
        code=winner.user_attrs.get(CODE, {}),
        finished=winner.datetime_complete.astimezone(UTC).isoformat(timespec="seconds"),
        unsearched={key: value for key, value in flattened(experiment) if key not in winner.params},
        **study.user_attrs[FACTS],
    )
    tuned = TunedSettings(
        profile=found.profile, experiment=found.experiment, settings=dict(winner.params), provenance=provenance
    )
    write_whole(path, tuned_text(tuned))
    say(f"wrote {path}")
    return found
