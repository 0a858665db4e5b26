"""Trials that fail, are interrupted or killed: told from those at work, tried again, billed for their work alone."""

import time
from collections.abc import Callable
from datetime import datetime, timedelta

import optuna
import pytest
from mlflow import MlflowClient
from optuna.distributions import FloatDistribution
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, TrialState

from benchmark import runner
from benchmark.progress import NullProgress
from benchmark.records import Status
from benchmark.run_lock import hold, local_lock, lock_name
from benchmark.tracking.mlflow_tracker import MlflowTracker
from benchmark.training.trainer import Trainer
from benchmark.tuning import objective
from benchmark.tuning.broken_off import MOST_RETRIES, TrialClock, put_right, seconds_at_work, try_again
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
    @pytest.fixture
    def failed(self, searching, monkeypatch):
        made = searching()
        with monkeypatch.context() as broken:
            broken.setattr(Trainer, "_train_step", lambda *_: 1 / 0)
            with pytest.raises(ZeroDivisionError):
                made.study()
        return made

    def test_is_the_same_in_mlflow(self, failed):
        (run,) = failed.recorded()

        assert (run.status, run.tags["optuna.state"]) == ("FAILED", "FAIL")
        assert run.error == "ZeroDivisionError: division by zero"

    def test_a_failed_trial_does_not_count_and_its_settings_are_tried_again(self, failed):
        study = failed.study()

        assert states(study) == ["FAIL", "COMPLETE", "COMPLETE", "COMPLETE"]
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

    def test_an_interrupted_trial_is_tried_again_and_goes_on_with_its_epochs(self, interrupted):
        made, seen = interrupted
        study = made.study(trials=1)

        assert states(study) == ["FAIL", "COMPLETE"]
        assert study.trials[1].params == study.trials[0].params
        assert set(seen) == {2}
        assert [(run.status, run.error) for run in made.recorded()] == [
            ("KILLED", "interrupted; the study tries it again"),
            ("FINISHED", ""),
        ]

    def test_one_begun_under_other_conditions_begins_anew(self, interrupted, monkeypatch):
        made, seen = interrupted
        monkeypatch.setattr(runner, "decisive", lambda machine: {"torch": "another"})

        assert states(made.study(trials=1)) == ["FAIL", "COMPLETE"]
        assert set(seen) == {1, 2}

    def test_one_that_another_worker_was_interrupted_in_is_tried_again_in_the_same_call(self, searching, monkeypatch):
        made, run_trial = searching(), objective.run_trial
        lost = FrozenTrial(
            1,
            TrialState.FAIL,
            None,
            datetime.now(),
            datetime.now(),
            {"training.learning_rate": 2e-2},
            {"training.learning_rate": FloatDistribution(1e-4, 1e-1, log=True)},
            {"interrupted": True},
            {},
            {},
            1,
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

        assert (made.store.run(tracker.run_id).status, made.store.run(tracker.run_id).tags["optuna.state"]) == (
            "KILLED",
            "FAIL",
        )


def count_as_dead(study: optuna.Study) -> None:
    """As Optuna does when a trial's heartbeat has stopped."""
    (trial,) = [trial for trial in study.trials if trial.state is TrialState.RUNNING]
    study.tell(trial.number, state=TrialState.FAIL)
    try_again(study, trial)


class TestARunThatWasCompleteWhenItsTrialWasBrokenOff:
    """MLflow is told before Optuna: between the two a kill, or Ctrl-C, leaves a finished run of a trial tried again."""

    @pytest.fixture
    def begun(self, searching):
        made = searching()
        return made, made.study(trials=1), made.recorded()[0].run_id

    @pytest.fixture
    def interrupted(self, begun):
        made, study, run_id = begun
        begin(study, interrupted=True, mlflow_run_id=run_id)
        study.tell(1, state=TrialState.FAIL)
        return made, run_id

    def test_says_that_it_was_killed(self, begun, lock):
        made, study, run_id = begun
        begin(study, lock, mlflow_run_id=run_id)
        made.study(trials=2)

        assert ended(made) == [("KILLED", "FAIL"), ("FINISHED", "COMPLETE")]

    def test_says_so_too_after_an_interruption(self, interrupted):
        made, _ = interrupted
        made.study(trials=2)

        assert ended(made) == [("KILLED", "FAIL"), ("FINISHED", "COMPLETE")]

    def test_may_be_deleted(self, interrupted):
        made, run_id = interrupted
        MlflowClient(made.store.uri).delete_run(run_id)

        assert states(made.study(trials=2)) == ["COMPLETE", "FAIL", "COMPLETE"]

    @pytest.fixture
    def interrupted_after_its_last_write(self, searching, monkeypatch):
        made, finish = searching(), MlflowTracker.finish

        def interrupted_afterwards(tracker, status, error=""):
            finish(tracker, status, error)
            if status is Status.FINISHED:
                raise KeyboardInterrupt

        with monkeypatch.context() as pressed:
            pressed.setattr(MlflowTracker, "finish", interrupted_afterwards)
            with pytest.raises(KeyboardInterrupt):
                made.study(trials=1)
        return made

    def test_says_it_of_an_interruption_right_after_its_last_write(self, interrupted_after_its_last_write):
        assert ended(interrupted_after_its_last_write) == [("KILLED", "FAIL")]

    def test_is_not_trained_again(self, interrupted_after_its_last_write, monkeypatch):
        monkeypatch.setattr(Trainer, "_train_step", lambda *_: pytest.fail("trained again"))
        study = interrupted_after_its_last_write.study(trials=1)

        assert states(study) == ["FAIL", "COMPLETE"]
        assert list((interrupted_after_its_last_write.folder / ".benchmark" / "checkpoints").iterdir()) == []


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
    def test_waits_again(self, study, lock):
        begin(study, lock)
        put_right(study, [].append)

        assert states(study) == ["FAIL", "WAITING"]

    def test_a_trial_at_work_is_left_alone(self, study, lock):
        begin(study, lock, ago=100_000)
        with hold(local_lock(lock)):
            put_right(study, [].append)

        assert states(study) == ["RUNNING"]

    def test_of_another_host_nothing_is_known(self, study, lock):
        begin(study, "elsewhere:/a/worker.lock", ago=100_000)
        put_right(study, [].append)

        assert states(study) == ["RUNNING"]

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
    clock = TrialClock(trial, NullProgress())
    for seconds in (5, 11, 15):
        monkeypatch.setattr(time, "monotonic", lambda seconds=seconds: now + seconds)
        clock.advance(8)

    assert study.trials[0].user_attrs["seconds"] == pytest.approx(11, abs=0.2)
