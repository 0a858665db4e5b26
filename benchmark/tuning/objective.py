"""One trial: settings chosen, trained on train, judged on val, told to Optuna and MLflow. It has no test part."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark.config.errors import ConfigError
from benchmark.config.search_space import CategoricalParameter, FloatParameter, SearchSpace
from benchmark.experiment.run import run_trial
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
from benchmark.tuning.plan import Metric, PlannedStudy, SearchOptions
from benchmark.tuning.recovery import INTERRUPTED, LOCK, RUN_ID, TrialClock
from benchmark.tuning.study import CODE, REASON, is_needed, was_waiting
from data_pipeline.corpus import Corpus

if TYPE_CHECKING:
    from optuna import Trial
    from optuna.trial import FrozenTrial


class NotNeededError(Exception):
    """Another worker has begun the last trial, of the budget or of the grid, at the same moment."""


@dataclass(frozen=True, slots=True)
class Objective:
    """What Optuna makes small or large.

    Attributes:
        planned: the study.
        options: of this call.
        corpus: the reviews, without a test part.
        inputs: fingerprints of what a trial reads.
        workspace: where state is kept.
        store: MLflow's.
        parent_id: the study's MLflow run.
        lock: is held by this process as long as it lives.
        progress: is told how far a trial is.
    """

    planned: PlannedStudy
    options: SearchOptions
    corpus: Corpus
    inputs: Inputs
    workspace: Workspace
    store: TrackingStore
    parent_id: str
    lock: Path
    progress: Progress

    def __call__(self, trial: Trial) -> float:
        """The metric of the epoch of lowest val/loss.

        Raises:
            TrialPruned: others were better after as many epochs, or the training diverged, or the settings do not
                go together.
            NotNeededError: others do the last of the budget, or of the grid.
        """
        trial.set_user_attr(LOCK, lock_name(self.lock))
        clock = TrialClock(trial, self.progress)
        try:
            try:
                return self._try(trial, clock)
            finally:
                clock.keep()
        except KeyboardInterrupt:
            trial.set_user_attr(INTERRUPTED, True)
            raise

    def _try(self, trial: Trial, progress: Progress) -> float:
        from optuna import TrialPruned

        trials = trial.study.get_trials(deepcopy=False)
        waited = was_waiting(trials[trial.number])
        if not is_needed(trial.number, self.options.budget, trials):
            if waited:
                trial.set_user_attr(INTERRUPTED, True)  # or its settings would be lost
            raise NotNeededError
        if self.options.sampler == "grid" and not waited:
            raise NotNeededError
        values = suggest(trial, self.planned.space)
        progress.say(f"trial {trial.number}: {spell_values(values)}")
        try:
            planned = self._planned(values)
        except ConfigError as error:
            with self._recorded(trial, "", self.lock):
                raise TrialPruned(str(error)) from None
        lock = self.workspace.lock(planned.identity)
        with hold(lock):
            try:
                with self._recorded(trial, planned.fingerprint, lock) as tracker:
                    value = self._judge(trial, planned, tracker, progress)
            except TrialPruned:
                self._forget(planned)
                raise
            self._forget(planned)  # last: who is interrupted before has the checkpoint yet
        return value

    def _judge(self, trial: Trial, planned: PlannedRun, tracker: MlflowTracker, progress: Progress) -> float:
        twin = _finished_twin(trial)
        if twin is None:
            return self._train(trial, planned, tracker, progress)
        trial.set_user_attr(REASON, f"the same settings as trial {twin.number}")
        tracker.log_params(planned.config.settings())
        assert twin.value is not None
        return twin.value

    def _planned(self, values: dict[str, Any]) -> PlannedRun:
        config = self.planned.with_values(values)
        precision = resolve_precision(config.experiment.training.precision, resolve_device(self.workspace.device))
        mark = fingerprint(config, replace(self.inputs, precision=precision))
        return PlannedRun(config, mark, precision, TRIAL)

    def _train(self, trial: Trial, planned: PlannedRun, tracker: MlflowTracker, progress: Progress) -> float:
        from optuna import TrialPruned

        metric = self.planned.metric
        epochs = planned.config.experiment.training.epochs
        is_own = trial.params == self.planned.own_values  # what all others are judged against

        def on_epoch(epoch: EpochRecord) -> None:
            trial.report(_value(epoch, metric), epoch.epoch)
            if epoch.epoch < epochs and not is_own and trial.should_prune():
                raise TrialPruned(f"after epoch {epoch.epoch}")

        def train() -> Fit:
            return run_trial(planned, self.corpus, self.workspace, tracker, progress=progress, on_epoch=on_epoch)

        try:
            try:
                fit = train()
            except CheckpointError:  # the machine or its packages are others now: `tune` has no use for half of a trial
                progress.say(f"trial {trial.number}: was begun under other conditions, and begins anew")
                self._forget(planned)
                fit = train()
        except NonFiniteError as error:
            raise TrialPruned(f"diverged: {error}") from None
        return _chosen(fit, metric)

    def _forget(self, planned: PlannedRun) -> None:
        """Remove what would let the trial go on."""
        shutil.rmtree(self.workspace.checkpoint_dir(planned.identity), ignore_errors=True)

    @contextmanager
    def _recorded(self, trial: Trial, fingerprint: str, lock: Path) -> Iterator[MlflowTracker]:
        """The trial's run in MLflow: however it ends, MLflow and Optuna say the same of it."""
        from optuna import TrialPruned
        from optuna.exceptions import UpdateFinishedTrialError

        own = self.planned.own
        tracker = self.store.start_run(
            own.profile, f"{own.experiment_name} trial {trial.number}", self._labels(trial, fingerprint, lock)
        )
        trial.set_user_attr(RUN_ID, tracker.run_id)
        trial.set_user_attr(CODE, git_state(Path(__file__).parents[2]))

        def end(state: str, status: Status, reason: str = "") -> None:
            tracker.set_tags({tags.STATE: state})
            tracker.finish(status, reason)

        try:
            yield tracker
            end("COMPLETE", Status.FINISHED)
        except TrialPruned as pruned:
            end("PRUNED", Status.KILLED, f"pruned {pruned}")
            trial.set_user_attr(REASON, str(pruned))
            raise
        except UpdateFinishedTrialError:
            end("FAIL", Status.KILLED, "was silent for so long that it counted as dead")
            raise
        except KeyboardInterrupt:
            self.store.stop_waiting()
            end("FAIL", Status.KILLED, "interrupted; the study tries it again")
            raise
        except Exception as error:
            reason = f"{type(error).__name__}: {' '.join(str(error).split())}"
            end("FAIL", Status.FAILED, reason)
            trial.set_user_attr(REASON, reason)
            raise

    def _labels(self, trial: Trial, fingerprint: str, lock: Path) -> dict[str, str]:
        config = self.planned.own
        command = f"tune {config.experiment_name} --profile {config.profile}"
        own = {tags.STUDY: self.planned.name, tags.TRIAL: str(trial.number)}
        return (
            tags.origin_tags(command)
            | own
            | tags.run_tags(
                kind=TRIAL,
                parent=self.parent_id,
                experiment=config.experiment_name,
                seed=config.seed,
                fingerprint=fingerprint,
                lock=lock_name(lock),
                note=f"Trial {trial.number} of Optuna's study `{self.planned.name}`: trained on train, judged on val "
                f"by `{self.planned.metric}`; the test part was not read.",
            )
        )


def suggest(trial: Trial, space: SearchSpace) -> dict[str, Any]:
    """The trial's value of each parameter whose condition is met."""
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


def _finished_twin(trial: Trial) -> FrozenTrial | None:
    """A complete trial of the same settings: equal seeds give equal results, so it is not trained again."""
    from optuna.trial import TrialState

    complete = trial.study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    return next((other for other in complete if other.params == trial.params), None)


def _value(epoch: EpochRecord, metric: Metric) -> float:
    return epoch.val_loss if metric == "val/loss" else epoch.val_accuracy


def _chosen(fit: Fit, metric: Metric) -> float:
    return _value(fit.epochs[fit.best_epoch - 1], metric)
