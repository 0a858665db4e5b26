"""Trials that fail, are interrupted or killed: recognized, tried again, billed for their work alone."""

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import optuna
import pytest
from mlflow import MlflowClient
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, TrialState

from benchmark.experiment import run as runner
from benchmark.tracking.lock import hold, local_lock, lock_name
from benchmark.tracking.mlflow_tracker import MlflowTracker
from benchmark.tracking.records import Status
from benchmark.training.trainer import Trainer
from benchmark.tuning import objective
from benchmark.tuning.study import MOST_RETRIES, OWN, fail_killed, retry, seconds_spent, trial_seconds
from tests.helpers.in_process import scripted_trial, states

# `open_storage` switches this warning off.
pytestmark = pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")


@pytest.fixture
def lock(tmp_path) -> str:
    """Name of a dead worker's lock."""
    with hold(tmp_path / "worker.lock"):
        pass
    return lock_name(tmp_path / "worker.lock")


def test_a_failed_trial_does_not_count_and_its_settings_are_tried_again(scripted, monkeypatch):
    made = scripted()
    with monkeypatch.context() as broken:
        broken.setattr(objective, "run_trial", lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            made.study(trials=1)
    assert made.recorded()[0].error.startswith("ZeroDivisionError: ")
    study = made.study(trials=1)

    assert made.ends() == [("FAILED", "FAIL"), ("FINISHED", "COMPLETE")]
    assert states(study) == ["FAIL", "COMPLETE"]
    assert study.trials[1].params == study.trials[0].params == study.user_attrs[OWN]


class TestAnInterruptedTrial:
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
        assert states(made.stored()) == ["FAIL", "WAITING"]  # so another worker may take it
        assert made.stored().trials[0].user_attrs["seconds"] > 0
        return made, seen

    @pytest.mark.parametrize(("conditions", "epochs"), [("the same", {2}), ("others", {1, 2})])
    def test_is_tried_again_and_resumed_under_equal_conditions(self, interrupted, monkeypatch, conditions, epochs):
        made, seen = interrupted
        if conditions == "others":
            monkeypatch.setattr(runner, "resume_conditions", lambda machine: {"torch": "another"})
        study = made.study(trials=1)

        assert states(study) == ["FAIL", "COMPLETE"]
        assert study.trials[1].params == study.trials[0].params
        assert set(seen) == epochs
        assert made.ends() == [("KILLED", "FAIL"), ("FINISHED", "COMPLETE")]
        assert ["interrupted" in run.error for run in made.recorded()] == [True, False]

    def test_is_not_trained_again_if_it_came_right_after_the_last_write(self, searching, monkeypatch):
        made, finish = searching(), MlflowTracker.finish

        def interrupted_afterwards(tracker, status, error=""):
            finish(tracker, status, error)
            if status is Status.FINISHED:
                raise KeyboardInterrupt

        with monkeypatch.context() as pressed:
            pressed.setattr(MlflowTracker, "finish", interrupted_afterwards)
            with pytest.raises(KeyboardInterrupt):
                made.study(trials=1)
        assert made.ends() == [("KILLED", "FAIL")]

        monkeypatch.setattr(Trainer, "_train_step", lambda *_: pytest.fail("trained again"))
        assert states(made.study(trials=1)) == ["FAIL", "COMPLETE"]
        assert list((made.folder / ".benchmark" / "checkpoints").iterdir()) == []


class TestATrialWhoseHeartbeatStopped:
    """As on a laptop that slept: another worker has counted the trial as dead and enqueued its settings again."""

    @pytest.fixture
    def searched(self, searching, monkeypatch):
        def make(when: Callable[[Callable[[], object]], object]):
            made = searching()

            def outlived(*given, **named):
                study = made.stored()
                if len(study.trials) > 1:
                    return scripted_trial(*given, **named)
                study.tell(0, state=TrialState.FAIL)
                retry(study, study.trials[0], killed=True)
                return when(lambda: scripted_trial(*given, **named))

            monkeypatch.setattr(objective, "run_trial", outlived)
            return made, made.study(trials=2)

        return make

    @pytest.mark.parametrize("ended", ["in training", "with a failure of its own"])
    def test_is_left_to_the_worker_that_tries_it_again(self, searched, ended):
        made, study = searched((lambda train: train()) if ended == "in training" else (lambda _: 1 / 0))

        assert states(study) == ["FAIL", "COMPLETE", "COMPLETE"]
        assert study.trials[1].params == study.trials[0].params == study.user_attrs[OWN]
        assert [state for _, state in made.ends()] == ["FAIL", "COMPLETE", "COMPLETE"]
        assert made.recorded()[0].status in {"KILLED", "FAILED"}

    def test_on_another_host_ends_with_its_run(self, scripted, monkeypatch):
        made = scripted()
        study = made.study(trials=1)
        tracker = made.store.start_run("quick", "elsewhere", {"benchmark.kind": "trial"})
        begin(study, "elsewhere:/a/worker.lock", mlflow_run_id=tracker.run_id)
        silent = [study.trials[1]._trial_id]
        monkeypatch.setattr(RDBStorage, "_get_stale_trial_ids", lambda *_: [silent.pop()] if silent else [])

        assert states(made.study(trials=2)) == ["COMPLETE", "FAIL", "COMPLETE"]
        run = made.store.run(tracker.run_id)
        assert (run.status, run.tags["optuna.state"]) == ("KILLED", "FAIL")


@pytest.mark.parametrize("run", ["finished", "deleted"])
def test_a_killed_trial_has_a_killed_run_even_if_that_said_finished(scripted, lock, run):
    made = scripted()
    study = made.study(trials=1)
    run_id = made.recorded()[0].run_id
    begin(study, lock, mlflow_run_id=run_id)
    if run == "deleted":
        MlflowClient(made.store.uri).delete_run(run_id)

    assert states(made.study(trials=2)) == ["COMPLETE", "FAIL", "COMPLETE"]
    assert made.ends() == [("KILLED", "FAIL"), ("FINISHED", "COMPLETE")][run == "deleted" :]


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


def recover(study) -> None:
    fail_killed(study, lambda study, trial: retry(study, trial, killed=True), Path("nowhere"))


class TestATrialWhoseWorkerWasKilled:
    def test_is_tried_again_unless_the_worker_lives_or_is_on_another_host(self, study, lock, tmp_path):
        begin(study, lock, ago=100_000)
        begin(study, "elsewhere:/a/worker.lock", ago=100_000)
        with hold(local_lock(lock, tmp_path)):
            recover(study)
        assert states(study) == ["RUNNING", "RUNNING"]

        recover(study)
        assert states(study) == ["FAIL", "RUNNING", "WAITING"]

    @pytest.mark.parametrize(("ago", "expected"), [(5, ["RUNNING"]), (100, ["FAIL", "WAITING"])])
    def test_has_a_minute_to_name_its_worker(self, study, ago, expected):
        begin(study, ago=ago)
        recover(study)

        assert states(study) == expected

    def test_is_given_up_when_it_was_killed_too_often_but_interruptions_do_not_count(self, study, lock):
        for _ in range(MOST_RETRIES + 1):
            trial = study.ask()
            study.tell(trial.number, state=TrialState.FAIL)
            retry(study, study.trials[-1], killed=False)
        for _ in range(MOST_RETRIES + 1):
            assert states(study)[-1] == "WAITING"
            study.ask().set_user_attr("lock", lock)
            recover(study)

        assert set(states(study)) == {"FAIL"}

    def test_is_billed_for_its_work_and_not_for_the_time_until_it_was_noticed(self, study, lock):
        begin(study, lock, ago=100_000, seconds=12.5)
        begin(study, ago=100_000)
        recover(study)

        assert [trial_seconds(trial) for trial in study.trials[:2]] == [12.5, 0.0]
        assert seconds_spent(study.trials) == 12.5
