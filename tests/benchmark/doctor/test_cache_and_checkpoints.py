"""Cache entries and checkpoints, whole, damaged and left behind."""

import pytest

from benchmark.doctor.cache import checkpoint_findings, entry_findings
from benchmark.doctor.store import look_at_store
from benchmark.tracking.lock import hold
from benchmark.tracking.records import Status
from tests.helpers.examined import FINGERPRINT, reported, save_checkpoints, spoil
from tests.helpers.facts import assert_names

KINDS = ["tokens", "features", "corpora", "vocabularies"]


def test_each_kind_of_entry_is_reported_with_what_it_takes(cache):
    found = reported(entry_findings(cache))

    assert [(level, text.split(",")[0]) for level, text in found[:-1]] == [("ok", f"{kind}: 1 entry") for kind in KINDS]
    assert_names(found[-1][1], f"{cache}: ", "0.0 MiB")


@pytest.mark.parametrize("kind", KINDS)
def test_an_entry_that_is_damaged_or_lacks_its_files_is_a_problem(cache, kind):
    spoil(cache / kind)

    ((level, text),) = [line for line in reported(entry_findings(cache)) if line[0] != "ok"]
    assert level == "problem"
    assert_names(text, f"{kind}: 1 entry", next(path for path in (cache / kind).iterdir() if path.is_dir()), "damaged")

    (cache / kind / "empty").mkdir()
    assert [text for level, text in reported(entry_findings(cache)) if level == "problem" and "2 entries" in text]


def test_an_entry_that_was_left_unfinished_is_a_note_but_one_that_is_being_made_is_not(cache):
    path = cache / "features" / "other.unfinished"
    path.mkdir()
    (path / "features.npy").write_bytes(bytes(2**20))

    (note,) = [text for level, text in reported(entry_findings(cache)) if level == "note"]
    assert_names(note, path, "1.0 MiB", "unfinished")

    with hold(cache / "features" / "other.lock"):
        assert all(level == "ok" for level, _ in reported(entry_findings(cache)))


@pytest.mark.parametrize(
    ("kind", "status", "level", "facts"),
    [
        ("run", Status.KILLED, "ok", ("`run`", "step 20")),
        ("trial", Status.KILLED, "ok", ("`tune`", "step 20")),
        ("run", Status.FINISHED, "note", ("remove",)),
        ("reproduction", Status.KILLED, "note", ("remove",)),
    ],
)
def test_checkpoints_are_in_order_if_their_run_can_be_resumed(start, store_uri, workspace, kind, status, level, facts):
    start(kind).finish(status)
    folder = save_checkpoints(workspace, f"{kind}-{FINGERPRINT}-1", 10, 20)

    ((found, text),) = reported(checkpoint_findings(workspace, look_at_store(store_uri).runs))

    assert found == level
    assert_names(text, folder, "0.0 MiB", *facts)


def test_a_damaged_checkpoint_is_named(start, store_uri, workspace):
    start().finish(Status.KILLED)
    folder = save_checkpoints(workspace, f"run-{FINGERPRINT}-1", 10, 20)
    spoil(folder / "step-000000020")

    ((level, text),) = reported(checkpoint_findings(workspace, look_at_store(store_uri).runs))

    assert level == "problem"
    assert_names(text, folder / "step-000000020", "damaged", "`run`")


def test_checkpoints_are_not_reported_as_left_over_where_there_are_none_or_the_store_cannot_be_read(workspace):
    assert reported(checkpoint_findings(workspace, ())) == [("ok", "none")]
    save_checkpoints(workspace, f"run-{FINGERPRINT}-1", 10)

    assert [level for level, _ in reported(checkpoint_findings(workspace, None))] == ["ok"]


def test_the_checkpoints_of_a_run_at_work_are_left_alone(workspace):
    spoil(save_checkpoints(workspace, f"run-{FINGERPRINT}-1", 10))
    with hold(workspace.lock(f"run-{FINGERPRINT}-1")):
        ((level, text),) = reported(checkpoint_findings(workspace, ()))

    assert level == "ok"
    assert "process" in text
