"""Trials that fail, are interrupted or killed: recognized, tried again, billed for their work alone."""

import time
from collections.abc import Callable
from datetime import datetime, timedelta

import optuna
import pytest
from mlflow import MlflowClient
from optuna.distributions import FloatDistribution
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, TrialState, create_trial

from benchmark.experiment import run as runner
from benchmark.tracking.lock import hold, local_lock, lock_name
from benchmark.tracking.mlflow_tracker import MlflowTracker
from benchmark.tracking.records import Status
from benchmark.training.progress import Progress
from benchmark.training.trainer import Trainer
from benchmark.tuning import objective
from benchmark.tuning.recovery import MOST_RETRIES, TrialClock, put_right, seconds_at_work, try_again
from benchmark.tuning.study import OWN, seconds_spent
from tests.helpers.in_process import states

# Parts of Optuna that may change are used knowingly; `open_storage` keeps it from saying so.
pytestmark = pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")


@pytest.fixture
def lock(tmp_path) -> str:
    """Of a worker that lives no more."""
    with hold(tmp_path / "worker.lock"):
        pass
    return lock_name(tmp_path / "worker.lock")


class TestFailing:
    def test_a_failed_trial_does_not_count_and_its_settings_are_tried_again(self, searching, monkeypatch):
        made = searching()
        with monkeypatch.context() as broken:
            broken.setattr(Trainer, "_train_step", lambda *_: 1 / 0)
            with pytest.raises(ZeroDivisionError):
                made.study(trials=1)
        (run,) = made.recorded()
        study = made.study(trials=1)

        assert (run.status, run.tags["optuna.state"]) == ("FAILED", "FAIL")
        assert run.error.startswith("ZeroDivisionError: ")
        assert states(study) == ["FAIL", "COMPLETE"]
        assert study.trials[1].params == study.trials[0].params == study.user_attrs[OWN]

    @pytest.fixture
    def interrupted(self, searching, monkeypatch):
        """A search that was interrupted in its first trial's second epoch, and the epochs of the steps done since."""
        made, seen, interruptions = searching(), [], []
        step = Trainer._train_step

        def interrupt_in_the_second_epoch(trainer, group, reviews, epoch):
            if epoch == 2 and not interruptions:
                interruptions.append(epoch)
                raise KeyboardInterrupt
            seen.append(epoch)
            return step(trainer, group, reviews, epoch)

        monkeypatch.setattr(Trainer, "_train_step", interrupt_in_the_second_epoch)
        with pytest.raises(KeyboardInterrupt):
            made.study(trials=1)
        seen.clear()
        return made, seen

    @pytest.mark.parametrize(("conditions", "epochs"), [("the same", {2}), ("others", {1, 2})])
    def test_an_interrupted_trial_is_tried_again_and_resumed_under_equal_conditions(
        self, interrupted, monkeypatch, conditions, epochs
    ):
        made, seen = interrupted
        if conditions == "others":
            monkeypatch.setattr(runner, "resume_conditions", lambda machine: {"torch": "another"})
        study = made.study(trials=1)

        assert states(study) == ["FAIL", "COMPLETE"]
        assert study.trials[1].params == study.trials[0].params
        assert set(seen) == epochs
        assert ended(made) == [("KILLED", "FAIL"), ("FINISHED", "COMPLETE")]
        assert ["interrupted" in run.error for run in made.recorded()] == [True, False]

    def test_one_that_another_worker_was_interrupted_in_is_tried_again_in_the_same_call(self, searching, monkeypatch):
        made, run_trial = searching(), objective.run_trial
        lost = create_trial(
            state=TrialState.FAIL,
            params={"training.learning_rate": 2e-2},
            distributions={"training.learning_rate": FloatDistribution(1e-4, 1e-1, log=True)},
            user_attrs={"interrupted": True},
        )

        def with_another_worker(planned, *rest, **named):
            study = optuna.load_study(study_name=made.plan().name, storage=made.options().storage)
            if len(study.trials) == 1:
                study.add_trial(lost)
            return run_trial(planned, *rest, **named)

        monkeypatch.setattr(objective, "run_trial", with_another_worker)
        study = made.study(trials=2)

        assert states(study) == ["COMPLETE", "FAIL", "COMPLETE"]
        assert study.trials[2].params == lost.params


class TestATrialThatCountedAsDead:
    """A worker that was silent for a minute, as in a laptop that slept: others have let its settings wait again."""

    @pytest.fixture
    def searched(self, searching, monkeypatch):
        def make(when: Callable[[Callable[[], object]], object]):
            made, run_trial = searching(), objective.run_trial

            def outlived(planned, *rest, **named):
                study = optuna.load_study(study_name=made.plan().name, storage=made.options().storage)
                if len(study.trials) > 1:
                    return run_trial(planned, *rest, **named)
                count_as_dead(study)
                return when(lambda: run_trial(planned, *rest, **named))

            monkeypatch.setattr(objective, "run_trial", outlived)
            return made, made.study(trials=2)

        return make

    @pytest.mark.parametrize("ended", ["in training", "with a failure of its own"])
    def test_is_left_to_who_tries_it_again(self, searched, ended):
        made, study = searched((lambda train: train()) if ended == "in training" else (lambda _: 1 / 0))

        assert states(study) == ["FAIL", "COMPLETE", "COMPLETE"]
        assert study.trials[1].params == study.trials[0].params == study.user_attrs[OWN]
        assert [run.tags["optuna.state"] for run in made.recorded()] == ["FAIL", "COMPLETE", "COMPLETE"]
        assert {run.status for run in made.recorded()[:1]} <= {"KILLED", "FAILED"}

    def test_of_another_host_takes_its_run_with_it(self, searching, monkeypatch):
        made = searching()
        study = made.study(trials=1)
        tracker = made.store.start_run("quick", "elsewhere", {"benchmark.kind": "trial"})
        begin(study, "elsewhere:/a/worker.lock", mlflow_run_id=tracker.run_id)
        silent = [study.trials[1]._trial_id]
        monkeypatch.setattr(RDBStorage, "_get_stale_trial_ids", lambda *_: [silent.pop()] if silent else [])
        made.study(trials=2)

        run = made.store.run(tracker.run_id)
        assert (run.status, run.tags["optuna.state"]) == ("KILLED", "FAIL")


def count_as_dead(study: optuna.Study) -> None:
    """As Optuna does when a trial's heartbeat has stopped."""
    (trial,) = [trial for trial in study.trials if trial.state is TrialState.RUNNING]
    study.tell(trial.number, state=TrialState.FAIL)
    try_again(study, trial)


class TestARunThatWasCompleteWhenItsTrialWasBrokenOff:
    """MLflow is written before Optuna: between the two a kill, or Ctrl-C, leaves a finished run of a repeated trial."""

    @pytest.mark.parametrize("how", ["killed", "interrupted", "deleted"])
    def test_becomes_killed(self, searching, lock, how):
        made = searching()
        study = made.study(trials=1)
        run_id = made.recorded()[0].run_id
        if how == "killed":
            begin(study, lock, mlflow_run_id=run_id)
        else:
            begin(study, interrupted=True, mlflow_run_id=run_id)
            study.tell(1, state=TrialState.FAIL)
        if how == "deleted":
            MlflowClient(made.store.uri).delete_run(run_id)

        assert states(made.study(trials=2)) == ["COMPLETE", "FAIL", "COMPLETE"]
        assert ended(made) == [("KILLED", "FAIL"), ("FINISHED", "COMPLETE")][how == "deleted" :]

    def test_becomes_killed_by_an_interruption_right_after_its_last_write_and_is_not_trained_again(
        self, searching, monkeypatch
    ):
        made, finish = searching(), MlflowTracker.finish

        def interrupted_afterwards(tracker, status, error=""):
            finish(tracker, status, error)
            if status is Status.FINISHED:
                raise KeyboardInterrupt

        with monkeypatch.context() as pressed:
            pressed.setattr(MlflowTracker, "finish", interrupted_afterwards)
            with pytest.raises(KeyboardInterrupt):
                made.study(trials=1)
        assert ended(made) == [("KILLED", "FAIL")]

        monkeypatch.setattr(Trainer, "_train_step", lambda *_: pytest.fail("trained again"))
        assert states(made.study(trials=1)) == ["FAIL", "COMPLETE"]
        assert list((made.folder / ".benchmark" / "checkpoints").iterdir()) == []


def ended(made) -> list[tuple[str, str]]:
    """Status and Optuna's state of each trial's run."""
    return [(run.status, run.tags["optuna.state"]) for run in made.recorded()]


# A study alone, without a search


@pytest.fixture
def study() -> optuna.Study:
    return optuna.create_study()


def begin(study, lock="", *, ago=0.0, **attributes) -> None:
    """A trial that was begun some seconds ago and says that it is running."""
    if lock:
        attributes["lock"] = lock
    started = datetime.now() - timedelta(seconds=ago)
    number = len(study.trials)
    study.add_trial(
        FrozenTrial(number, TrialState.RUNNING, None, started, None, {}, {}, attributes, {}, {}, number),
    )


class TestWhoseWorkerWasKilled:
    def test_is_tried_again_but_not_where_it_is_at_work_or_on_another_host(self, study, lock):
        begin(study, lock, ago=100_000)
        begin(study, "elsewhere:/a/worker.lock", ago=100_000)
        with hold(local_lock(lock)):
            put_right(study, [].append)
        assert states(study) == ["RUNNING", "RUNNING"]

        put_right(study, [].append)
        assert states(study) == ["FAIL", "RUNNING", "WAITING"]

    @pytest.mark.parametrize(("ago", "expected"), [(5, ["RUNNING"]), (100, ["FAIL", "WAITING"])])
    def test_one_whose_settings_were_being_chosen_is_given_a_minute(self, study, ago, expected):
        begin(study, ago=ago)
        put_right(study, [].append)

        assert states(study) == expected

    def test_is_given_up_when_it_has_been_killed_too_often(self, study, lock):
        for _ in range(MOST_RETRIES + 1):
            begin_waiting(study, lock)
            put_right(study, [].append)

        assert states(study) == ["FAIL"] * (MOST_RETRIES + 1)

    def test_interruptions_do_not_count(self, study, lock):
        for _ in range(MOST_RETRIES + 1):
            begin_waiting(study, lock)
            trial = study.trials[-1]
            study._storage.set_trial_user_attr(trial._trial_id, "interrupted", True)
            study.tell(trial.number, state=TrialState.FAIL)
            put_right(study, [].append)
        begin_waiting(study, lock)
        put_right(study, [].append)

        assert states(study) == ["FAIL"] * (MOST_RETRIES + 2) + ["WAITING"]

    def test_is_billed_for_its_work_and_not_for_the_time_until_it_was_noticed(self, study, lock):
        begin(study, lock, ago=100_000, seconds=12.5)
        begin(study, ago=100_000)
        put_right(study, [].append)

        assert [seconds_at_work(trial) for trial in study.trials[:2]] == [12.5, 0.0]
        assert seconds_spent(study.trials) == 12.5


def begin_waiting(study, lock) -> None:
    """Begin the trial that waits, or a new one, as a worker with this lock."""
    study.ask().set_user_attr("lock", lock)


def test_a_trial_keeps_how_long_it_has_been_at_work(study, monkeypatch):
    now = time.monotonic()
    trial = study.ask()
    clock = TrialClock(trial, Progress())
    for seconds in (5, 11, 15):
        monkeypatch.setattr(time, "monotonic", lambda seconds=seconds: now + seconds)
        clock.advance(8)

    assert study.trials[0].user_attrs["seconds"] == pytest.approx(11, abs=0.2)
