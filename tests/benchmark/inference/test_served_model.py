"""A logged model as its users have it: MLflow loads and serves it where our package is not installed."""

import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType

import mlflow.pyfunc
import numpy as np
import pytest
import requests
import torch
import yaml
from mlflow import MlflowClient

from benchmark.tracking.logged_model import EXAMPLES, requirements, save_pyfunc
from benchmark.tracking.store import TrackingStore
from models.registry import model_names
from models.saved import read_saved_model, save_classifier
from tests.helpers.trained import Trained, record

ROOT = Path(__file__).resolve().parents[3]
PATIENCE = 100  # seconds after which a process that should have answered counts as hanging

ANSWER = [("label", "string"), ("probability_negative", "double"), ("probability_positive", "double")]

# Run by an interpreter that cannot find our packages: the checkout and its finders are taken off the path.
ELSEWHERE = """
import importlib.util, json, os, sys
ours = ("benchmark", "models", "data_pipeline")
sys.path = [entry for entry in sys.path if not os.path.isdir(os.path.join(entry, ours[-1]))]
sys.meta_path = [finder for finder in sys.meta_path if "editable" not in repr(finder).lower()]
found = [importlib.util.find_spec(name) for name in ours]
assert [spec for spec in found if spec and spec.origin] == []  # a wheel has a folder `benchmark` that is no package
path = list(sys.path)

import mlflow.pyfunc
model = mlflow.pyfunc.load_model(sys.argv[1])
answers = model.predict(json.load(sys.stdin))

assert not set(ours) & set(sys.modules)
assert sys.path == path
carried = [module for name, module in sys.modules.items() if name.startswith("sentiment_model_")]
files = [file for module in carried if (file := getattr(module, "__file__", None))]
print(json.dumps({"answers": answers.to_dict("list"), "files": files, "model_id": model.metadata.model_id}))
"""


# After a plugin's imports: a network that always gives the same margin.
CONSTANT = """
import torch

class Constant(Classifier):
    def __init__(self):
        super().__init__()
        self.unused = torch.nn.Linear(1, 1, bias=False)

    def forward(self, batch):
        return torch.tensor([[0.0, {shift}]]).expand(len(batch.lengths), 2)

@register_model("constant", config=ModelConfig, tokenizer="word")
def build(config, context):
    return Constant()
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
    [location] = {file.partition("/code/")[0] for file in found["files"]}
    assert Path(location, "MLmodel").is_file()
    assert ROOT not in Path(location).parents
    assert done.stderr == ""


def test_the_commands_of_the_readme_serve_it_over_http(lstm, store_uri, tmp_path, environment):
    """They are run as printed, in the folder of the store, with this model's address and a free port."""
    block = re.search(r"## Serving.*?```\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    assert block is not None
    run_id = record(TrackingStore(store_uri, tmp_path / "cache"), lstm)
    [output] = MlflowClient(store_uri).get_run(run_id).outputs.model_outputs
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    export, serve, curl = block[1].replace("m-...", output.model_id).replace("5001", port).splitlines()
    url, kind, body = (shlex.split(curl)[place] for place in (1, 3, 5))
    environment |= {"PATH": f"{Path(sys.executable).parent}:{environment['PATH']}"}
    del environment["MLFLOW_TRACKING_URI"]
    with (tmp_path / "server.log").open("w+") as log:
        server = subprocess.Popen(
            ["sh", "-c", f"{export}\nexec {serve}"],
            cwd=tmp_path,
            env=environment,
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
            headers = dict([kind.split(": ")])
            printed = requests.post(url, body, headers=headers, timeout=PATIENCE)
            answer = requests.post(url, json={"inputs": lstm.texts}, timeout=PATIENCE)
        finally:
            os.killpg(server.pid, signal.SIGKILL)  # its workers too
            server.wait()
    assert printed.status_code == answer.status_code == 200, printed.text
    first, missing = printed.json()["predictions"]
    assert first["label"] in {"negative", "positive"}
    assert set(missing.values()) == {None}
    answers = answer.json()["predictions"]
    assert np.array_equal([line["probability_positive"] for line in answers], probabilities(lstm))


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
        carried = {name.split("/", 1)[1] for name in files if name.startswith("code/")}
        assert {name for name in carried if not name.startswith(("data_pipeline/", "models/"))} == {
            f"benchmark/{name}.py" for name in ("__init__", "inference/__init__", "inference/classifier")
        }
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

    def test_it_says_what_it_answers_and_no_path_of_this_machine(self, saved, lstm):
        text = (saved / "MLmodel").read_text()
        signature = yaml.safe_load(text)["signature"]

        assert [(each["name"], each["type"]) for each in json.loads(signature["outputs"])] == ANSWER
        assert signature["inputs"] is None  # with one MLflow refuses lists of texts
        assert str(ROOT) not in text
        assert str(lstm.bundle.parent) not in text

    def test_saving_runs_no_network_and_takes_no_file_of_the_working_directory(self, lstm, tmp_path, monkeypatch):
        monkeypatch.setattr("models.saved.load_classifier", lambda *_: pytest.fail("the network was built"))
        (tmp_path / "uv.lock").write_text("version = 1")
        monkeypatch.chdir(tmp_path)
        save_pyfunc(tmp_path / "saved", lstm.bundle)

        assert not list((tmp_path / "saved").rglob("uv.lock"))


def positive(model, texts) -> list[float]:
    return model.predict(texts)["probability_positive"].tolist()


class TestOwnCode:
    """Each model runs the code it carries, whatever else the process has loaded."""

    @pytest.mark.parametrize(
        ("name", "file", "old", "new"),
        [
            ("lstm", "benchmark/inference/classifier.py", ".double().softmax", ".double().mul(0).softmax"),
            ("lstm", "models/saved.py", "model.eval()", "model.eval().requires_grad_(False).apply(zero)"),
            ("bert-frozen", "models/cpu_kernels.py", "module, query, key", "module, query * 0, key"),
        ],
    )
    def test_two_models_whose_code_differs_answer_each_with_its_own(self, trained_as, tmp_path, name, file, old, new):
        trained = trained_as(name)
        save_pyfunc(tmp_path / "saved", trained.bundle)
        other = Path(shutil.copytree(tmp_path / "saved", tmp_path / "other"))
        code = (other / "code" / file).read_text()
        assert old in code
        zero = "\n\ndef zero(module):\n    [weights.zero_() for weights in module.parameters()]\n"
        (other / "code" / file).write_text(code.replace(old, new) + zero)
        first, second = (mlflow.pyfunc.load_model(str(folder)) for folder in (tmp_path / "saved", other))

        assert positive(first, trained.texts) == probabilities(trained).tolist()
        assert positive(second, trained.texts) != probabilities(trained).tolist()

    def test_an_application_keeps_its_own_modules_of_these_names(self, saved, lstm, monkeypatch):
        own = {name: ModuleType(name) for name in ("benchmark", "models", "data_pipeline")}
        for name, module in own.items():
            monkeypatch.setitem(sys.modules, name, module)
        path = list(sys.path)
        model = mlflow.pyfunc.load_model(str(saved))

        assert positive(model, lstm.texts) == probabilities(lstm).tolist()
        assert {name: sys.modules[name] for name in own} == own
        assert sys.path == path

    @pytest.mark.parametrize(
        "imports",
        [
            "from models.classifier import Classifier\nfrom models.registry import ModelConfig, register_model",
            "import models.classifier, models.registry as registry\nfrom models import classifier\n"
            "Classifier, ModelConfig = models.classifier.Classifier, registry.ModelConfig\n"
            "register_model = registry.register_model",
            "from benchmark import Classifier, ModelConfig, register_model",
        ],
    )
    def test_two_versions_of_a_plugin_are_two_models(self, lstm, tmp_path, imports):
        folders = [plugin_model(lstm, tmp_path / each, imports, shift) for each, shift in (("a", 0.0), ("b", 1.0))]
        first, second = (mlflow.pyfunc.load_model(str(folder)) for folder in folders)
        none, shifted = positive(first, list(EXAMPLES)), positive(second, list(EXAMPLES))

        assert none == [0.5, 0.5]
        assert shifted == pytest.approx([torch.sigmoid(torch.tensor(1.0)).item()] * 2)
        assert "constant" not in model_names()


def plugin_model(lstm: Trained, folder: Path, imports: str, shift: float) -> Path:
    """Save a model of a plugin's own, whose margin is always `shift`, with the LSTM's tokenizer."""
    bundle = Path(shutil.copytree(lstm.bundle, folder / "bundle"))
    (bundle / "plugin.py").write_text(f"{imports}\n{CONSTANT.format(shift=shift)}")
    settings = read_saved_model(bundle).model_copy(update={"model": {"name": "constant"}})
    network = torch.nn.Linear(1, 1, bias=False)  # the plugin's, under the name of its weights
    save_classifier(bundle, settings, torch.nn.ModuleDict({"unused": network}))
    save_pyfunc(folder / "saved", bundle)
    return folder / "saved"
