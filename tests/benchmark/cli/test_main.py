"""The command line, called as a user calls it: what it prints, and with which status it ends. Nothing is trained."""

import io
import re
import subprocess
import sys
from pathlib import Path

import pytest

from benchmark.cli.main import COMMANDS, main
from benchmark.config.load import load_suite
from benchmark.launch.run_plan import PlanOutcome
from benchmark.plan.plan import make_plan
from benchmark.tracking.store import TrackingStore
from tests.helpers.facts import assert_names, error_lines
from tests.helpers.recorded import NOWHERE
from tests.helpers.recorded_plan import cells, record_plan
from tests.helpers.shell import ROOT

# Wrong use


@pytest.mark.parametrize("arguments", [["unknown"], ["run"], ["run", "all", "--seed", "x"], ["report", "--nope"]])
def test_wrong_use_ends_with_2_and_the_usage(arguments, capsys):
    with pytest.raises(SystemExit) as caught:
        main(arguments)

    assert caught.value.code == 2
    assert "usage: python -m benchmark" in capsys.readouterr().err


def test_without_a_command_all_are_listed(call):
    status, out, err = call()

    assert (status, out) == (2, "")
    assert_names(err, *COMMANDS)


@pytest.mark.parametrize("command", [[], ["run"], ["report"], ["list"]])
def test_help_ends_with_0_and_names_every_command(command, capsys):
    with pytest.raises(SystemExit) as caught:
        main([*command, "--help"])

    text = capsys.readouterr().out
    assert caught.value.code == 0
    assert "usage: python -m benchmark" in text
    assert command or all(f"\n    {name} " in text for name in ("run", "report", "list", "validate"))


@pytest.mark.parametrize(
    ("command", "facts"),
    [
        ("run all --profile quik", ("experiments.yaml: ", "'quik'", "'quick'")),
        ("run lstm ltsm", ("'ltsm'", "'lstm'")),
        ("run all --set lstm.training.epochs=0", ("--set lstm.training.epochs=0: lstm.training.epochs: ",)),
        (f"list --set bert-frozen.model.encoder.sha256='{'0' * 64}'", ("sha256", "0" * 64)),
        ("list --set bert-frozen.tokens.max_length=65", ("bert-frozen.tokens.max_length: ", "65", "64")),
        ("run all --set data.path=nowhere.csv", ("nowhere.csv",)),
        ("report --tracking-uri sqlite:///junk.db", ("tracking store sqlite:///junk.db: ",)),
        ("report --cache-dir a-file/cache", ("a-file/cache",)),
        ("report", ("'quick'", "`python -m benchmark run all --profile quick`")),
        ("predict --model lstm --output out.json text", ("out.json", ".csv", "--json")),
        ("validate nowhere.yaml", ("nowhere.yaml: ", "No such file or directory")),
    ],
)
def test_wrong_input_ends_with_2_and_a_line_that_names_it(here, call, command, facts):
    Path("junk.db").write_text("this is no database")
    Path("a-file").touch()

    status, out, err = call(*command.split())

    assert (status, out) == (2, "")
    [line] = error_lines(err)
    assert_names(line, *facts)


@pytest.mark.usefixtures("here")
def test_a_fault_of_the_disk_is_reported_in_one_line(call):
    Path(".benchmark").mkdir()
    Path(".benchmark/locks").touch()

    status, _, err = call("run", "all")

    assert status == 2
    assert_names(error_lines(err.splitlines()[-1])[0], ".benchmark/locks: File exists")


# validate


@pytest.mark.usefixtures("here")
def test_a_valid_file_ends_with_0_and_its_profiles(call):
    status, out, err = call("validate")

    assert (status, err, len(out.splitlines())) == (0, "", 1)
    assert_names(out, "experiments.yaml: ", "quick")
    assert call("validate", "experiments.yaml") == (0, out, "")


def test_a_tilde_that_no_shell_expanded_is_the_home_folder(here, call, monkeypatch):
    monkeypatch.setenv("HOME", str(here))
    monkeypatch.chdir("/")

    assert_names(call("validate", "~/experiments.yaml")[1], here / "experiments.yaml")
    assert_names(call("list", "--config=~/experiments.yaml", "--cache-dir=~/cache")[1], "rnn")
    assert_names(call("predict", "--model=rnn", "--input=~/no.csv")[2], here / "no.csv")


def test_a_name_that_a_terminal_would_obey_is_printed_escaped(here, call):
    name = "\x1b[31m\u202e.yaml"
    missing = call("validate", name)
    Path("experiments.yaml").rename(name)
    found = call("validate", name)

    assert_names(error_lines(missing[2])[0], r"\x1b[31m\u202e.yaml: ")
    assert_names(found[1], r"\x1b[31m\u202e.yaml: ")
    assert not set("\x1b\u202e") & set("".join([*missing[1:], *found[1:]]))


def test_every_fault_of_a_bad_file_is_a_line(call, write_config):
    path = write_config(experiments={"lstm": {"training": {"epochs": 0, "batch": 3}}})

    status, out, err = call("validate", str(path))

    assert (status, out) == (2, "")
    epochs, batch = error_lines(err)
    assert_names(epochs, f"{path}: experiments.lstm.training.epochs: ", "1", "0")
    assert_names(batch, f"{path}: experiments.lstm.training.batch: ", "'batch_size'")


def test_a_table_is_printed_on_a_terminal_without_its_characters(recorded, monkeypatch):
    latin = io.TextIOWrapper(io.BytesIO(), encoding="latin-1")
    monkeypatch.setattr("sys.stdout", latin)

    assert main(["report"]) == 0
    latin.flush()
    assert b"lstm" in latin.buffer.getvalue()


# list


@pytest.mark.usefixtures("here")
def test_before_any_run_all_are_listed_as_missing_with_the_command_that_does_them(call):
    status, out, err = call("list")

    assert (status, err) == (0, "")
    lines = out.splitlines()
    assert_names(lines[0], "quick", "made-up reviews")
    for line, name in zip(lines[3:7], ("rnn", "lstm", "bert-frozen", "bert-finetuned"), strict=True):
        assert line.split()[:4] == [name, name, "1", "missing"]
        assert f"`run {name}`" in line
    assert lines[-1].endswith(": rnn, gru, lstm, lstm-attention, text-cnn, bert-frozen, bert-finetuned, bow")
    seeds = [line.split()[2] for line in call("list", "--seed", "8", "9")[1].splitlines() if line.startswith("lstm ")]
    assert seeds == ["8", "9"]


@pytest.mark.usefixtures("recorded")
def test_the_list_says_how_the_runs_stand_and_why(call):
    status, out, _ = call("list")
    rnn, lstm = out.splitlines()[3:5]

    assert status == 0
    assert rnn.split()[:4] == ["rnn", "rnn", "1", "failed"]
    assert_names(rnn, "NonFiniteError: loss is nan", "`run rnn`")
    assert lstm.split()[:4] == ["lstm", "lstm", "1", "finished"]
    other = call("list", "--set", "lstm.training.epochs=9")[1].splitlines()[4]
    assert other.split()[:4] == ["lstm", "lstm", "1", "missing"]


def test_the_list_names_the_plans_and_says_which_of_them_list_and_report_show(recorded, call, store_uri, monkeypatch):
    config = recorded / "experiments.yaml"
    small = load_suite(config, settings={"data.train_size": 100})
    TrackingStore(store_uri, recorded / "cache").open_plan(make_plan(small, NOWHERE).record, small.name)
    monkeypatch.setenv("COLUMNS", "80")

    def plans(*options: str) -> dict[str, list[str]]:
        lines = call("list", *options)[1].splitlines()
        return {line.split()[-1]: line.split()[1:-1] for line in lines if re.match("[0-9a-f]{8} ", line)}

    shown = {name: [word.strip(",") for word in cells[5:]] for name, cells in plans().items()}
    assert {name: " ".join(cells[:3]) for name, cells in plans().items()} == {
        "train_size=100": "0 of 4",
        "quick": "3 of 4",
    }
    assert shown == {"train_size=100": ["report"], "quick": ["list"]}
    assert plans("--set", "data.train_size=100")["train_size=100"][5:] == ["list,", "report"]


# run


def test_each_of_two_runs_of_a_profile_prints_its_own_plan(call, monkeypatch, store_uri, here):
    def run_plan(plan, names, workspace, say, *, fresh):
        record_plan(store_uri, load_suite(here / "experiments.yaml"), here / "cache")
        if plan.name == "quick":  # meanwhile, in another terminal
            table = call("run", "rnn", "--set", "data.train_size=100")[1]
            assert_names(table.splitlines()[0], "train_size=100", "1 of 2")
        else:
            TrackingStore(store_uri, here / "cache").open_plan(plan.record, plan.name)
        return PlanOutcome(skipped=0, finished=len(names), failed=0)

    monkeypatch.setattr("benchmark.api.run.run_plan", run_plan)
    monkeypatch.setattr("signal.signal", lambda *_: None)

    out = call("run", "all")[1]

    assert_names(out.splitlines()[0], "quick", "2 of 2")
    assert cells(out, "rnn") == ["1 of 1", "87.50"]


@pytest.mark.parametrize(
    ("failed", "status", "counts", "row"),
    [
        ((), 0, "4 finished, 0 skipped, 0 failed", ["1 of 1", "87.50"]),
        (("rnn",), 1, "3 finished, 0 skipped, 1 failed", ["0 of 1", "failed"]),
    ],
)
def test_a_run_ends_with_the_table_and_with_1_if_something_failed(
    call, monkeypatch, store_uri, here, failed, status, counts, row
):
    def run_plan(plan, names, workspace, say, *, fresh):
        record_plan(store_uri, load_suite(here / "experiments.yaml"), here / "cache", failed=failed)
        return PlanOutcome(skipped=0, finished=len(names) - len(failed), failed=len(failed))

    monkeypatch.setattr("benchmark.api.run.run_plan", run_plan)
    monkeypatch.setattr("signal.signal", lambda *_: None)

    found, out, err = call("run", "all")

    assert found == status
    assert cells(out, "rnn") == row
    assert_names(err, "quick: table reviews-400-0.csv, 200 train, 50 val, 60 test", counts)


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    ("names", "wanted"),
    [
        (["bert-frozen", "rnn", "rnn"], ["rnn", "bert-frozen"]),
        (["lstm", "all"], ["rnn", "lstm", "bert-frozen", "bert-finetuned"]),
    ],
)
def test_experiments_are_run_once_each_in_the_order_of_the_profile_until_an_interruption_ends_with_130(
    call, monkeypatch, names, wanted
):
    asked = []

    def run_plan(plan, names, *_, **__):
        asked.append(names)
        raise KeyboardInterrupt

    monkeypatch.setattr("benchmark.api.run.run_plan", run_plan)
    monkeypatch.setattr("signal.signal", lambda *_: None)

    status, out, err = call("run", *names)

    assert (status, out, asked) == (130, "", [wanted])
    assert "nterrupted" in err.splitlines()[-1]


def test_a_fault_of_ours_is_not_taken_for_wrong_input(call, monkeypatch):
    def fail(*_):
        raise TypeError("ours")

    monkeypatch.setattr("benchmark.config.load.profile_names", fail)

    with pytest.raises(TypeError, match="ours"):
        call("validate")


@pytest.mark.parametrize(
    ("arguments", "status"),
    [(["--help"], 0), (["validate"], 0), (["validate", "nowhere.yaml"], 2), (["run", "nobody"], 2)],
)
def test_a_quick_command_imports_no_heavy_library_and_its_status_is_that_of_the_process(arguments, status):
    code = (
        "import sys, runpy\n"
        "try:\n"
        "    runpy.run_module('benchmark', run_name='__main__')\n"
        "finally:\n"
        "    heavy = {'torch', 'mlflow', 'pandas', 'transformers', 'optuna', 'sklearn', 'matplotlib'}\n"
        "    print('heavy:', *sorted(heavy & set(sys.modules)))\n"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False, cwd=ROOT
    )

    assert answer.returncode == status
    assert answer.stdout.splitlines()[-1] == "heavy:"
