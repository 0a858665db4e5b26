"""The command line, called as a user calls it: what it prints, and with which status it ends. Nothing is trained."""

import io
import subprocess
import sys
from pathlib import Path

import pytest

from benchmark.cli import main
from benchmark.suite import PlanOutcome
from tests.helpers.recorded_plan import cells, record_plan


@pytest.fixture(scope="session")
def tiny_encoder(encoder_without_weights):
    """No command here loads one."""
    return encoder_without_weights


# Wrong use


@pytest.mark.parametrize("arguments", [[], ["unknown"], ["run"], ["run", "all", "--seed", "x"], ["report", "--nope"]])
def test_wrong_use_ends_with_2_and_the_usage(arguments, capsys):
    with pytest.raises(SystemExit) as caught:
        main(arguments)

    assert caught.value.code == 2
    assert "usage: python -m benchmark" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["--help"], ["run", "--help"], ["report", "--help"], ["list", "--help"]])
def test_help_ends_with_0(arguments, capsys):
    with pytest.raises(SystemExit) as caught:
        main(arguments)

    assert caught.value.code == 0
    assert "usage: python -m benchmark" in capsys.readouterr().out


def test_help_names_every_command(capsys):
    with pytest.raises(SystemExit):
        main(["--help"])

    text = capsys.readouterr().out
    for command in ("run", "report", "list", "validate"):
        assert f"\n    {command} " in text


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("command", [["run", "all"], ["list"]])
def test_an_unknown_profile_gets_a_suggestion(call, command):
    status, out, err = call(*command, "--profile", "quik")

    assert (status, out) == (2, "")
    assert err == "error: experiments.yaml: there is no profile 'quik'; did you mean 'quick'?\n"


@pytest.mark.usefixtures("here")
def test_an_unknown_experiment_gets_a_suggestion_before_anything_is_run(call, monkeypatch):
    monkeypatch.setattr("benchmark.plan.make_plan", lambda *_: pytest.fail("nothing is to be read"))

    status, out, err = call("run", "lstm", "ltsm")

    assert (status, out) == (2, "")
    assert err == "error: there is no experiment 'ltsm' in this profile; did you mean 'lstm'?\n"


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("command", [["run", "all"], ["list"]])
def test_a_bad_setting_is_told_with_its_option(call, command):
    status, out, err = call(*command, "--set", "lstm.training.epochs=0")

    assert (status, out) == (2, "")
    assert err.startswith("error: --set lstm.training.epochs=0: lstm.training.epochs: should be greater than")


@pytest.mark.usefixtures("here")
def test_reviews_that_cannot_be_read_are_wrong_input(call, write_config):
    write_config(profiles={"quick": {"data": {"path": "nowhere.csv"}}})

    status, _, err = call("run", "all")

    assert status == 2
    assert err.startswith("error: there is no file nowhere.csv; ")


@pytest.mark.usefixtures("here")
def test_an_encoder_that_is_another_one_is_wrong_input(call):
    status, _, err = call("list", "--set", f"bert-frozen.model.encoder.sha256='{'0' * 64}'")

    assert status == 2
    assert "is not the encoder meant" in err


@pytest.mark.usefixtures("here")
def test_more_tokens_than_the_encoder_reads_are_wrong_input(call):
    status, _, err = call("list", "--set", "bert-frozen.tokens.max_length=65")

    assert status == 2
    assert err == "error: bert-frozen.tokens.max_length: 65 tokens, but the encoder reads 64 at most; lower it\n"


@pytest.mark.usefixtures("here")
def test_a_store_that_cannot_be_opened_is_wrong_input(call):
    Path("junk.db").write_text("this is no database")

    status, _, err = call("report", "--tracking-uri", "sqlite:///junk.db")

    assert status == 2
    assert err.startswith("error: tracking store sqlite:///junk.db: cannot be opened")


@pytest.mark.usefixtures("here")
def test_a_cache_that_cannot_be_made_is_wrong_input(call):
    Path("a-file").touch()

    status, _, err = call("report", "--cache-dir", "a-file/cache")

    assert status == 2
    assert err.startswith("error: ")


@pytest.mark.usefixtures("here")
def test_a_fault_of_the_disk_is_told_in_one_line(call):
    Path(".benchmark").mkdir()
    Path(".benchmark/locks").touch()

    status, _, err = call("run", "all")

    assert status == 2
    assert err.splitlines()[-1] == (
        "error: .benchmark/locks: File exists; put that right, and the same command goes on"
    )


# validate


@pytest.mark.usefixtures("here")
def test_a_valid_file_ends_with_0_and_its_profiles(call):
    assert call("validate") == (0, "experiments.yaml: valid; profiles: quick\n", "")
    assert call("validate", "experiments.yaml") == call("validate")


def test_every_fault_of_a_bad_file_is_a_line(call, write_config):
    path = write_config(experiments={"lstm": {"training": {"epochs": 0, "batch": 3}}})

    status, out, err = call("validate", str(path))

    assert (status, out) == (2, "")
    assert err.splitlines() == [
        f"error: {path}: experiments.lstm.training.epochs: should be greater than or equal to 1, found 0",
        f"error: {path}: experiments.lstm.training.batch: unknown key; did you mean 'batch_size'?",
    ]


def test_a_file_that_is_not_there_is_named(call, tmp_path):
    status, _, err = call("validate", str(tmp_path / "nowhere.yaml"))

    assert status == 2
    assert err == f"error: {tmp_path / 'nowhere.yaml'}: cannot be read: No such file or directory\n"


def test_a_table_is_printed_on_a_terminal_without_its_characters(recorded, monkeypatch):
    latin = io.TextIOWrapper(io.BytesIO(), encoding="latin-1")
    monkeypatch.setattr("sys.stdout", latin)

    assert main(["report"]) == 0
    latin.flush()
    assert b"lstm" in latin.buffer.getvalue()


# list


@pytest.mark.usefixtures("here")
def test_the_list_before_any_run_says_that_all_are_missing(call):
    status, out, err = call("list")

    assert (status, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == "profile quick: made-up reviews"
    assert [line.split() for line in lines[3:7]] == [
        [name, name, "1", "missing", "`run", f"{name}`", "does", "it"]
        for name in ("rnn", "lstm", "bert-frozen", "bert-finetuned")
    ]
    assert lines[-1] == "registered models: rnn, lstm, lstm-attention, bert-frozen, bert-finetuned, bow"


@pytest.mark.usefixtures("recorded")
def test_the_list_says_how_the_runs_stand_and_why(call):
    status, out, _ = call("list")

    rnn, lstm = out.splitlines()[3:5]
    assert status == 0
    assert "  failed  " in rnn
    assert rnn.endswith("NonFiniteError: loss is nan; `run rnn` does it again")
    assert "  finished  " in lstm


@pytest.mark.usefixtures("recorded")
def test_with_other_settings_the_list_says_missing_again(call):
    lstm = call("list", "--set", "lstm.training.epochs=9")[1].splitlines()[4]

    assert lstm.split()[:4] == ["lstm", "lstm", "1", "missing"]


@pytest.mark.usefixtures("here")
def test_the_list_has_a_line_for_each_seed(call):
    out = call("list", "--seed", "8", "9")[1]

    assert [line.split()[2] for line in out.splitlines() if line.startswith("lstm")] == ["8", "9"]


# run


@pytest.fixture
def run_without_training(monkeypatch, store_uri, here):
    """`run` with all of its own but the training; the experiments named here fail. Gives what `run` asked for."""
    from benchmark.config_file import load_suite

    asked = []

    def prepare(*failed: str) -> list[list[str]]:
        def run_plan(plan, names, workspace, say, *, fresh):
            asked.append(names)
            record_plan(store_uri, load_suite(here / "experiments.yaml"), here / "cache", failed=failed)
            return PlanOutcome(skipped=0, finished=len(names) - len(failed), failed=len(failed))

        monkeypatch.setattr("benchmark.suite.run_plan", run_plan)
        monkeypatch.setattr("signal.signal", lambda *_: None)
        return asked

    return prepare


def test_a_run_in_which_all_went_well_ends_with_0_and_the_table(call, run_without_training):
    run_without_training()

    status, out, err = call("run", "all")

    assert status == 0
    assert cells(out, "lstm") == ["1 of 1", "87.50"]
    assert "profile quick: table reviews-400-0.csv, 200 train, 50 val, 60 test" in err
    assert "4 finished, 0 skipped, 0 failed" in err


def test_a_run_in_which_something_failed_ends_with_1_and_the_table_all_the_same(call, run_without_training):
    run_without_training("rnn")

    status, out, err = call("run", "all")

    assert status == 1
    assert cells(out, "rnn") == ["0 of 1", "failed"]
    assert "3 finished, 0 skipped, 1 failed" in err


@pytest.mark.parametrize(
    ("names", "wanted"),
    [
        (["all"], ["rnn", "lstm", "bert-frozen", "bert-finetuned"]),
        (["lstm"], ["lstm"]),
        (["bert-frozen", "rnn"], ["rnn", "bert-frozen"]),
        (["lstm", "lstm"], ["lstm"]),
        (["lstm", "all"], ["rnn", "lstm", "bert-frozen", "bert-finetuned"]),
    ],
)
def test_experiments_are_run_once_each_in_the_order_of_the_profile(call, run_without_training, names, wanted):
    asked = run_without_training()
    call("run", *names)

    assert asked == [wanted]


@pytest.mark.usefixtures("here")
def test_an_interruption_ends_with_130_and_a_word(call, monkeypatch):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("benchmark.config_file.load_suite", interrupt)

    assert call("run", "all") == (130, "", "interrupted; the same command goes on with what is missing\n")


def test_a_fault_of_ours_is_not_taken_for_wrong_input(call, monkeypatch):
    def fail(*_):
        raise TypeError("ours")

    monkeypatch.setattr("benchmark.config_file.profile_names", fail)

    with pytest.raises(TypeError, match="ours"):
        call("validate")


@pytest.mark.parametrize(("arguments", "status"), [(["validate"], 0), (["validate", "nowhere.yaml"], 2)])
def test_the_status_is_that_of_the_process(here, arguments, status):
    answer = subprocess.run([sys.executable, "-m", "benchmark", *arguments], cwd=here, capture_output=True, check=False)

    assert answer.returncode == status


# What a quick command must not pay for


@pytest.mark.parametrize(
    "arguments", ['["--help"]', '["validate"]', '["validate", "nowhere.yaml"]', '["run", "nobody"]']
)
def test_a_quick_command_imports_no_heavy_library(arguments):
    code = (
        "import sys\n"
        "from benchmark.cli import main\n"
        "try:\n"
        f"    main({arguments})\n"
        "except SystemExit:\n"
        "    pass\n"
        "heavy = {'torch', 'mlflow', 'pandas', 'transformers', 'optuna', 'sklearn', 'matplotlib'}\n"
        "print('heavy:', *sorted(heavy & set(sys.modules)))\n"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert answer.stdout.splitlines()[-1] == "heavy:"
