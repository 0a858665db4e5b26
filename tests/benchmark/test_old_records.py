"""What commit b11dd94 recorded is still read, though its runs are done again; see tests/fixtures/README.md."""

import json
import os
import re
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from mlflow import MlflowClient

from benchmark.results.read_export import read_export
from benchmark.tracking.files import follow_database
from benchmark.tracking.records import PREDICTIONS_FILE, finished_runs

FIXTURES = Path(__file__).resolve().parents[1] / "fixtures"
EXPECTED = json.loads((FIXTURES / "expected.json").read_text(encoding="utf-8"))
RUNS = {name: run["id"] for name, run in EXPECTED["runs"].items()}
FIGURES = ("test_accuracy", "test_accuracy_by_seed", "test_f1", "test_roc_auc", "test_log_loss", "parameters", "runs")
LOAD = """
import json, sys
import mlflow.pyfunc, pandas
texts = pandas.DataFrame({"text": json.load(sys.stdin)})
models = {name: mlflow.pyfunc.load_model(uri) for name, uri in zip(sys.argv[1::2], sys.argv[2::2])}
print(json.dumps({name: model.predict(texts).to_dict("records") for name, model in models.items()}))
import data_pipeline, models
assert all("code" in package.__file__.split("/") for package in (data_pipeline, models)), sys.path
"""


def extracted(folder: Path) -> Path:
    """Unpack the recorded working directory, and let its store's absolute paths begin with its new place as we do."""
    with tarfile.open(FIXTURES / "records-b11dd94.tar.gz") as archive:
        archive.extractall(folder, filter="data")
    database = folder / "records" / "mlflow.db"
    follow_database(f"sqlite:///{database}", database)
    return folder / "records"


def go_to(records: Path, monkeypatch: pytest.MonkeyPatch) -> MlflowClient:
    """Make it the working directory, with absolute URIs: MLflow keeps open what it opened under a relative one."""
    monkeypatch.chdir(records)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{records / 'mlflow.db'}")
    monkeypatch.setenv("OPTUNA_STORAGE", f"sqlite:///{records / 'optuna.db'}")
    return MlflowClient(f"sqlite:///{records / 'mlflow.db'}")


@pytest.fixture(scope="module")
def untouched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return extracted(tmp_path_factory.mktemp("old"))


@pytest.fixture
def client(untouched: Path, monkeypatch: pytest.MonkeyPatch) -> MlflowClient:
    """Of the store in the working directory, for tests that only look."""
    return go_to(untouched, monkeypatch)


@pytest.fixture
def answered(call):
    """`answered("report")` is what the command prints; it must succeed."""

    def run(*arguments: str) -> str:
        status, out, err = call(*arguments)
        assert status == 0, err
        return out

    return run


def assert_same_answers(found: list[dict[str, object]], model: str) -> None:
    for ours, theirs in zip(found, EXPECTED["predict"][model], strict=True):
        assert ours["label"] == theirs["label"]
        for key in ("probability_negative", "probability_positive"):
            assert ours[key] == pytest.approx(theirs[key], abs=1e-6)


@pytest.mark.parametrize("source", [(), ("--from", "export")])
def test_report_has_the_figures_that_were_recorded(client, answered, source):
    found, then = json.loads(answered("report", "--format", "json", *source)), EXPECTED["report"]

    assert [[row[key] for key in ("experiment", *FIGURES)] for row in found["rows"]] == [
        [row[key] for key in ("experiment", *FIGURES)] for row in then["rows"]
    ]


def test_report_shows_by_default_the_plan_that_list_names(client, answered):
    lines = [line.split() for line in answered("list").splitlines()]
    plans = {line[0]: line for line in lines if line and re.fullmatch("[0-9a-f]{8}", line[0])}
    shown = [plan for plan, line in plans.items() if "report" in line]

    assert len(shown) == 1
    for plan in plans:
        assert (answered("report", "--plan", plan) == answered("report")) is (plan in shown)


def test_an_export_made_now_says_what_the_one_made_then_says(client, answered, tmp_path):
    """Since then runs share the columns of their predictions that are the same for all."""
    answered("export", str(tmp_path / "export"))
    then, now = Path("export"), tmp_path / "export"
    files = sorted(path.relative_to(then) for path in (then / "runs").rglob("*") if path.is_file())
    (results, old), (_, new) = read_export(then), read_export(now)

    assert len(files) > 4 * 8
    changed = {file for file in files if (then / file).read_bytes() != (now / file).read_bytes()}
    assert {file.name for file in changed} == {PREDICTIONS_FILE}
    for run in finished_runs(results.plan, results.runs):
        before, after = (each.table(run, PREDICTIONS_FILE) for each in (old, new))
        assert before.equals(after[list(before)])


@pytest.mark.parametrize("options", [(), ("--tuned",)])
def test_list_counts_runs_of_older_code_as_missing(client, answered, options):
    """Since then RESULT_VERSION was raised: the same settings give other figures."""
    lines = [line.split() for line in answered("list", *options).splitlines()]

    for wanted in EXPECTED["list"]:
        assert [line[:4] for line in lines if line[:3] == wanted[:3]] == [[*wanted[:3], "missing"]]


@pytest.mark.parametrize("model", EXPECTED["predict"])
def test_predict_answers_as_it_did(client, answered, model):
    out = answered("predict", "--model", model, "--json", *EXPECTED["texts"])

    assert_same_answers([json.loads(line) for line in out.splitlines()], model)


def test_compare_finds_what_it_found(client, answered):
    found, then = json.loads(answered("compare", "--json", *EXPECTED["compare"]["runs"])), EXPECTED["compare"]["found"]

    assert (found["runs"], found["predictions"]) == (then["runs"], then["predictions"])


@pytest.mark.parametrize("name", EXPECTED["explained"])
def test_explain_shows_what_was_explained_and_computes_nothing(client, answered, name):
    kept = Path(client.get_run(RUNS[name]).info.artifact_uri.removeprefix("file://"), "explanations.json")
    before, reviews = kept.stat().st_mtime_ns, EXPECTED["explained"][name]["reviews"]
    out = answered("explain", "--run", RUNS[name][:12], "--id", *reviews)

    for review, explanation in reviews.items():
        assert review in out
        assert f"{explanation['margin']:+.2f}" in out
    assert kept.stat().st_mtime_ns == before


def test_study_shows_the_search(client, answered):
    out = answered("study", "rnn")

    assert EXPECTED["tuned"]["provenance"]["study"] in out
    for trial in EXPECTED["trials"].values():
        assert f"{trial['best_val_loss']:.4f}" in out


def test_mlflow_loads_logged_models_with_the_code_they_carry(client, tmp_path):
    arguments = []
    for name in ("lstm seed 2", "bert-frozen seed 1"):
        [output] = client.get_run(RUNS[name]).outputs.model_outputs
        arguments += [name.partition(" ")[0], f"models:/{output.model_id}"]
    answers = subprocess.check_output(
        [sys.executable, "-c", LOAD, *arguments],
        input=json.dumps(EXPECTED["texts"]),
        cwd=tmp_path,
        env={key: value for key, value in os.environ.items() if key != "PYTHONPATH"},
        text=True,
        timeout=300,
    )

    for name, found in json.loads(answers.splitlines()[-1]).items():
        assert_same_answers(found, name)
