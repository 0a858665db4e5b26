"""Cache entries and checkpoints, whole, damaged and left behind."""

import pytest

from benchmark.doctor.cache import checkpoint_findings, entry_findings
from benchmark.doctor.store import look_at_store
from benchmark.records import Status
from benchmark.run_lock import hold
from tests.helpers.examined import FINGERPRINT, save_checkpoints, spoil, told

KINDS = ["tokens", "features", "corpora", "vocabularies"]


def test_each_kind_of_entry_is_told_with_what_it_takes(cache):
    found = told(entry_findings(cache))

    assert [(level, text.split(",")[0]) for level, text in found[:-1]] == [("ok", f"{kind}: 1 entry") for kind in KINDS]
    assert found[-1][1].startswith(f"{cache}: 0.0 MiB in all")


@pytest.mark.parametrize("kind", KINDS)
def test_a_damaged_entry_is_named(cache, kind):
    spoil(cache / kind)

    found = told(entry_findings(cache))

    ((level, text),) = [line for line in found if line[0] != "ok"]
    assert level == "problem"
    assert text.startswith(f"{kind}: 1 entry")
    assert f"{next(path for path in (cache / kind).iterdir() if path.is_dir())} is damaged (" in text
    assert text.endswith("the next run that needs it makes it again; look after the disk")


@pytest.mark.parametrize("kind", KINDS)
def test_an_entry_that_lacks_its_files_is_damaged(cache, kind):
    (cache / kind / "empty").mkdir()

    assert [text for level, text in told(entry_findings(cache)) if level == "problem" and "2 entries" in text]


def test_an_entry_that_was_left_unfinished_is_a_note(cache):
    path = cache / "features" / "other.unfinished"
    path.mkdir()
    (path / "features.npy").write_bytes(bytes(2**20))

    notes = [text for level, text in told(entry_findings(cache)) if level == "note"]

    assert len(notes) == 1
    assert notes[0].startswith(f"{path}, 1.0 MiB: left unfinished")


def test_an_entry_that_is_being_made_is_not_told(cache):
    (cache / "features" / "other.unfinished").mkdir()
    with hold(cache / "features" / "other.lock"):
        assert all(level == "ok" for level, _ in told(entry_findings(cache)))


def test_without_checkpoints_there_is_nothing_to_tell(workspace):
    assert told(checkpoint_findings(workspace, ())) == [("ok", "none")]


def test_the_checkpoints_of_an_unfinished_run_are_in_order(start, store_uri, workspace):
    start().finish(Status.KILLED)
    folder = save_checkpoints(workspace, f"run-{FINGERPRINT}-1", 10, 20)

    found = told(checkpoint_findings(workspace, look_at_store(store_uri).runs))

    assert found == [("ok", f"{folder}, 0.0 MiB: `run` goes on after step 20")]


def test_those_of_an_interrupted_trial_are_tunes(start, store_uri, workspace):
    start("trial").finish(Status.KILLED)
    save_checkpoints(workspace, f"trial-{FINGERPRINT}-1", 10)

    ((level, text),) = told(checkpoint_findings(workspace, look_at_store(store_uri).runs))

    assert (level, text.partition(": ")[2]) == ("ok", "`tune` goes on after step 10")


def test_a_damaged_checkpoint_is_named(start, store_uri, workspace):
    start().finish(Status.KILLED)
    folder = save_checkpoints(workspace, f"run-{FINGERPRINT}-1", 10, 20)
    spoil(folder / "step-000000020")

    ((level, text),) = told(checkpoint_findings(workspace, look_at_store(store_uri).runs))

    assert level == "problem"
    assert f"{folder / 'step-000000020'} is damaged" in text
    assert "`run` goes on after the one before" in text


@pytest.mark.parametrize("kind", ["run", "reproduction"])
def test_checkpoints_that_nobody_goes_on_with_are_a_note(start, store_uri, workspace, kind):
    start(kind).finish(Status.FINISHED if kind == "run" else Status.KILLED)
    save_checkpoints(workspace, f"{kind}-{FINGERPRINT}-1", 10)

    ((level, text),) = told(checkpoint_findings(workspace, look_at_store(store_uri).runs))

    assert level == "note"
    assert "of no unfinished run or trial in this store; remove the folder" in text


def test_where_the_store_cannot_be_read_nobody_says_that_checkpoints_are_not_needed(workspace):
    save_checkpoints(workspace, f"run-{FINGERPRINT}-1", 10)

    assert [level for level, _ in told(checkpoint_findings(workspace, None))] == ["ok"]


def test_the_checkpoints_of_a_run_at_work_are_left_alone(workspace):
    folder = save_checkpoints(workspace, f"run-{FINGERPRINT}-1", 10)
    spoil(folder)
    with hold(workspace.lock(f"run-{FINGERPRINT}-1")):
        ((level, text),) = told(checkpoint_findings(workspace, ()))

    assert level == "ok"
    assert text.endswith("a process is at work on this run")
