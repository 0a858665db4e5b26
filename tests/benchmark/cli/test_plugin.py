"""A model of the user's own: one file, named in experiments.yaml, through the same pipeline, trainer and record."""

import json
import os
import re
import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
from mlflow import MlflowClient

from benchmark.cli.main import main
from benchmark.config.errors import ConfigError
from benchmark.config.load import load_suite, parse_assignments
from benchmark.config.schema import run_from_settings
from benchmark.plan.plan import make_plan
from benchmark.tracking.store import TrackingStore
from models import plugins
from models.plugins import load_plugin
from models.registry import get_model_spec
from models.saved import SavedModelError, load_classifier, read_saved_model
from tests.helpers.facts import assert_names, error_lines
from tests.helpers.recorded import NOWHERE
from tests.helpers.shell import Shell, rows

ROOT = Path(__file__).resolve().parents[3]
PLUGIN = """
from models.registry import ModelConfig, register_model

class Config(ModelConfig):
    width: int = 3

@register_model({name!r}, config=Config, tokenizer="word")
def build(config, context):
    raise NotImplementedError
"""
# A network that fails where `pass` is replaced.
FAILING = """
import torch
from models.classifier import Classifier
from models.registry import ModelConfig, register_model

class Failing(Classifier):
    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(2))

    def forward(self, batch):
        pass  # forward
        return self.weight.expand(len(batch), 2)

def prepare(network, batches):
    pass  # prepare

@register_model("failing", config=ModelConfig, tokenizer="word", prepare=prepare)
def build(config, context):
    pass  # build
    return Failing()
"""


@pytest.fixture
def with_plugin(write_config, tmp_path):
    """`with_plugin("a.py", code, model)` writes the plugin and an experiments.yaml that has one run of its model."""

    def write(file: str, code: str, model: str, **settings) -> Path:
        (tmp_path / file).write_text(code, encoding="utf-8")
        experiment = {
            "model": {"name": model, **settings},
            "training": {"epochs": 2, "learning_rate": 0.05, "precision": "fp32"},
        }
        profiles = {"quick": {"experiments": ["mine"]}}
        return write_config(plugin=file, experiments={"mine": experiment}, profiles=profiles)

    return write


def test_the_model_of_the_readme_is_trained_and_tabled(with_plugin, store_uri, tmp_path):
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    [code] = [block for block in blocks if "register_model(" in block]
    assert len([line for line in code.splitlines() if line.strip()]) <= 13
    with_plugin("models.py", code, "bag")
    shell = Shell(tmp_path)
    done = shell.call("run", "mine")
    (run,) = shell.recorded("quick")

    assert done.status == 0, done.err
    assert rows(done.out)["mine"][0] == "1 of 1"
    assert float(rows(done.out)["mine"][1]) > 60  # a third of a review's words tell its label
    artifacts = {entry.path for entry in MlflowClient(store_uri).list_artifacts(run.info.run_id)}
    assert "plugin.py" in artifacts
    assert run.data.params["plugin"] == str(tmp_path / "models.py")

    (tmp_path / "models.py").unlink()  # the logged model carries its own copy
    answered = shell.call("predict", "--model", "mine", "--json", "wonderful brilliant superb", "awful boring dull")
    assert [json.loads(line)["label"] for line in answered.out.splitlines()] == ["positive", "negative"], answered.err

    (tmp_path / "models.py").write_text(f"{code}\n# changed\n")  # old weights, new code
    load_plugin(tmp_path / "models.py")
    bundle = TrackingStore(store_uri, tmp_path / "cache").model_bundle(run.info.run_id, tmp_path / "bundle")
    with pytest.raises(SavedModelError) as refused:
        load_classifier(bundle, read_saved_model(bundle))
    assert_names(refused, "models.py", "plugin.py")


@pytest.mark.parametrize("place", ["build", "prepare", "forward"])
def test_an_exception_in_it_is_shown_with_its_file_line_and_code(with_plugin, store_uri, tmp_path, place):
    code = FAILING.replace(f"pass  # {place}", "return {}['no such key']")
    line = code[: code.index("no such key")].count("\n") + 1
    with_plugin("models.py", code, "failing")
    shell = Shell(tmp_path)
    done = shell.call("run", "mine")
    (run,) = shell.recorded("quick")
    trace = Path(shell.client.download_artifacts(run.info.run_id, "error.txt", str(tmp_path))).read_text()

    assert done.status == 1
    assert_names(done.err, f"{tmp_path / 'models.py'}, line {line}, in {place}: return {{}}['no such key']")
    assert_names(done.err, "KeyError: 'no such key'", "error.txt", run.info.run_id)
    assert_names(trace, "Traceback", f'models.py", line {line}', "trainer.py" if place == "forward" else "run.py")


def test_its_code_is_part_of_a_runs_identity(with_plugin, tmp_path):
    path = with_plugin("coded.py", PLUGIN.format(name="coded"), "coded")
    before = make_plan(load_suite(path), NOWHERE).runs[0].fingerprint
    again = make_plan(load_suite(path), NOWHERE).runs[0].fingerprint
    with (tmp_path / "coded.py").open("a") as file:
        file.write("# changed\n")

    assert again == before
    assert make_plan(load_suite(path), NOWHERE).runs[0].fingerprint != before


@pytest.mark.parametrize(
    ("code", "settings", "fact"),
    [
        ("raise ValueError('not today')", {}, "ValueError: not today"),
        ("import math\n\nlimit = math.sqrt(-1)", {}, "bad.py, line 3, in <module>: limit = math.sqrt(-1)"),
        ("import no_such_package", {}, "no_such_package"),
        ("def broken(:", {}, "SyntaxError"),
        (PLUGIN.format(name="lstm"), {}, "lstm"),
        (PLUGIN.format(name="checked"), {"model": "checked", "widht": 4}, "experiments.mine.model.widht"),
    ],
)
def test_a_plugin_that_does_not_load_or_fit_its_settings_is_refused(with_plugin, capsys, code, settings, fact):
    path = with_plugin("bad.py", code, **({"model": "lstm"} | settings))

    assert main(["validate", str(path)]) == 2
    [line] = error_lines(capsys.readouterr().err)
    assert_names(line, path, fact)


def test_settings_of_every_type_that_a_file_can_write_are_taken_recorded_and_read_back(
    with_plugin, tmp_path, monkeypatch
):
    code = """
from enum import Enum
from pathlib import Path
from typing import Literal
from models.registry import ModelConfig, register_model

class Kind(Enum):
    CNN = "cnn"

class Config(ModelConfig):
    widths: tuple[int, ...] = ()
    marks: set[str] = set()
    sizes: frozenset[int] = frozenset()
    kind: Kind | None = None
    side: Literal["left", "right"] = "left"
    vectors: Path | None = None
    scale: float = 1.0

@register_model("typed", config=Config, tokenizer="word")
def build(config, context):
    raise NotImplementedError
"""
    written = {"widths": [3, 4], "marks": list("edcba"), "sizes": [9, 8], "kind": "cnn", "side": "right", "scale": 2}
    path = with_plugin("typed.py", code, "typed", **written, vectors="glove.txt")
    monkeypatch.chdir(tmp_path.parent)
    options = parse_assignments(["mine.model.widths=[5, 6]", "mine.model.sizes=[2, 1]"])
    for suite, widths in ((load_suite(path), (3, 4)), (load_suite(path, settings=options), (5, 6))):
        run = suite.runs()[0]
        model = run.experiment.model

        assert (model.widths, model.marks, model.side) == (widths, set("abcde"), "right")
        assert (model.kind.value, model.vectors) == ("cnn", tmp_path / "glove.txt")
        assert run.settings()["model"]["marks"] == list("abcde")  # in one order: it is part of the fingerprint
        assert run_from_settings(json.loads(json.dumps(run.settings()))).experiment == run.experiment
        assert get_model_spec("typed").config_class.from_plain(run.settings()["model"]) == model
    with pytest.raises(ConfigError) as refused:
        load_suite(path, settings={"mine.model.widths": [1, "x"]})
    assert_names(refused, "mine.model.widths[1]", "'x'")


@pytest.mark.parametrize("file", ["missing.py", "."])
def test_a_plugin_that_is_not_there_is_refused(write_config, tmp_path, capsys, file):
    path = write_config(plugin=file)

    assert main(["validate", str(path)]) == 2
    [line] = error_lines(capsys.readouterr().err)
    assert_names(line, f"{path}: plugin", tmp_path / file)


def test_an_installed_package_announces_its_models_by_an_entry_point(tmp_path):
    (tmp_path / "announced.py").write_text(PLUGIN.format(name="announced"))
    info = tmp_path / "announced-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: announced\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[imdb_sentiment_benchmark.models]\nannounced = announced\n")
    found = subprocess.run(
        [sys.executable, "-c", "from models.registry import model_names; print(*model_names())"],
        env=os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{tmp_path}"},
        capture_output=True,
        text=True,
        check=True,
    )

    assert {"lstm", "announced"} <= set(found.stdout.split())


def test_an_installed_package_that_is_broken_is_named(write_config, capsys, monkeypatch):
    entry = EntryPoint("broken", "no_such_package", "imdb_sentiment_benchmark.models")
    monkeypatch.setattr(plugins, "entry_points", lambda group: [entry])
    plugins.load_entry_points.cache_clear()

    assert main(["validate", str(write_config())]) == 2
    [line] = error_lines(capsys.readouterr().err)
    assert_names(line, "broken", "ModuleNotFoundError", "no_such_package")


def test_a_setting_called_encoder_that_names_none_is_a_setting_like_others(with_plugin):
    code = PLUGIN.format(name="convolving").replace("width: int = 3", 'encoder: str = "cnn"')
    path = with_plugin("convolving.py", code, "convolving")
    marks = {
        make_plan(load_suite(path, settings={"mine.model.encoder": kind}), NOWHERE).runs[0].fingerprint
        for kind in ("cnn", "gru")
    }

    assert len(marks) == 2
