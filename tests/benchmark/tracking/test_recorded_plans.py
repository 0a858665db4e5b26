"""Plans written to a real MLflow store on disk and read back."""

import json

import pytest

from benchmark.config_file import load_suite
from benchmark.plan import make_plan
from benchmark.records import PlanRecord, Status
from benchmark.tracking.client import TrackingError
from benchmark.tracking.store import TrackingStore
from benchmark.tracking.tags import experiment_name
from tests.helpers.kept import plan_file, plan_of, start
from tests.helpers.recorded import NOWHERE


def test_a_plan_is_read_back_as_it_was_written(store):
    store.open_plan(plan_of())

    assert store.latest_plan("quick") == plan_of()


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

    assert store.latest_plan("quick") == plan_of()


def test_a_plan_stands_in_the_store_before_any_run(store, client, parent):
    run = client.get_run(parent)

    assert run.info.status == "RUNNING"
    assert run.info.run_name == "plan: 2 models x 2 seeds"
    assert run.data.tags["benchmark.kind"] == "plan"
    assert run.data.tags["mlflow.note.content"] == plan_of().describe()
    assert json.loads(plan_file(client, parent).read_text())["seeds"] == [1, 2]


def test_the_same_plan_is_reopened_and_not_doubled(store, client, parent):
    store.close_plan(parent, Status.FINISHED)

    assert store.open_plan(plan_of()) == parent
    assert client.get_run(parent).info.status == "RUNNING"
    [experiment] = [e for e in client.search_experiments() if e.name == experiment_name("quick")]
    assert len(client.search_runs([experiment.experiment_id])) == 1


def test_another_process_finds_the_plan_too(store, parent, store_uri, tmp_path):
    assert TrackingStore(store_uri, tmp_path / "cache").open_plan(plan_of()) == parent


def test_another_plan_is_another_parent_run(store, parent):
    assert store.open_plan(plan_of(seeds=(3,))) != parent


def test_a_closed_plan_has_its_status(store, client, parent):
    store.close_plan(parent, Status.SCHEDULED)

    assert client.get_run(parent).info.status == "SCHEDULED"


@pytest.mark.usefixtures("clock")
def test_the_latest_plan_is_the_one_used_last(store):
    older, newer = plan_of(seeds=(1,)), plan_of(seeds=(2,))
    store.open_plan(older)
    store.open_plan(newer)
    assert store.latest_plan("quick") == newer

    store.open_plan(older)

    assert store.latest_plan("quick") == older


def test_profiles_do_not_see_each_other(store):
    store.open_plan(plan_of("quick"))
    parent = store.open_plan(plan_of("paper"))
    start(store, parent, profile="paper")

    assert store.latest_plan("quick") == plan_of("quick")
    assert store.runs("quick") == []
    assert len(store.runs("paper")) == 1


def test_an_empty_store_has_neither_plan_nor_runs(store):
    assert store.latest_plan("quick") is None
    assert store.runs("quick") == []


@pytest.mark.parametrize(
    "content", [b"{", b"\xff", b"null", b"[]", b"{}", b'{"rows": [3]}', b'{"rows": [{"x": 1}]}', b'{"rows": []}']
)
def test_a_damaged_plan_is_told_in_one_line(store, client, parent, content):
    plan_file(client, parent).write_bytes(content)

    with pytest.raises(TrackingError, match=rf"plan\.json of run {parent} cannot be read") as caught:
        store.latest_plan("quick")

    assert "\n" not in str(caught.value)


def test_a_plan_of_another_version_is_told_in_one_line(store, client, parent):
    path = plan_file(client, parent)
    path.write_text(json.dumps({**json.loads(path.read_text()), "colour": "red"}))

    with pytest.raises(TrackingError, match=r"not a plan of this version: .*colour"):
        store.latest_plan("quick")


def test_a_lost_plan_is_told_in_one_line(store, client, parent):
    plan_file(client, parent).unlink()

    with pytest.raises(TrackingError, match=rf"plan\.json of run {parent} cannot be read"):
        store.latest_plan("quick")


def test_reopening_a_plan_writes_what_a_killed_process_left_out(store, client, parent):
    plan_file(client, parent).unlink()

    store.open_plan(plan_of())

    assert store.latest_plan("quick") == plan_of()


def test_a_deleted_experiment_is_told_with_the_way_back(store, client, parent):
    number = client.get_run(parent).info.experiment_id
    client.delete_experiment(number)

    for read_or_write in (store.runs, store.latest_plan, lambda _: store.open_plan(plan_of())):
        with pytest.raises(TrackingError, match=rf"was deleted; .*restore --experiment-id {number}`"):
            read_or_write("quick")
