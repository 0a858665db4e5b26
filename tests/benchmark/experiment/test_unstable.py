"""A model that forgets in its second epoch what it learned: every reader of its run is warned."""

import csv
import io
import json
from pathlib import Path

import pytest

import benchmark
from benchmark.config.load import load_suite
from benchmark.experiment.run import run_experiment
from benchmark.plan.plan import make_plan
from benchmark.plan.workspace import Workspace
from benchmark.tracking.records import Status
from benchmark.tracking.tags import UNSTABLE, run_tags
from benchmark.training.progress import Progress
from tests.helpers.facts import assert_names
from tests.helpers.trained import run_of

pytestmark = pytest.mark.process

# In training it is sure of the wrong label once an epoch of 200 reviews in batches of 16 is over.
FORGETFUL = """
import torch
from models.classifier import Classifier
from models.registry import ModelConfig, register_model

class Forgetful(Classifier):
    def __init__(self, words):
        super().__init__()
        self.words = torch.nn.EmbeddingBag(words, 2)
        self.register_buffer("steps", torch.zeros((), dtype=torch.long))

    def forward(self, batch):
        logits = self.words(batch.input_ids)
        if self.training:
            self.steps += 1
            if self.steps > 13:
                return logits + 5.0 * torch.nn.functional.one_hot(1 - batch.labels, 2)
        return logits

@register_model("forgetful", config=ModelConfig, tokenizer="word")
def build(config, context):
    return Forgetful(context.vocab_size)
"""


@pytest.fixture
def suite(write_config, tmp_path):
    (tmp_path / "models.py").write_text(FORGETFUL, encoding="utf-8")
    training = {"epochs": 2, "batch_size": 16, "precision": "fp32"}
    experiment = {"model": {"name": "forgetful"}, "tokens": {"max_length": 40, "min_count": 1}, "training": training}
    profiles = {"quick": {"experiments": ["forgetful", "bow"]}}
    return load_suite(write_config(plugin="models.py", experiments={"forgetful": experiment}, profiles=profiles))


@pytest.fixture
def said(suite, store, store_uri, tmp_path) -> dict[str, str]:
    """What the runs of the forgetful model and of the baseline said, both recorded as `run` records them."""
    workspace = Workspace(store_uri, tmp_path / ".benchmark", "cpu")
    plan, lines = make_plan(suite, workspace), {}
    for name in suite.experiments:
        planned, stream = run_of(plan, name), io.StringIO()
        labels = run_tags(parent=store.open_plan(plan.record), experiment=name, seed=1, fingerprint=planned.fingerprint)
        tracker = store.start_run("quick", planned.config.name, labels)
        run_experiment(planned, workspace, tracker, Progress(stream))
        tracker.finish(Status.FINISHED)
        lines[name] = stream.getvalue()
    return lines


def test_run_tag_list_and_every_form_of_the_report_say_so(said, store, call):
    (warning,) = [line for line in said["forgetful"].splitlines() if "unstable" in line]
    assert_names(warning, "warning: ", "train/loss", "epoch 2", "training.learning_rate")
    assert "unstable" not in said["bow"]

    runs = {run.experiment: run for run in store.runs("quick")}
    assert runs["forgetful"].tags[UNSTABLE] == "2"
    assert UNSTABLE not in runs["bow"].tags
    assert all(run.status is Status.FINISHED for run in runs.values())  # the run counts

    assert call("list")[1].count("finished, unstable") == 1
    for form in ("terminal", "markdown", "latex", "html"):
        assert call("report", "--format", form, "--output", f"report.{form}")[0] == 0
        text = Path(f"report.{form}").read_text(encoding="utf-8")
        assert_names(text, "(unstable)", "Training of forgetful, seed 1, was unstable", "Unstable: train/loss")
    assert "finished, unstable" in text  # among the page's runs

    rows = json.loads(call("report", "--format", "json")[1])["rows"]
    assert {row["model"]: row["unstable_seeds"] for row in rows} == {"forgetful": [1], "bow": []}
    lines = list(csv.DictReader(io.StringIO(call("report", "--format", "csv")[1])))
    assert {line["model"]: line["unstable_seeds"] for line in lines} == {"forgetful": "1", "bow": ""}

    results = benchmark.load_results()
    assert list(results.table()["unstable_seeds"]) == ["1", ""]
    assert [line for line in results.findings if "unstable" in line]
    assert call("export", "out")[0] == 0
    assert benchmark.load_results(export="out").findings == results.findings
