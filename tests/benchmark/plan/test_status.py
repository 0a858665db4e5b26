"""How runs stand, and what is put right of what a kill left; the store is real, the locks are, the runs are made up."""

import shutil
from dataclasses import replace

import pytest
from mlflow import MlflowClient

from benchmark.config.errors import ConfigError
from benchmark.config.load import load_suite
from benchmark.config.tuned import Provenance, TunedSettings
from benchmark.launch.recovery import reconcile
from benchmark.plan.plan import make_plan
from benchmark.plan.status import state_of
from benchmark.plan.workspace import Workspace
from benchmark.tracking import tags
from benchmark.tracking.lock import hold, lock_name
from benchmark.tracking.records import Status
from benchmark.tracking.store import TrackingStore
from benchmark.tracking.tags import run_tags
from tests.helpers.facts import assert_names
from tests.helpers.recorded import NOWHERE


@pytest.fixture
def workspace(store_uri, tmp_path) -> Workspace:
    return Workspace(store_uri, tmp_path / "cache", "cpu")


@pytest.fixture
def plan(write_config):
    return make_plan(load_suite(write_config(), "quick"), NOWHERE)


@pytest.fixture
def planned(plan):
    return plan.runs[0]


@pytest.fixture
def store(workspace) -> TrackingStore:
    return TrackingStore(workspace.tracking_uri, workspace.cache_dir)


@pytest.fixture
def start(store, plan, planned, workspace):
    """`start()` is a run that says RUNNING."""

    def make(lock: str | None = None, kind: str = "run"):
        lock = lock_name(workspace.lock(planned.identity)) if lock is None else lock
        labels = run_tags(
            parent=store.open_plan(plan.record, lock=lock_name(workspace.lock(f"plan-{plan.record.fingerprint}"))),
            experiment="rnn",
            seed=1,
            fingerprint=planned.fingerprint,
            kind=kind,
            lock=lock,
        )
        return store.start_run("quick", "rnn seed 1", labels)

    return make


def stands(store, planned, workspace) -> tuple[str, str]:
    return state_of(next(iter(store.runs("quick")), None), planned, workspace)


class TestStanding:
    def test_what_was_never_begun_is_missing(self, store, planned, workspace):
        state, advice = stands(store, planned, workspace)

        assert state == "missing"
        assert "`run rnn`" in advice

    def test_of_what_is_finished_nothing_is_left_to_do(self, store, start, planned, workspace):
        start().finish(Status.FINISHED)

        assert stands(store, planned, workspace) == ("finished", "")

    def test_a_run_is_running_while_its_lock_is_held_and_then_interrupted(self, store, start, planned, workspace):
        lock = workspace.lock(planned.identity)
        with hold(lock):
            start()
            state, advice = stands(store, planned, workspace)
        assert state == "running"
        assert str(lock) in advice

        state, advice = stands(store, planned, workspace)
        assert state == "interrupted"
        assert "`run rnn`" in advice
        assert "step" not in advice

        (workspace.checkpoint_dir(planned.identity) / "step-000000003").mkdir(parents=True)
        state, advice = stands(store, planned, workspace)
        assert state == "interrupted"
        assert_names(advice, "`run rnn`", "step 3")

    def test_a_failed_run_says_why_and_what_to_do(self, store, start, planned, workspace):
        start().finish(Status.FAILED, "NonFiniteError: loss nan")
        state, advice = stands(store, planned, workspace)

        assert state == "failed"
        assert_names(advice, "NonFiniteError: loss nan", "`run rnn`")


class TestReconcile:
    @pytest.mark.parametrize("kind", ["run", "reproduction"])
    def test_what_a_kill_left_running_is_killed(self, store, start, workspace, kind):
        run_id, said = start(kind=kind).run_id, []
        reconcile(store, "quick", said.append, workspace.locks)

        assert store.run(run_id).status is Status.KILLED
        assert "killed" in store.run(run_id).error
        (line,) = said
        assert_names(line, "rnn seed 1", run_id, "killed")
        assert store.run(store.run(run_id).tags[tags.PARENT]).status is Status.KILLED  # the plan

    def test_the_run_of_another_cache_of_one_path_and_host_is_not_touched(self, store, start, planned, workspace):
        """A second machine of that name has a folder of that path too, or the user has removed the first."""
        run = start()
        shutil.rmtree(workspace.cache_dir)
        lock_name(workspace.lock("another"))
        assert_names(stands(store, planned, workspace)[1], store.run(run.run_id).lock, "`run rnn --fresh`")
        reconcile(store, "quick", lambda _: pytest.fail("touched"), workspace.locks)

        assert store.run(run.run_id).status is Status.RUNNING

    def test_what_is_at_work_is_not_touched(self, store, start, plan, planned, workspace, store_uri):
        with (
            hold(workspace.lock(planned.identity)),
            hold(workspace.lock(f"plan-{plan.record.fingerprint}"), shared=True),
        ):
            run = start()
            run_id, parent = run.run_id, store.run(run.run_id).tags[tags.PARENT]
            reconcile(store, "quick", lambda _: pytest.fail("touched"), workspace.locks)

        assert store.run(run_id).status is Status.RUNNING
        assert MlflowClient(store_uri).get_run(parent).info.status == "RUNNING"

    def test_what_another_host_does_is_running_and_not_touched(self, store, start, planned, workspace):
        run_id = start(lock="another-host:/its/lock").run_id
        assert stands(store, planned, workspace)[0] == "running"
        reconcile(store, "quick", lambda _: pytest.fail("touched"), workspace.locks)

        assert store.run(run_id).status is Status.RUNNING

    def test_what_ends_while_they_are_listed_stays_as_it_ended(self, store, start, plan, workspace, monkeypatch):
        ended = start()
        closed = store.run(ended.run_id).tags[tags.PARENT]
        listed = {kind: store.runs("quick", kind) for kind in ("run", "plan")}
        ended.finish(Status.FINISHED)
        store.close_plan(closed, Status.FINISHED)
        monkeypatch.setattr(TrackingStore, "runs", lambda _, profile, kind, status: listed.get(kind, []))
        reconcile(store, "quick", lambda _: pytest.fail("touched"), workspace.locks)

        assert store.run(ended.run_id).status is Status.FINISHED
        assert store.run(closed).status is Status.FINISHED

    def test_what_has_ended_stays_as_it_ended(self, store, start, workspace):
        ends = {status: start() for status in (Status.FINISHED, Status.FAILED, Status.KILLED)}
        for status, tracker in ends.items():
            tracker.finish(status)
        reconcile(store, "quick", lambda _: pytest.fail("touched"), workspace.locks)

        assert all(store.run(tracker.run_id).status is status for status, tracker in ends.items())

    def test_a_model_that_was_being_logged_is_removed_and_a_whole_one_stays(self, store, start, workspace, store_uri):
        client = MlflowClient(store_uri)
        run_id = start().run_id
        experiment_id = client.get_run(run_id).info.experiment_id
        half, whole = (client.create_logged_model(experiment_id, name=name, source_run_id=run_id) for name in "hw")
        client.finalize_logged_model(whole.model_id, "READY")
        reconcile(store, "quick", lambda _: None, workspace.locks)

        assert [model.model_id for model in client.search_logged_models([experiment_id])] == [whole.model_id]
        assert half.model_id != whole.model_id


def test_tuned_settings_of_another_split_are_refused_for_the_chosen_experiments_alone(write_config):
    found = {
        "trial": 0,
        "value": 0.5,
        "before": None,
        "complete": 1,
        "pruned": 0,
        "seconds": 1.0,
        "data": {},
        "code": {},
    }
    words = dict.fromkeys(["study", "metric", "corpus_fingerprint", "split_fingerprint", "finished"], "another")
    tuned = TunedSettings(profile="quick", experiment="rnn", settings={}, provenance=Provenance(**found, **words))
    suite = replace(load_suite(write_config()), tuned={"rnn": tuned})

    assert make_plan(suite, NOWHERE, ["lstm"]).record.rows[0].tuned["study"] == "another"
    for names in (["lstm", "rnn"], []):
        with pytest.raises(ConfigError) as refused:
            make_plan(suite, NOWHERE, names)
        assert_names(refused, "tuned/quick/rnn.yaml", "`python -m benchmark tune rnn`")
