"""Cache entries and checkpoints, whole and left behind."""

import pytest

from benchmark.doctor.cache import checkpoint_findings, entry_findings
from benchmark.doctor.finding import NOTE, OK
from benchmark.doctor.store import check_store
from benchmark.tracking.lock import hold
from benchmark.tracking.records import Status
from tests.helpers.examined import FINGERPRINT, save_checkpoints
from tests.helpers.facts import assert_names

KINDS = ["tokens", "features", "corpora", "vocabularies"]


def test_entries_are_counted_and_one_left_unfinished_is_a_note_unless_it_is_being_made(cache):
    *found, total = entry_findings(cache)
    (note,) = [text for level, text in found if level == NOTE]
    assert [text.split(",")[0] for level, text in found if level == OK] == [f"{kind}: 1 entries" for kind in KINDS]
    assert_names(total.text, cache, "5.0 MiB")
    assert_names(note, cache / "features" / "other.unfinished", "1.0 MiB")

    with hold(cache / "features" / "other.lock"):
        assert all(level == OK for level, _ in entry_findings(cache))


@pytest.mark.parametrize(
    ("kind", "status", "level", "facts"),
    [
        ("run", Status.KILLED, OK, ("`run`", "step 20")),
        ("trial", Status.KILLED, OK, ("`tune`", "step 20")),
        ("run", Status.FINISHED, NOTE, ("remove",)),
        ("reproduction", Status.KILLED, NOTE, ("remove",)),
    ],
)
def test_checkpoints_are_in_order_if_their_run_can_be_resumed(start, store_uri, workspace, kind, status, level, facts):
    start(kind).finish(status)
    folder = save_checkpoints(workspace, f"{kind}-{FINGERPRINT}-1", 10, 20)

    ((found, text),) = checkpoint_findings(workspace, check_store(store_uri)[1])

    assert found == level
    assert_names(text, folder, "KiB", *facts)


def test_checkpoints_are_not_reported_as_left_over_where_the_store_is_unknown_or_a_process_is_at_work(workspace):
    assert [text for _, text in checkpoint_findings(workspace, [])] == ["none"]
    save_checkpoints(workspace, f"run-{FINGERPRINT}-1", 10)

    assert [level for level, _ in checkpoint_findings(workspace, None)] == [OK]
    with hold(workspace.lock(f"run-{FINGERPRINT}-1")):
        ((level, text),) = checkpoint_findings(workspace, [])
    assert level == OK
    assert "process" in text
