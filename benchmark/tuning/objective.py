"""One trial: settings chosen, trained on train, judged on val, told to Optuna and MLflow. It has no test part."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from benchmark.identity import Inputs, fingerprint
from benchmark.plan import PlannedRun, Workspace
from benchmark.progress import Progress, spell_value
from benchmark.records import TRIAL, EpochRecord, Status
from benchmark.run_lock import hold, lock_name
from benchmark.runner import run_trial
from benchmark.search_space import CategoricalParameter, FloatParameter, SearchSpace
from benchmark.tracking import tags
from benchmark.tracking.mlflow_tracker import MlflowTracker
from benchmark.tracking.store import TrackingStore
from benchmark.training.precision import resolve_device, resolve_precision
from benchmark.training.trainer import Fit, NonFiniteError
from benchmark.tuning.planned_study import Metric, PlannedStudy, SearchOptions
from benchmark.tuning.study import INTERRUPTED, LOCK, REASON, RUN_ID, is_needed
from benchmark.validation import ConfigError
from data_pipeline.corpus import Corpus

if TYPE_CHECKING:
    from optuna import Trial
    from optuna.trial import FrozenTrial


class NotNeededError(Exception):
    """Another worker has begun the last trial of the budget at the same moment."""


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
        progress: is told how far a trial is.
    """

    planned: PlannedStudy
    options: SearchOptions
    corpus: Corpus
    inputs: Inputs
    workspace: Workspace
    store: TrackingStore
    parent_id: str
    progress: Progress

    def __call__(self, trial: Trial) -> float:
        """The metric of the epoch of lowest val/loss.

        Raises:
            TrialPruned: others were better after as many epochs, or the training diverged, or the settings do not
                go together.
            NotNeededError: the budget is spent.
        """
        try:
            return self._try(trial)
        except KeyboardInterrupt:
            trial.set_user_attr(INTERRUPTED, True)
            raise

    def _try(self, trial: Trial) -> float:
        from optuna import TrialPruned

        if not is_needed(trial.number, self.options.budget, trial.study.get_trials(deepcopy=False)):
            raise NotNeededError
        values = suggest(trial, self.planned.space)
        self.progress.say(f"trial {trial.number}: {spell_values(values)}")
        try:
            planned = self._planned(values)
        except ConfigError as error:
            trial.set_user_attr(REASON, str(error))
            raise TrialPruned(str(error)) from None
        with hold(self.workspace.lock(planned.identity)):
            trial.set_user_attr(LOCK, lock_name(self.workspace.lock(planned.identity)))
            if (twin := _finished_twin(trial, values)) is not None:
                trial.set_user_attr(REASON, f"the same settings as trial {twin.number}")
                assert twin.value is not None
                return twin.value
            return self._train(trial, planned)

    def _planned(self, values: dict[str, Any]) -> PlannedRun:
        config = self.planned.with_values(values)
        precision = resolve_precision(config.experiment.training.precision, resolve_device(self.workspace.device))
        mark = fingerprint(config, replace(self.inputs, precision=precision))
        return PlannedRun(config, mark, precision, TRIAL)

    def _train(self, trial: Trial, planned: PlannedRun) -> float:
        from optuna import TrialPruned

        metric = self.planned.metric
        tracker = self.store.start_run(
            planned.config.profile,
            f"{planned.config.experiment_name} trial {trial.number}",
            self._labels(trial, planned),
        )
        trial.set_user_attr(RUN_ID, tracker.run_id)

        def on_epoch(epoch: EpochRecord) -> None:
            trial.report(_value(epoch, metric), epoch.epoch)
            if epoch.epoch < planned.config.experiment.training.epochs and trial.should_prune():
                raise TrialPruned(f"after epoch {epoch.epoch}")

        with self._recorded(trial, tracker):
            try:
                fit = run_trial(
                    planned, self.corpus, self.workspace, tracker, progress=self.progress, on_epoch=on_epoch
                )
            except NonFiniteError as error:
                raise TrialPruned(f"diverged: {error}") from None
        shutil.rmtree(self.workspace.checkpoint_dir(planned.identity), ignore_errors=True)
        return _chosen(fit, metric)

    @contextmanager
    def _recorded(self, trial: Trial, tracker: MlflowTracker) -> Iterator[None]:
        """However the trial ends, MLflow and Optuna say the same of it."""
        from optuna import TrialPruned

        def end(state: str, status: Status, reason: str = "") -> None:
            tracker.set_tags({tags.STATE: state})
            tracker.finish(status, reason)

        try:
            yield
        except TrialPruned as pruned:
            trial.set_user_attr(REASON, str(pruned))
            end("PRUNED", Status.KILLED, f"pruned {pruned}")
            raise
        except KeyboardInterrupt:
            self.store.hurry()
            end("FAIL", Status.KILLED, "interrupted; the study tries it again")
            raise
        except Exception as error:
            reason = f"{type(error).__name__}: {' '.join(str(error).split())}"
            trial.set_user_attr(REASON, reason)
            end("FAIL", Status.FAILED, reason)
            raise
        end("COMPLETE", Status.FINISHED)

    def _labels(self, trial: Trial, planned: PlannedRun) -> dict[str, str]:
        config = planned.config
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
                fingerprint=planned.fingerprint,
                lock=lock_name(self.workspace.lock(planned.identity)),
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


def spell_values(values: dict[str, Any]) -> str:
    """`model.dropout 0.3, training.batch_size 32`."""
    return ", ".join(f"{key} {spell_value(value)}" for key, value in values.items())


def _finished_twin(trial: Trial, values: dict[str, Any]) -> FrozenTrial | None:
    """A complete trial of the same settings: equal seeds give equal results, so it is not trained again."""
    from optuna.trial import TrialState

    complete = trial.study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    return next((other for other in complete if other.params == values), None)


def _value(epoch: EpochRecord, metric: Metric) -> float:
    return epoch.val_loss if metric == "val/loss" else epoch.val_accuracy


def _chosen(fit: Fit, metric: Metric) -> float:
    return _value(fit.epochs[fit.best_epoch - 1], metric)
