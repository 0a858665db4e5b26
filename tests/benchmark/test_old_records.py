"""What commit b11dd94 recorded is still read, and gone on with; see tests/fixtures/README.md."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from mlflow import MlflowClient

from tests.helpers.old_records import EXPECTED, RUNS, extracted, go_to, move_checkpoints_here

INTERRUPTED = "lstm-attention seed 1"
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


@pytest.fixture(scope="module")
def untouched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return extracted(tmp_path_factory.mktemp("old"))


@pytest.fixture
def client(untouched: Path, monkeypatch: pytest.MonkeyPatch) -> MlflowClient:
    """Of the store in the working directory, for tests that only look."""
    return go_to(untouched, monkeypatch)


def answered(call, *arguments: str) -> str:
    status, out, err = call(*arguments)
    assert status == 0, err
    return out


def figures(report: str) -> dict[str, dict[str, object]]:
    return {row["experiment"]: {key: row[key] for key in FIGURES} for row in json.loads(report)["rows"]}


def same_answers(found: list[dict[str, object]], model: str) -> None:
    for ours, theirs in zip(found, EXPECTED["predict"][model], strict=True):
        assert ours["label"] == theirs["label"]
        for key in ("probability_negative", "probability_positive"):
            assert ours[key] == pytest.approx(theirs[key], abs=1e-6)


@pytest.mark.parametrize("source", [(), ("--from", "export")])
def test_report_has_the_figures_that_were_recorded(client, call, source):
    found = figures(answered(call, "report", "--format", "json", *source))

    assert found == figures(json.dumps(EXPECTED["report"]))
    assert found["lstm-attention"]["test_accuracy_by_seed"] != found["lstm"]["test_accuracy_by_seed"]


def test_an_export_made_now_is_the_one_made_then(client, call, tmp_path):
    answered(call, "export", str(tmp_path / "export"))
    then, now = Path("export", "runs"), tmp_path / "export" / "runs"
    files = sorted(path.relative_to(then) for path in then.rglob("*") if path.is_file())

    assert len(files) > 4 * 8
    assert {file for file in files if (then / file).read_bytes() != (now / file).read_bytes()} == set()


@pytest.mark.parametrize(("options", "expected"), [((), "list"), (("--tuned",), "list tuned")])
def test_list_shows_how_each_run_stands(client, call, options, expected):
    lines = [line.split() for line in answered(call, "list", *options).splitlines()]

    for wanted in EXPECTED[expected]:
        known = 4 if wanted[3] == "missing" else 5  # experiment, model, seed, state and, where there is one, its id
        assert [line[:known] for line in lines if line[:3] == wanted[:3]] == [wanted[:known]]


@pytest.mark.parametrize("model", EXPECTED["predict"])
def test_predict_answers_as_it_did(client, call, model):
    out = answered(call, "predict", "--model", model, "--json", *EXPECTED["texts"])

    same_answers([json.loads(line) for line in out.splitlines()], model)


def test_compare_finds_what_it_found(client, call):
    found, then = json.loads(answered(call, "compare", "--json", *EXPECTED["compare"]["runs"])), EXPECTED["compare"]

    assert found["runs"] == then["found"]["runs"]
    assert found["predictions"] == then["found"]["predictions"]


@pytest.mark.parametrize("name", EXPECTED["explained"])
def test_explain_shows_what_was_explained_and_explains_nothing_anew(client, call, name):
    kept = Path(client.get_run(RUNS[name]).info.artifact_uri.removeprefix("file://"), "explanations.json")
    before = kept.stat().st_mtime_ns
    reviews = EXPECTED["explained"][name]["reviews"]
    out = answered(call, "explain", "--run", RUNS[name][:12], "--id", *reviews)

    for review, explanation in reviews.items():
        assert review in out
        assert f"{explanation['margin']:+.2f}" in out
    assert kept.stat().st_mtime_ns == before


def test_study_shows_the_search(client, call):
    out, won = answered(call, "study", "rnn"), EXPECTED["tuned"]["provenance"]

    assert won["study"] in out
    for trial in EXPECTED["trials"].values():
        assert f"{trial['best_val_loss']:.4f}" in out


def test_mlflow_loads_logged_models_with_the_code_they_carry(client, tmp_path):
    arguments = []
    for name in ("lstm seed 2", "bert-frozen seed 1"):
        [output] = client.get_run(RUNS[name]).outputs.model_outputs
        arguments += [name.partition(" ")[0], f"models:/{output.model_id}"]
    mine = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    answers = subprocess.check_output(
        [sys.executable, "-c", LOAD, *arguments],
        input=json.dumps(EXPECTED["texts"]),
        cwd=tmp_path,
        env=mine | {"MLFLOW_DISABLE_TELEMETRY": "true"},
        text=True,
        timeout=300,
    )

    for name, found in json.loads(answers.splitlines()[-1]).items():
        same_answers(found, name)


def test_run_skips_what_is_finished_and_goes_on_with_what_was_interrupted(call, tmp_path, monkeypatch):
    client = go_to(extracted(tmp_path), monkeypatch)
    move_checkpoints_here()
    before = {name: client.get_run(RUNS[name]).info for name in RUNS}
    answered(call, "run", "all", "--seed", "1", "--device", "cpu")
    ended = client.get_run(RUNS[INTERRUPTED])

    assert len(client.search_runs([ended.info.experiment_id], "tags.`benchmark.kind` = 'run'")) == len(RUNS)
    for name in RUNS.keys() - {INTERRUPTED}:
        assert client.get_run(RUNS[name]).info.end_time == before[name].end_time
    assert (before[INTERRUPTED].status, ended.info.status) == ("KILLED", "FINISHED")
    assert ended.data.metrics["total_seconds"] > 1e6  # the checkpoint was gone on with
    for key, value in EXPECTED["undisturbed"].items():  # scores of 60 reviews: one may fall otherwise elsewhere
        assert ended.data.metrics[key] == pytest.approx(value, abs=1e-3 if "loss" in key else 0.02), key
