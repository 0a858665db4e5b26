"""How processes of ours start: closed descriptors, a user's files that are named like ours, no home, no name."""

import os
import pwd
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

import benchmark
from benchmark.startup import prepare_process, refuse_shadowing, worker_command
from tests.helpers.facts import assert_names
from tests.helpers.shell import ROOT

USELESS = "raise RuntimeError('a file of the user was imported')"
FACTS = """
import os, sys
from pathlib import Path

def main():
    opened = os.open(os.devnull, os.O_RDWR)
    print("printed")
    print("warned", file=sys.stderr)
    Path("facts").write_text(f"{opened} {[os.get_inheritable(each) for each in range(3)]} {sys.stdin.read()!r}")
"""


def call(*command: str, folder: Path, redirect: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    """Call a command as a shell does; an empty value takes a variable out of the environment."""
    values = os.environ | {"PYTHONPATH": str(ROOT)} | environment
    return subprocess.run(
        ["sh", "-c", f'exec "$@" {redirect}', "sh", *command],
        cwd=folder,
        env={name: value for name, value in values.items() if value},
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )


def ours(*arguments: str, folder: Path, **more: str) -> subprocess.CompletedProcess[str]:
    return call(sys.executable, "-m", "benchmark", *arguments, folder=folder, **more)


@pytest.mark.parametrize("redirect", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_no_file_of_a_worker_gets_a_closed_descriptor_of_the_standard_streams(tmp_path, redirect):
    (tmp_path / "asked.py").write_text(FACTS)
    done = call(*worker_command("asked"), folder=tmp_path, redirect=redirect, PYTHONPATH=str(tmp_path))

    assert done.returncode == 0, done.stderr
    opened, *rest = (tmp_path / "facts").read_text().split(" ", 1)
    assert int(opened) > 2
    assert rest == ["[True, True, True] ''"]
    assert done.stdout == ("" if ">&- " in f" {redirect} ".replace(" 2>&- ", " ") else "printed\n")
    assert done.stderr == ("" if "2>&-" in redirect else "warned\n")


@pytest.mark.parametrize("redirect", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_a_command_works_with_closed_descriptors(tmp_path, redirect):
    done = ours("predict", "--model", "bow", folder=tmp_path, redirect=redirect)

    assert done.returncode == 2
    assert done.stdout == ""
    if "2>&-" not in redirect:
        assert_names(done.stderr, "error: ", "standard input")


@pytest.mark.parametrize("name", ["models.py", "random.py", "typing.py", "argparse.py", "data_pipeline", "optuna.py"])
def test_a_file_of_the_working_folder_is_not_imported_in_place_of_ours_or_of_a_library(tmp_path, name):
    file = tmp_path / name if name.endswith(".py") else tmp_path / name / "__init__.py"
    file.parent.mkdir(exist_ok=True)
    file.write_text(USELESS)
    command = ["validate", str(ROOT / "experiments.yaml")] if name != "optuna.py" else ["study", "bow"]
    done = ours(*command, folder=tmp_path)

    assert "Traceback" not in done.stderr
    assert done.returncode == (0 if command[0] == "validate" else 2)


def test_the_installed_command_works_beside_a_file_that_python_would_run_in_place_of_ours(tmp_path):
    (tmp_path / "benchmark.py").write_text(USELESS)
    entry = next(line for line in (ROOT / "pyproject.toml").read_text().splitlines() if "imdb-benchmark =" in line)
    module, _, function = entry.split('"')[1].partition(":")
    script = f"import sys; from {module} import {function}; sys.exit({function}())"
    done = call(sys.executable, "-P", "-c", script, "validate", str(ROOT / "experiments.yaml"), folder=tmp_path)

    assert (done.returncode, done.stderr) == (0, "")


def test_a_file_in_the_way_that_python_puts_first_is_named_in_one_line(tmp_path):
    (tmp_path / "models.py").write_text(USELESS)
    done = ours("validate", folder=tmp_path, PYTHONPATH=f"{tmp_path}{os.pathsep}{ROOT}")

    assert done.returncode == 2
    assert_names(done.stderr, "error: ", tmp_path / "models.py", "models")
    assert len(done.stderr.splitlines()) == 1


def test_in_a_users_own_process_it_is_named_too_and_the_process_stays_as_it_is(tmp_path):
    (tmp_path / "models.py").write_text("")
    code = f"import sys; sys.path.insert(1, {str(ROOT)!r}); before = list(sys.path); import benchmark\n"
    code += "try:\n    benchmark.run\nexcept ImportError as error:\n    print(error)\n"
    code += "assert (sys.path, sys.stdin) == (before, None)"
    done = call(sys.executable, "-c", code, folder=tmp_path, redirect="<&-", PYTHONPATH="")

    assert done.returncode == 0, done.stderr
    assert_names(done.stdout, tmp_path / "models.py")


def test_in_a_users_own_process_no_lock_gets_a_closed_descriptor_and_a_missing_home_is_said(tmp_path):
    code = """
from pathlib import Path
import pwd
from benchmark.tracking.client import TrackingError, quiet_client
from benchmark.tracking.lock import hold, hold_if_free

def unknown(number):
    raise KeyError(number)

pwd.getpwuid = unknown
with hold(Path("a.lock")) as file, hold_if_free(Path("a.lock")) as free:
    print(file > 2, free)
try:
    quiet_client("sqlite:///mlflow.db", Path("tracking.lock"))
except TrackingError as error:
    print(error)
"""
    done = call(sys.executable, "-c", code, folder=tmp_path, redirect="<&- 2>&-", HOME="")

    assert done.stdout.startswith("True False\n")
    assert_names(done.stdout.splitlines()[1], "HOME", "MLflow")


def test_in_a_deleted_folder_a_command_says_so_in_one_line(tmp_path):
    script = 'rmdir "$PWD"; exec "$@"'
    done = call("sh", "-c", script, "sh", sys.executable, "-m", "benchmark", "list", folder=tmp_path)

    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    assert_names(done.stderr, "error: ", "working folder")


def test_with_a_home_that_cannot_be_written_libraries_keep_their_caches_here_and_say_nothing(tmp_path):
    (tmp_path / "asked.py").write_text("def main():\n    import matplotlib; print(matplotlib.get_cachedir())")
    environment = {"HOME": "/proc/none", "PYTHONPATH": str(tmp_path), "MPLCONFIGDIR": "", "XDG_CACHE_HOME": ""}
    done = call(*worker_command("asked"), folder=tmp_path, **environment)

    assert done.stderr == ""
    assert done.stdout.startswith(str(tmp_path))


def test_without_a_home_the_working_folder_is_it(tmp_path, monkeypatch):
    def unknown(number):
        raise KeyError(number)

    monkeypatch.setattr(pwd, "getpwuid", unknown)
    monkeypatch.setenv("HOME", "a home")
    monkeypatch.delenv("HOME")
    monkeypatch.chdir(tmp_path)

    prepare_process()
    assert Path.home() == tmp_path


def test_our_own_packages_are_not_in_the_way():
    refuse_shadowing()
    assert benchmark.InputError.__module__ == "data_pipeline.errors"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can take another user's id")
def test_a_run_works_for_a_user_without_name_and_home_in_a_hostile_folder_with_stderr_closed(
    tmp_path, write_config, empty_database
):
    """Each of these alone broke a run, or the prediction after it."""
    folder = tmp_path / "a%20b #1?"
    folder.mkdir()
    for name in ("models.py", "random.py", "mlflow.py"):
        (folder / name).write_text(USELESS)
    (folder / "tmp%20dir").mkdir()
    shutil.copy(empty_database, folder / "mlflow.db")
    config = write_config(profiles={"quick": {"experiments": ["bow"]}})
    # A right of root, so that the tests' files, wherever they are, stay readable.
    user = ["setpriv", "--reuid=54321", "--clear-groups", "--inh-caps=+dac_override", "--ambient-caps=+dac_override"]
    nobody = dict.fromkeys(["USER", "LOGNAME", "LNAME", "USERNAME", "HOME"], "")
    how = {"folder": folder, "redirect": "2>&-", "TMPDIR": str(folder / "tmp%20dir"), **nobody}
    done = call(*user, sys.executable, "-m", "benchmark", "run", "bow", "--config", str(config), **how)
    assert done.returncode == 0, done.stdout
    said = call(*user, sys.executable, "-m", "benchmark", "predict", "--model", "bow", "--json", "wonderful", **how)

    assert '"label": "positive"' in said.stdout
    with closing(sqlite3.connect(folder / "mlflow.db")) as database:
        assert set(database.execute("SELECT value FROM tags WHERE key = 'mlflow.user'")) == {("54321",)}
    assert [file for file in (folder / ".benchmark").rglob("*.lock") if file.stat().st_size] == []
