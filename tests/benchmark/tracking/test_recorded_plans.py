"""Plans written to a real MLflow store on disk and read back."""

import json

import pytest

from benchmark.config.load import load_suite
from benchmark.plan.plan import make_plan
from benchmark.tracking.client import TrackingError
from benchmark.tracking.records import PlanRecord, Status
from benchmark.tracking.store import TrackingStore
from benchmark.tracking.tags import experiment_name
from tests.helpers.facts import assert_names
from tests.helpers.kept import plan_file, plan_of, start
from tests.helpers.recorded import NOWHERE


def latest(store, profile="quick") -> PlanRecord:
    """Of the plan used last."""
    return store.plan(store.plans(profile)[0])


def test_a_plan_says_which_of_its_models_is_the_baseline(write_config):
    config = write_config(profiles={"quick": {"experiments": ["lstm", "bow"]}})
    plan = make_plan(load_suite(config), NOWHERE).record

    assert [(row.experiment, row.baseline) for row in plan.rows] == [("lstm", False), ("bow", True)]
    assert PlanRecord.from_json(json.loads(json.dumps(plan.to_json()))) == plan


def test_a_plan_of_before_there_were_baselines_is_read_as_one_without(store, client, parent):
    content = json.loads(plan_file(client, parent).read_text())
    for row in content["rows"]:
        del row["baseline"]
    plan_file(client, parent).write_text(json.dumps(content))

    assert latest(store) == plan_of()


def test_a_plan_stands_in_the_store_before_any_run(store, client, parent):
    run = client.get_run(parent)

    assert run.info.status == "RUNNING"
    assert_names(run.info.run_name, "plan", "quick")
    assert run.data.tags["benchmark.kind"] == "plan"
    assert run.data.tags["mlflow.note.content"] == plan_of().describe()
    assert json.loads(plan_file(client, parent).read_text())["seeds"] == [1, 2]
    assert latest(store) == plan_of()


def test_the_same_plan_is_reopened_and_not_doubled(store, client, parent, store_uri, tmp_path):
    store.close_plan(parent, Status.SCHEDULED)
    assert client.get_run(parent).info.status == "SCHEDULED"

    assert TrackingStore(store_uri, tmp_path / "cache").open_plan(plan_of()) == parent
    assert client.get_run(parent).info.status == "RUNNING"
    [experiment] = [e for e in client.search_experiments() if e.name == experiment_name("quick")]
    assert len(client.search_runs([experiment.experiment_id])) == 1


@pytest.mark.usefixtures("clock")
def test_the_latest_plan_is_the_one_used_last(store):
    older, newer = plan_of(seeds=(1,)), plan_of(seeds=(2,))
    assert store.open_plan(older) != store.open_plan(newer)
    assert latest(store) == newer

    store.open_plan(older)

    assert latest(store) == older


def test_profiles_do_not_see_each_other(store):
    assert store.plans("quick") == []
    assert store.runs("quick") == []
    store.open_plan(plan_of("quick"))
    parent = store.open_plan(plan_of("paper"))
    start(store, parent, profile="paper")

    assert latest(store) == plan_of("quick")
    assert store.runs("quick") == []
    assert len(store.runs("paper")) == 1


def test_a_damaged_plan_is_reported_in_one_line(store, client, parent):
    path = plan_file(client, parent)
    stated = json.loads(path.read_text())
    damaged = [b"{", b"\xff", b"null", b"[]", b"{}", b'{"rows": [3]}', b'{"rows": [{"x": 1}]}', b'{"rows": []}']
    for content in [*damaged, json.dumps({**stated, "colour": "red"}).encode()]:
        path.write_bytes(content)
        with pytest.raises(TrackingError) as caught:
            latest(store)

        assert_names(caught, "plan.json", parent, *(["colour"] if b"colour" in content else []))
        assert "\n" not in str(caught.value)


def test_a_lost_plan_is_reported_and_written_by_reopening_it(store, client, parent):
    plan_file(client, parent).unlink()

    with pytest.raises(TrackingError) as caught:
        latest(store)
    assert_names(caught, "plan.json", parent)

    store.open_plan(plan_of())
    assert latest(store) == plan_of()


def test_a_deleted_experiment_is_reported_with_the_command_that_restores_it(store, client, parent):
    number = client.get_run(parent).info.experiment_id
    client.delete_experiment(number)

    for read_or_write in (store.runs, store.plans, lambda _: store.open_plan(plan_of())):
        with pytest.raises(TrackingError) as caught:
            read_or_write("quick")
        assert_names(caught, f"restore --experiment-id {number}`")


class TestSeedsOfARow:
    def test_are_recorded_where_they_are_not_all_of_the_plan_and_read_back(self, write_config):
        config = write_config(profiles={"quick": {"overrides": {"lstm": {"seeds": [4, 1]}}}})
        plan = make_plan(load_suite(config), NOWHERE).record
        content = json.loads(json.dumps(plan.to_json()))

        assert content["seeds"] == [1, 4]
        assert [row.get("seeds") for row in content["rows"]] == [[1], [4, 1], [1], [1]]
        assert PlanRecord.from_json(content) == plan
        assert plan.wanted == [
            *((row.fingerprint, seed) for row in plan.rows for seed in ((4, 1) if row.experiment == "lstm" else (1,)))
        ]
        assert_names(plan.describe(), "seeds 1, 4; rnn 1; lstm 4, 1; bert-frozen 1; bert-finetuned 1.")

    def test_that_are_all_of_the_plan_leave_its_record_and_fingerprint_as_they_were(self, write_config):
        overrides = {name: {"seeds": [1, 2]} for name in ("rnn", "lstm", "bert-frozen", "bert-finetuned")}
        written = (
            {"quick": {"seeds": [1, 2]}},
            {"quick": {"seeds": [9], "overrides": overrides}},
        )
        first, second = (make_plan(load_suite(write_config(profiles=each)), NOWHERE).record for each in written)

        assert first == second
        assert not [row for row in first.to_json()["rows"] if "seeds" in row]
        assert plan_of().fingerprint == "0b20fbc885f28f5b"
