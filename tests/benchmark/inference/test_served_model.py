"""A logged model as its users have it: MLflow loads and serves it where our package is not installed."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import mlflow.pyfunc
import numpy as np
import pandas as pd
import pytest
import requests
import torch
import yaml
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from benchmark.tracking.logged_model import EXAMPLES, requirements, save_pyfunc
from benchmark.tracking.store import TrackingStore
from tests.helpers.trained import Trained, record

ROOT = Path(__file__).resolve().parents[3]
PATIENCE = 100  # seconds after which a process that should have answered counts as hanging

SIGNATURE = {
    "inputs": [("text", "string")],
    "outputs": [("label", "string"), ("probability_negative", "double"), ("probability_positive", "double")],
}

# Run by an interpreter that cannot find our packages: the checkout and its finders are taken off the path.
ELSEWHERE = """
import importlib.util, json, os, sys
ours = ("benchmark", "models", "data_pipeline")
sys.path = [entry for entry in sys.path if not os.path.isdir(os.path.join(entry, ours[-1]))]
sys.meta_path = [finder for finder in sys.meta_path if "editable" not in repr(finder).lower()]
found = [importlib.util.find_spec(name) for name in ours]
assert [spec for spec in found if spec and spec.origin] == []  # a wheel has a folder `benchmark` that is no package

import mlflow.pyfunc, pandas
model = mlflow.pyfunc.load_model(sys.argv[1])
answers = model.predict(pandas.DataFrame({"text": json.load(sys.stdin)}))

import data_pipeline, models
assert "benchmark" not in sys.modules
files = [data_pipeline.__file__, models.__file__]
print(json.dumps({"answers": answers.to_dict("list"), "files": files, "model_id": model.metadata.model_id}))
"""


@pytest.fixture
def lstm(trained_as) -> Trained:
    return trained_as("lstm")


@pytest.fixture
def saved(lstm, tmp_path) -> Path:
    """An MLflow model on disk."""
    save_pyfunc(tmp_path / "saved", lstm.bundle)
    return tmp_path / "saved"


@pytest.fixture
def environment(store_uri) -> dict[str, str]:
    """What the processes of a user have; none has our checkout on its path."""
    mine = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "HF_HUB_OFFLINE": "1"}
    return {**mine, **quiet, "MLFLOW_TRACKING_URI": store_uri}


def probabilities(trained: Trained) -> np.ndarray:
    """Of the positive class, out of the trainer's own logits of the test part."""
    logits = torch.from_numpy(trained.predictions.logits).double()
    return logits.softmax(dim=1)[:, 1].numpy()


def test_it_loads_by_its_id_where_our_package_is_not_installed(trained_as, store_uri, tmp_path, environment):
    trained = trained_as("bert-frozen")
    run_id = record(TrackingStore(store_uri, tmp_path / "cache"), trained)
    [output] = MlflowClient(store_uri).get_run(run_id).outputs.model_outputs
    done = subprocess.run(
        [sys.executable, "-c", ELSEWHERE, f"models:/{output.model_id}"],
        input=json.dumps(trained.texts),
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])

    assert np.array_equal(found["answers"]["probability_positive"], probabilities(trained))
    assert found["model_id"] == output.model_id
    [location] = {Path(file).parents[1] for file in found["files"]}
    assert location.name == "code"
    assert (location.parent / "MLmodel").is_file()
    assert ROOT not in location.parents
    assert done.stderr == ""


def test_mlflow_serves_it_over_http(saved, lstm, tmp_path, environment):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    serve = ["-m", "mlflow", "models", "serve", "-m", str(saved), "--env-manager", "local", "-p", str(port)]
    # MLflow looks for the server's program on the PATH.
    path = {"PATH": f"{Path(sys.executable).parent}:{environment['PATH']}"}
    texts = {"dataframe_split": {"columns": ["text"], "data": [[text] for text in lstm.texts]}}
    with (tmp_path / "server.log").open("w+") as log:
        server = subprocess.Popen(
            [sys.executable, *serve],
            cwd=tmp_path,
            env=environment | path,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            end = time.monotonic() + PATIENCE
            while not _is_up(f"http://127.0.0.1:{port}/ping"):
                assert server.poll() is None, (tmp_path / "server.log").read_text()
                assert time.monotonic() < end, (tmp_path / "server.log").read_text()
                time.sleep(0.2)
            answer = requests.post(f"http://127.0.0.1:{port}/invocations", json=texts, timeout=PATIENCE)
        finally:
            os.killpg(server.pid, signal.SIGKILL)  # its workers too
            server.wait()
    assert answer.status_code == 200, answer.text
    answers = answer.json()["predictions"]

    assert np.array_equal([line["probability_positive"] for line in answers], probabilities(lstm))
    assert {line["label"] for line in answers} <= {"negative", "positive"}


def _is_up(url: str) -> bool:
    try:
        return requests.get(url, timeout=PATIENCE).ok
    except requests.ConnectionError:
        return False


class TestFolder:
    def test_nothing_in_it_is_pickled_or_left_over(self, saved, lstm):
        files = {path.relative_to(saved).as_posix() for path in saved.rglob("*") if path.is_file()}

        assert not [name for name in files if name.endswith((".pkl", ".pt", ".bin", ".pyc"))]
        assert {name for name in files if name.startswith("artifacts/")} == {
            f"artifacts/{lstm.bundle.name}/{name}"
            for name in ("README.md", "itos.json", "model.json", "weights.safetensors")
        }
        assert {name.split("/")[1] for name in files if name.startswith("code/")} == {"data_pipeline", "models"}
        assert {name for name in files if "/" not in name} == {
            *("MLmodel", "served_model.py", "requirements.txt", "conda.yaml", "python_env.yaml"),
            *("input_example.json", "serving_input_example.json"),
        }

    def test_it_names_the_packages_it_needs_and_no_more(self, saved):
        lines = (saved / "requirements.txt").read_text().splitlines()

        assert sorted(line.partition("==")[0] for line in lines) == sorted(
            ["mlflow", "torch", "numpy", "pandas", "pydantic", "safetensors", "filelock", "torchtext"]
        )
        assert all("==" in line and "+" not in line for line in lines)
        pieces = {line.partition("==")[0] for line in requirements("wordpiece")}
        assert {"transformers", "tokenizers"} <= pieces
        assert "torchtext" not in pieces

    def test_its_signature_is_a_text_and_three_answers_and_no_path_of_this_machine(self, saved, lstm):
        text = (saved / "MLmodel").read_text()
        sides = yaml.safe_load(text)["signature"]
        found = {side: [(each["name"], each["type"]) for each in json.loads(sides[side])] for side in SIGNATURE}

        assert found == SIGNATURE
        assert str(ROOT) not in text
        assert str(lstm.bundle.parent) not in text

    def test_saving_runs_no_network_and_takes_no_file_of_the_working_directory(self, lstm, tmp_path, monkeypatch):
        monkeypatch.setattr("models.saved.load_classifier", lambda *_: pytest.fail("the network was built"))
        (tmp_path / "uv.lock").write_text("version = 1")
        monkeypatch.chdir(tmp_path)
        save_pyfunc(tmp_path / "saved", lstm.bundle)

        assert not list((tmp_path / "saved").rglob("uv.lock"))


def test_texts_may_come_as_a_table_with_other_columns_a_series_a_list_or_a_dictionary(saved):
    model = mlflow.pyfunc.load_model(str(saved))

    def positive(texts):
        return model.predict(texts)["probability_positive"].tolist()

    expected = positive(pd.DataFrame({"text": EXAMPLES}))
    assert positive(pd.DataFrame({"id": [1, 2], "text": EXAMPLES}, index=[7, 3])) == expected  # in their order
    assert positive(pd.Series(EXAMPLES, name="text")) == expected
    assert positive({"text": EXAMPLES[0]}) == pytest.approx(expected[:1])
    unchecked = model.unwrap_python_model().predict(None, list(EXAMPLES))  # without MLflow's check of names
    assert unchecked["probability_positive"].tolist() == expected

    with pytest.raises(MlflowException, match="text"):
        model.predict(pd.DataFrame({"review": EXAMPLES}))
    for cell in (None, 3, float("nan")):
        with pytest.raises((MlflowException, ValueError)):
            model.predict(pd.DataFrame({"text": ["fine", cell]}))
