"""Which of a profile's recorded plans is chosen, by default and by `--plan`."""

import pytest

from benchmark.tracking.client import TrackingError
from benchmark.tracking.plans import choose_plan, default_plan, plan_states
from benchmark.tracking.records import Status
from tests.helpers.facts import assert_names
from tests.helpers.kept import plan_file, plan_of, start

pytestmark = pytest.mark.usefixtures("clock")
SMALL, LARGE = plan_of(seeds=(1,)), plan_of(seeds=(1, 2))


@pytest.fixture
def finish(store):
    def finish(plan, name, rows=2) -> str:
        """Record the plan and finish the runs of so many of its rows."""
        parent = store.open_plan(plan, name)
        for row in plan.rows[:rows]:
            for seed in plan.seeds:
                start(store, parent, seed=seed, fingerprint=row.fingerprint).finish(Status.FINISHED)
        return parent

    return finish


def test_of_complete_plans_the_one_used_last_is_chosen_whatever_was_begun_since(store, finish):
    finish(SMALL, "small")
    finish(LARGE, "large", rows=1)
    entry, plan, _ = choose_plan(store, "quick")
    assert (entry.name, entry.number, entry.count, plan) == ("small", 2, 2, SMALL)

    finish(LARGE, "large")
    entry, plan, runs = choose_plan(store, "quick")
    assert (entry.name, entry.number, plan) == ("large", 1, LARGE)
    assert len(runs) == 8


def test_where_none_is_complete_the_plan_used_last_is_chosen(store, finish):
    finish(SMALL, "small", rows=1)
    finish(LARGE, "large", rows=0)

    assert choose_plan(store, "quick")[1] == LARGE


def test_a_plan_is_named_by_its_name_or_the_beginning_of_its_fingerprint(store, finish):
    for plan, name in ((SMALL, "train_size=300"), (LARGE, "quick")):
        finish(plan, name, rows=0)
        for wanted in (name, plan.fingerprint, plan.fingerprint[:8]):
            entry, found, _ = choose_plan(store, "quick", wanted)
            assert (entry.name, found) == (name, plan)


def test_a_name_of_no_plan_or_of_two_is_refused_with_what_there_is(store, finish):
    finish(SMALL, "quick", rows=0)
    finish(LARGE, "quick", rows=0)

    for wanted, facts in (("quick", [SMALL.fingerprint[:8], LARGE.fingerprint[:8]]), ("nope", ["no plan"])):
        with pytest.raises(TrackingError) as caught:
            choose_plan(store, "quick", wanted)
        assert_names(caught, f"--plan {wanted}", "list", *facts)
        assert len(str(caught.value)) < 200


def test_without_a_plan_or_a_store_the_command_is_named_that_makes_one(store):
    for each in (store, None):
        with pytest.raises(TrackingError) as caught:
            choose_plan(each, "quick")
        assert_names(caught, "'quick'", "`python -m benchmark run all --profile quick`")


def test_plans_are_listed_with_what_is_finished_and_a_damaged_one_too(store, finish, client):
    finish(SMALL, "small")
    plan_file(client, finish(LARGE, "large")).write_text("{")

    assert [
        (each.entry.name, len(each.finished), len(each.wanted), each.complete)
        for each in plan_states(store, "quick", store.runs("quick"))
    ] == [
        ("large", 0, 0, False),
        ("small", 2, 2, True),
    ]


def test_a_plan_that_cannot_be_read_is_passed_over_unless_it_is_named_or_the_only_one(store, finish, client):
    damaged = plan_file(client, finish(SMALL, "small", rows=0))
    finish(LARGE, "large", rows=0)
    newest = plan_file(client, store.open_plan(SMALL, "small"))
    assert newest == damaged
    damaged.write_text("{")

    assert (
        choose_plan(store, "quick")[1] == default_plan(plan_states(store, "quick", store.runs("quick"))).plan == LARGE
    )
    with pytest.raises(TrackingError, match=r"plan\.json"):
        choose_plan(store, "quick", "small")
    plan_file(client, store.plans("quick")[1].run_id).unlink()
    with pytest.raises(TrackingError, match=store.plans("quick")[0].run_id):
        choose_plan(store, "quick")
    assert default_plan(plan_states(store, "quick", store.runs("quick"))) is None


def test_a_plan_that_two_machines_began_at_once_is_listed_once(store, finish, monkeypatch):
    with monkeypatch.context() as unseen:
        unseen.setattr(type(store), "_find", lambda *_: iter(()))
        store.open_plan(SMALL, "small")
        last = store.open_plan(SMALL, "small")
    finish(LARGE, "large", rows=0)

    assert [(each.name, each.number, each.count) for each in store.plans("quick")] == [("large", 1, 2), ("small", 2, 2)]
    assert store.plans("quick")[1].run_id == last
    assert choose_plan(store, "quick", "small")[1] == SMALL


def test_a_plan_on_this_machines_disk_is_read_without_mlflow(store, finish, monkeypatch):
    finish(SMALL, "small")
    monkeypatch.setattr(type(store), "artifact", lambda *_: pytest.fail("downloads"))

    assert choose_plan(store, "quick")[1] == SMALL


def test_a_plan_never_says_running_without_the_lock_of_who_works_on_it(store, client, monkeypatch):
    seen = []

    def watched(method):
        def call(*arguments, **named):
            answer = method(*arguments, **named)
            (run,) = store._find("quick", "tags.`benchmark.kind` = 'plan'")
            seen.append((run.info.status, run.data.tags["benchmark.lock"]))
            return answer

        return call

    for lock in ("host:/first", "host:/second"):
        seen.clear()
        with monkeypatch.context() as patch:
            for name in ("create_run", "set_tag", "update_run"):
                patch.setattr(type(client), name, watched(getattr(type(client), name)))
            parent = store.open_plan(SMALL, lock=lock)
        assert {held for status, held in seen if status == "RUNNING"} == {lock}
        store.close_plan(parent, Status.SCHEDULED)
