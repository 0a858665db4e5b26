"""One trial: train on train, judge on val, record in Optuna and MLflow. It sees no test part."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from optuna import Trial, TrialPruned
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import TrialState

from benchmark.config.errors import ConfigError
from benchmark.config.search_space import CategoricalParameter, FloatParameter, SearchSpace
from benchmark.experiment.run import run_trial
from benchmark.launch.failure import Failure
from benchmark.output import spell_values
from benchmark.plan.fingerprint import Inputs, fingerprint
from benchmark.plan.plan import PlannedRun
from benchmark.plan.workspace import Workspace
from benchmark.tracking import tags
from benchmark.tracking.lock import hold, lock_name
from benchmark.tracking.mlflow_tracker import MlflowTracker
from benchmark.tracking.records import TRIAL, Status
from benchmark.tracking.store import TrackingStore
from benchmark.training.checkpoint import CheckpointError
from benchmark.training.device import resolve_device, resolve_precision
from benchmark.training.environment import git_state
from benchmark.training.epoch import EpochRecord
from benchmark.training.progress import Progress
from benchmark.training.trainer import Fit, NonFiniteError
from benchmark.tuning.plan import PlannedStudy
from benchmark.tuning.study import CODE, REASON, RUN_ID, SECONDS
from data_pipeline.corpus import Corpus


@dataclass(frozen=True, slots=True)
class Objective:
    """Train and judge trials of one study.

    Attributes:
        corpus: without its test part.
        inputs: fingerprints of what a trial reads.
        parent_id: the study's MLflow run.
    """

    planned: PlannedStudy
    corpus: Corpus
    inputs: Inputs
    workspace: Workspace
    store: TrackingStore
    parent_id: str
    progress: Progress

    def __call__(self, trial: Trial, values: dict[str, Any]) -> float:
        """Return the metric in the epoch of lowest val/loss.

        Raises:
            TrialPruned: others were better after as many epochs, the training diverged, or the settings do not go
                together.
        """
        self.progress.say(f"trial {trial.number}: {spell_values(values)}")
        started = time.monotonic()

        def save_seconds() -> None:
            trial.set_user_attr(SECONDS, round(time.monotonic() - started, 1))

        try:
            planned, fault = self._plan(values), ""
        except ConfigError as error:
            planned, fault = None, str(error)
        try:
            with hold(self._lock(planned)), self._recorded(trial, planned) as tracker:
                if planned is None:
                    raise TrialPruned(fault)
                return self._judge(trial, planned, tracker, save_seconds)
        finally:
            save_seconds()

    def _plan(self, values: dict[str, Any]) -> PlannedRun:
        config = self.planned.with_values(values)
        precision = resolve_precision(config.experiment.training.precision, resolve_device(self.workspace.device))
        mark = fingerprint(config, replace(self.inputs, precision=precision))
        return PlannedRun(config, mark, precision, TRIAL)

    def _lock(self, planned: PlannedRun | None) -> Path:
        return self.workspace.lock(planned.identity if planned else "invalid-trial")

    def _judge(
        self, trial: Trial, planned: PlannedRun, tracker: MlflowTracker, save_seconds: Callable[[], None]
    ) -> float:
        complete = trial.study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        # Equal seeds give equal results: the same settings are not trained twice.
        twin = next((other for other in complete if other.params == trial.params), None)
        if twin is not None:
            trial.set_user_attr(REASON, f"the same settings as trial {twin.number}")
            tracker.log_params(planned.config.settings())
            assert twin.value is not None
            return twin.value

        epochs = planned.config.experiment.training.epochs
        is_own = trial.params == self.planned.own_values  # all others are judged against it

        def on_epoch(epoch: EpochRecord) -> None:
            save_seconds()
            trial.report(self._value(epoch), epoch.epoch)
            if epoch.epoch < epochs and not is_own and trial.should_prune():
                raise TrialPruned(f"after epoch {epoch.epoch}")

        def train() -> Fit:
            return run_trial(planned, self.corpus, self.workspace, tracker, progress=self.progress, on_epoch=on_epoch)

        try:
            try:
                fit = train()
            except CheckpointError:
                self.progress.say(f"trial {trial.number}: machine or packages have changed; training starts over")
                self._remove_checkpoint(planned)
                fit = train()
        except NonFiniteError as error:
            raise TrialPruned(f"diverged: {error}") from None
        return self._value(fit.epochs[fit.best_epoch - 1])

    def _value(self, epoch: EpochRecord) -> float:
        return epoch.val_loss if self.planned.metric == "val/loss" else epoch.val_accuracy

    def _remove_checkpoint(self, planned: PlannedRun) -> None:
        self.workspace.drop_checkpoints(planned.identity)

    @contextmanager
    def _recorded(self, trial: Trial, planned: PlannedRun | None) -> Iterator[MlflowTracker]:
        """Record the trial as an MLflow run that ends as the trial does; None: its settings are invalid."""
        own = self.planned.own
        tracker = self.store.start_run(
            own.profile, f"{own.experiment_name} trial {trial.number}", self._labels(trial, planned)
        )
        trial.set_user_attr(RUN_ID, tracker.run_id)
        trial.set_user_attr(CODE, git_state(Path(__file__).parents[2]))

        def end(state: str, status: Status, reason: str = "") -> None:
            tracker.set_tags({tags.STATE: state})
            tracker.finish(status, reason)
            if planned is not None and state != "FAIL":
                self._remove_checkpoint(planned)  # last: a trial that is interrupted before this resumes from it

        try:
            yield tracker
            end("COMPLETE", Status.FINISHED)
        except TrialPruned as pruned:
            end("PRUNED", Status.KILLED, f"pruned {pruned}")
            trial.set_user_attr(REASON, str(pruned))
            raise
        except UpdateFinishedTrialError:
            end("FAIL", Status.KILLED, "its heartbeat stopped; another worker retries the trial")
            raise
        except KeyboardInterrupt:
            self.store.stop_waiting()
            end("FAIL", Status.KILLED, "interrupted; the study retries the trial")
            raise
        except Exception as error:
            failure = Failure.of(error, self.workspace.tracking_uri)
            failure.record(tracker, self.progress.say)
            end("FAIL", Status.FAILED, failure.reason)
            trial.set_user_attr(REASON, failure.reason)
            raise

    def _labels(self, trial: Trial, planned: PlannedRun | None) -> dict[str, str]:
        config = self.planned.own
        return (
            tags.origin_tags(f"tune {config.experiment_name} --profile {config.profile}")
            | {tags.STUDY: self.planned.name, tags.TRIAL: str(trial.number)}
            | tags.run_tags(
                kind=TRIAL,
                parent=self.parent_id,
                experiment=config.experiment_name,
                seed=config.seed,
                fingerprint=planned.fingerprint if planned else "",
                lock=lock_name(self._lock(planned)),
                note=f"Trial {trial.number} of Optuna's study `{self.planned.name}`: trained on train, judged on val "
                f"by `{self.planned.metric}`; the test part was not read.",
            )
        )


def suggest(trial: Trial, space: SearchSpace) -> dict[str, Any]:
    """Return the trial's value of each parameter whose condition is met."""
    values: dict[str, Any] = {}
    for key, parameter in space.parameters.items():
        if not space.is_active(key, values):
            continue
        if isinstance(parameter, CategoricalParameter):
            values[key] = trial.suggest_categorical(key, parameter.choices)
        elif isinstance(parameter, FloatParameter):
            values[key] = trial.suggest_float(key, parameter.low, parameter.high, log=parameter.log)
        else:
            values[key] = trial.suggest_int(key, parameter.low, parameter.high, step=parameter.step)
    return values
