"""A search whose storage is PostgreSQL: a real server from Debian's package, started for the tests."""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import optuna
import pytest

from benchmark.training.progress import Progress
from benchmark.tuning.plan import SearchOptions
from benchmark.tuning.worker import spend_budget
from tests.helpers.facts import assert_names, error_lines
from tests.helpers.in_process import states

pytestmark = [pytest.mark.postgres, pytest.mark.process]

PATIENCE = 60  # seconds after which a server that does not answer counts as hanging


def programs() -> Path:
    """Debian's newest; they are not on the PATH."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not found:
        if os.environ.get("CI"):
            pytest.fail("PostgreSQL is not installed: .ci/run does it")
        pytest.skip("PostgreSQL is not installed: apt-get install postgresql")
    return found[-1].parent


def as_postgres(*command: str | Path) -> Sequence[str]:
    """PostgreSQL refuses to be run by root."""
    own = [str(part) for part in command]
    return ["runuser", "-u", "postgres", "--", *own] if os.geteuid() == 0 else own


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """URL of a database in a server of its own, which listens on a socket in its folder alone."""
    bin_dir = programs()
    # Not pytest's folder: its parents let nobody but their owner in.
    folder = Path(subprocess.check_output(as_postgres("mktemp", "-d"), text=True).strip())
    data = folder / "data"
    subprocess.check_output(as_postgres(bin_dir / "initdb", "-D", data, "-U", "tuner", "--auth=trust"), cwd="/")
    process = subprocess.Popen(
        as_postgres(bin_dir / "postgres", "-D", data, "-k", folder, "-c", "listen_addresses=", "-c", "fsync=off"),
        cwd="/",
        stderr=subprocess.DEVNULL,
    )
    ready = as_postgres(bin_dir / "pg_isready", "-h", folder, "-U", "tuner", "-q")
    deadline = time.monotonic() + PATIENCE
    while subprocess.run(ready, check=False, cwd="/").returncode != 0:
        assert process.poll() is None, "the server ended"
        assert time.monotonic() < deadline, "the server does not answer"
    yield f"postgresql+psycopg://tuner@/postgres?host={folder}"
    subprocess.check_output(as_postgres(bin_dir / "pg_ctl", "-D", data, "stop", "-m", "fast"), cwd="/")
    process.wait(PATIENCE)
    shutil.rmtree(folder)


def test_a_search_is_stored_there_resumed_and_shown(server, scripted, call):
    made = scripted()
    for trials in (1, 2):
        options = SearchOptions(server, trials)
        spend_budget(made.plan(), options, made.workspace, "parent", Progress())

    assert states(optuna.load_study(study_name=made.plan().name, storage=server)) == ["COMPLETE"] * 2
    assert not (made.folder / "optuna.db").exists()
    status, out, err = call("study", "rnn", "--storage", server)
    assert (status, err) == (0, "")
    assert "2 complete" in out


def test_a_missing_server_is_reported_without_the_password(tmp_path, call, monkeypatch):
    monkeypatch.chdir(tmp_path)
    status, _, err = call("study", "rnn", "--storage", "postgresql+psycopg://me:secret@127.0.0.1:1/none")

    assert status == 2
    [line] = error_lines(err)
    assert_names(line, "--storage postgresql+psycopg://127.0.0.1:1/none")
    assert "secret" not in line
