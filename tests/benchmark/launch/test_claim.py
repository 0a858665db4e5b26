"""Claims on runs: what is left to do, and that the end is recorded however the work ends."""

from dataclasses import replace
from pathlib import Path

import pytest
from mlflow import MlflowClient

from benchmark.config.load import load_suite
from benchmark.launch.claim import Claims
from benchmark.launch.recovery import reconcile
from benchmark.plan.plan import make_plan
from benchmark.tracking import tags
from benchmark.tracking.lock import hold
from benchmark.tracking.records import Status
from tests.helpers.facts import assert_names
from tests.helpers.recorded import NOWHERE, Made


@pytest.fixture
def planned(write_config):
    return next(iter(make_plan(load_suite(write_config(), "quick"), NOWHERE).runs))


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def claims(store, tmp_path, said) -> Claims:
    workspace = replace(NOWHERE, tracking_uri=store.uri, cache_dir=tmp_path / ".benchmark")
    return Claims(store, workspace, said.append, parent_id="a plan")


def made(planned, store, **changes):
    return Made(experiment="rnn", fingerprint=planned.fingerprint, **changes).record(store)


def make_checkpoint(claims, planned) -> Path:
    folder = claims.workspace.checkpoint_dir(planned.identity)
    (folder / "step-000000001").mkdir(parents=True)
    return folder


def test_a_finished_run_is_nested_in_the_plan_that_uses_it_and_its_leftover_checkpoint_removed(claims, planned, store):
    finished, leftover = made(planned, store), make_checkpoint(claims, planned)

    with claims.claim(planned) as run:
        assert (run.state, run.record.run_id) == ("finished", finished.run_id)

    assert store.run(finished.run_id).tags[tags.PARENT] == "a plan"
    assert not leftover.exists()


def test_a_failed_run_is_resumed_and_a_killed_worker_recorded(claims, planned, store, said):
    failed = made(planned, store, status=Status.FAILED, error="boom")
    make_checkpoint(claims, planned)

    with claims.claim(planned) as run:
        now = store.run(failed.run_id)
        assert (run.state, run.record.run_id) == ("open", failed.run_id)
        assert (now.status, now.error, now.tags[tags.PARENT]) == (Status.RUNNING, "", "a plan")
        run.exit_status = -9

    assert (run.record.run_id, run.record.status, said) == (failed.run_id, Status.FAILED, [])
    assert_names(run.record.error, "signal 9")


def test_a_run_without_its_checkpoint_is_superseded_and_an_interruption_recorded(claims, planned, store, said):
    lost = made(planned, store, status=Status.KILLED)

    def interrupted() -> None:
        with claims.claim(planned) as run:
            assert (run.state, run.record.run_id != lost.run_id) == ("open", True)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()

    assert_names(said[0], "rnn seed 1", lost.run_id)
    assert store.run(lost.run_id).tags[tags.KIND] == tags.SUPERSEDED
    assert [run.status for run in store.runs("quick")] == [Status.KILLED]


def test_a_run_of_another_host_is_left_alone_unless_it_is_to_be_fresh(claims, planned, store):
    labels = claims._labels(planned) | {tags.LOCK: "another-host:/its/lock"}
    other = store.start_run("quick", "rnn seed 1", labels).run_id

    with claims.claim(planned) as run:
        assert run.state == "busy"
    assert_names(run.record.error, "another-host:/its/lock", "--fresh")
    assert store.run(other).status is Status.RUNNING

    with replace(claims, fresh=True).claim(planned) as run:
        assert (run.state, run.record.run_id != other) == ("open", True)
    closed = store.run(other)
    assert (closed.tags[tags.KIND], closed.status) == (tags.SUPERSEDED, Status.KILLED)


def test_a_run_killed_under_another_host_name_is_closed_by_fresh_alone(claims, planned, store, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr("socket.gethostname", lambda: "a-container")
        killed = store.start_run("quick", "rnn seed 1", claims._labels(planned)).run_id
    reconcile(store, "quick", lambda _: pytest.fail("touched"), claims.workspace.locks)

    with claims.claim(planned) as run:
        assert run.state == "busy"
    assert_names(run.record.error, "a-container", "--fresh")
    with replace(claims, fresh=True).claim(planned) as run:
        assert run.state == "open"

    assert (store.run(killed).status, store.run(killed).tags[tags.KIND]) == (Status.KILLED, tags.SUPERSEDED)


@pytest.mark.parametrize("reconciled", [False, True])
def test_a_killed_run_is_resumed_after_its_folder_was_moved(claims, planned, store, tmp_path, said, reconciled):
    make_checkpoint(claims, planned)
    killed = store.start_run("quick", "rnn seed 1", claims._labels(planned))
    killed.log_metrics({"val/loss": 0.5}, step=1)
    moved = replace(claims, workspace=replace(claims.workspace, cache_dir=tmp_path / "moved"))
    claims.workspace.cache_dir.rename(tmp_path / "moved")

    with hold(moved.workspace.lock(planned.identity)):
        reconcile(store, "quick", lambda _: pytest.fail("touched"), moved.workspace.locks)
    if reconciled:
        reconcile(store, "quick", said.append, moved.workspace.locks)
        assert store.run(killed.run_id).status is Status.KILLED
    with moved.claim(planned) as run:
        assert (run.state, run.record.run_id) == ("open", killed.run_id)


def test_a_run_never_says_running_without_the_lock_of_who_resumes_it(claims, planned, store, monkeypatch):
    """Else another host, that of its last lock, would take it for killed."""
    run_id = made(planned, store, status=Status.KILLED, tags={tags.LOCK: "another-host:/its/lock"}).run_id
    make_checkpoint(claims, planned)
    update, held = MlflowClient.update_run, []

    def watched(*arguments, **named):
        update(*arguments, **named)
        held.append(store.run(run_id).lock)

    monkeypatch.setattr(MlflowClient, "update_run", watched)
    with claims.claim(planned) as run:
        assert run.record.run_id == run_id

    assert held == [claims._labels(planned)[tags.LOCK]]
