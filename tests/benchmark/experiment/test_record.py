"""What a finished run of each model has on record, in a real MLflow store."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from mlflow import MlflowClient
from mlflow.entities import Run
from sklearn import metrics

from benchmark.config.schema import run_from_settings
from benchmark.experiment import run as run_module
from benchmark.experiment.artifacts import part_digest
from benchmark.experiment.run import Outcome, run_experiment
from benchmark.inference.classifier import SentimentClassifier
from benchmark.plan.plan import Plan, PlannedRun
from benchmark.plan.workspace import Workspace
from benchmark.tracking.records import Status
from benchmark.tracking.store import TrackingStore
from benchmark.tracking.tags import run_tags
from benchmark.training.progress import Progress
from benchmark.training.trainer import Trainer
from data_pipeline.errors import DataError
from data_pipeline.load import load_corpus
from data_pipeline.pipeline import Part
from tests.helpers.trained import MODELS, SIZES, run_of

CONDITIONS = {"config.yaml", "environment.json", "constraints.txt"}
ARTIFACTS = CONDITIONS | {"predictions.parquet", "learning_curve.png", "confusion_matrix.png"}


class Watching(Progress):
    """Counts, phase by phase, the reviews that were announced and those that came."""

    def __init__(self) -> None:
        super().__init__()
        self.phases: list[list[Any]] = []

    def start(self, phase: str, total: int) -> None:
        self.phases.append([phase, total, 0])

    def advance(self, reviews: int, note: str = "") -> None:
        self.phases[-1][2] += reviews


class WatchedTrainer(Trainer):
    """Notes the reviews of each part that it is given, and for what."""

    used: ClassVar[list[tuple[str, tuple[str, ...]]]] = []

    def fit(self, train: Part, val: Part, *rest: Any, **settings: Any) -> Any:
        self.used[:] = [("train", train.ids), ("val", val.ids)]
        return super().fit(train, val, *rest, **settings)

    def predict(self, part: Part, *rest: Any) -> Any:
        self.used.append(("predict", part.ids))
        return super().predict(part, *rest)


@dataclass(frozen=True)
class Recorded:
    """A finished run, what it returned and what MLflow has of it."""

    planned: PlannedRun
    outcome: Outcome
    used: list[tuple[str, tuple[str, ...]]]
    phases: list[list[Any]]
    run: Run
    client: MlflowClient
    artifacts: Path
    bundle: Path

    @property
    def metrics(self) -> dict[str, float]:
        return dict(self.run.data.metrics)

    def history(self, key: str) -> list[tuple[int, float]]:
        return [(metric.step, metric.value) for metric in self.client.get_metric_history(self.run.info.run_id, key)]

    def predictions(self) -> pd.DataFrame:
        return pd.read_parquet(self.artifacts / "predictions.parquet")


@pytest.fixture(scope="module")
def all_recorded() -> dict[str, Recorded]:
    """The runs done so far: each model runs once for all the tests that only look."""
    return {}


@pytest.fixture
def start(store_uri: str, tmp_path: Path) -> Callable[..., Any]:
    """`start(plan, "rnn")` is its run in the store, begun."""

    def begin(made: Plan, name: str) -> Any:
        planned, store = run_of(made, name), TrackingStore(store_uri, tmp_path / "cache")
        tags = run_tags(parent=store.open_plan(made.record), experiment=name, seed=1, fingerprint=planned.fingerprint)
        return planned, store, store.start_run("quick", planned.config.name, tags)

    return begin


@pytest.fixture(params=MODELS)
def recorded(request, all_recorded, plan, start, store_uri, tmp_path, monkeypatch) -> Recorded:
    """The model's run, finished and recorded."""
    name = request.param
    if name not in all_recorded:
        monkeypatch.setattr(run_module, "Trainer", WatchedTrainer)
        (planned, store, tracker), progress = start(plan(), name), Watching()
        outcome = run_experiment(planned, Workspace(store_uri, tmp_path / "cache", "cpu"), tracker, progress)
        tracker.finish(Status.FINISHED)
        client = MlflowClient(store_uri)
        all_recorded[name] = Recorded(
            planned,
            outcome,
            list(WatchedTrainer.used),
            progress.phases,
            client.get_run(tracker.run_id),
            client,
            Path(client.download_artifacts(tracker.run_id, "", str(tmp_path))),
            store.model_bundle(tracker.run_id, tmp_path / "model"),
        )
    return all_recorded[name]


class TestRecord:
    def test_every_setting_is_a_param_and_the_logged_ones_make_the_same_run_again(self, recorded):
        params, config = recorded.run.data.params, recorded.planned.config
        settings = pd.json_normalize(config.settings()).iloc[0].to_dict()

        assert params == {key: str(value) for key, value in settings.items()}
        assert params["model.name"] == params["experiment"] == config.experiment_name
        assert (params["seed"], params["data.train_size"], params["training.precision"]) == ("1", "200", "fp32")
        logged = yaml.safe_load((recorded.artifacts / "config.yaml").read_text(encoding="utf-8"))
        assert run_from_settings(logged) == config

    def test_each_epoch_is_in_the_history_and_the_one_of_the_lowest_val_loss_is_chosen(self, recorded):
        epochs, found = recorded.outcome.fit.epochs, recorded.metrics

        assert [epoch.epoch for epoch in epochs] == [1, 2]
        for key in ("train/loss", "train/learning_rate", "train/seconds", "val/loss", "val/accuracy", "val/seconds"):
            value = "learning_rate" if key == "train/learning_rate" else key.replace("/", "_")
            assert recorded.history(key) == [(epoch.epoch, getattr(epoch, value)) for epoch in epochs]
        best = min(epochs, key=lambda epoch: epoch.val_loss)
        assert (found["best_epoch"], found["best_val_loss"]) == (best.epoch, best.val_loss)
        assert found["best_val_accuracy"] == best.val_accuracy

    def test_test_scores_can_be_worked_out_again_from_the_predictions(self, recorded):
        table, found = recorded.predictions(), recorded.metrics
        difference = (table["logit_positive"] - table["logit_negative"]).astype(float)
        positive = 1 / (1 + np.exp(-difference))

        assert {key: value for key, value in found.items() if key.startswith("test/")} == pytest.approx(
            {
                "test/accuracy": metrics.accuracy_score(table["label"], difference > 0),
                "test/f1": metrics.f1_score(table["label"], difference > 0),
                "test/f1_negative": metrics.f1_score(table["label"], difference > 0, pos_label=0),
                "test/balanced_accuracy": metrics.balanced_accuracy_score(table["label"], difference > 0),
                "test/roc_auc": metrics.roc_auc_score(table["label"], positive),
                "test/log_loss": metrics.log_loss(table["label"], positive),
            },
            abs=1e-6,
        )
        assert {key: found[key] for key in recorded.outcome.metrics} == recorded.outcome.metrics
        logits = table[["logit_negative", "logit_positive"]].to_numpy()
        assert np.array_equal(logits, recorded.outcome.predictions.logits)

    def test_unknown_tokens_are_on_record_for_each_part(self, recorded):
        found = {key: value for key, value in recorded.metrics.items() if key.startswith(("unknown", "unreadable"))}

        kinds = ("unknown_tokens", "unreadable_reviews")
        assert found == dict.fromkeys([f"{kind}/{part}" for kind in kinds for part in SIZES], 0.0)

    def test_predictions_stand_beside_the_reviews_they_are_of(self, recorded):
        table, reviews = recorded.predictions(), load_corpus(recorded.planned.config.data).test
        special = 2 if recorded.planned.config.experiment_name.startswith("bert") else 0

        assert table["id"].tolist() == [review.id for review in reviews]
        assert table["label"].tolist() == [review.label for review in reviews]
        # Made-up reviews are words between blanks; the word tokenizer drops none and cuts none in two.
        assert table["tokens"].tolist() == [len(review.text.split()) + special for review in reviews]
        assert table["truncated"].tolist() == (table["tokens"] > 40).tolist()
        assert 0 < table["truncated"].sum() < 60
        assert not table["also_in_train"].any()

    def test_every_artifact_is_there(self, recorded):
        listed = recorded.client.list_artifacts(recorded.run.info.run_id)

        assert {entry.path for entry in listed} == ARTIFACTS
        assert all((recorded.artifacts / name).stat().st_size > 0 for name in ARTIFACTS)

    def test_the_parts_it_read_are_dataset_inputs(self, recorded):
        corpus = load_corpus(recorded.planned.config.data)
        inputs = {entry.tags[0].value: entry.dataset for entry in recorded.run.inputs.dataset_inputs}

        assert {split: json.loads(dataset.profile)["num_rows"] for split, dataset in inputs.items()} == SIZES
        for split, dataset in inputs.items():
            assert dataset.name == f"{corpus.name}, {split}"
            assert part_digest(corpus.parts[split]).startswith(dataset.digest)
            assert json.loads(dataset.source)["split_fingerprint"] == corpus.split_fingerprint

    def test_machine_packages_and_fingerprints_are_on_record(self, recorded):
        machine = json.loads((recorded.artifacts / "environment.json").read_text(encoding="utf-8"))
        packages = (recorded.artifacts / "constraints.txt").read_text(encoding="utf-8").splitlines()
        corpus, tags = load_corpus(recorded.planned.config.data), recorded.run.data.tags

        assert machine["torch"] == tags["torch"] == torch.__version__
        assert machine["threads"] == str(torch.get_num_threads())
        assert machine["processor"] in tags["hardware"]
        assert (tags["device"], tags["precision"]) == ("cpu", "fp32")
        assert 100 < recorded.metrics["peak_memory_mib"] < 100_000
        assert f"torch=={torch.__version__}" in packages
        assert all("==" in line for line in packages[1:])
        assert tags["benchmark.fingerprint"] == recorded.planned.fingerprint
        assert tags["corpus_fingerprint"] == corpus.fingerprint
        assert tags["split_fingerprint"] == corpus.split_fingerprint
        assert tags["corpus"] == corpus.name

    def test_each_phase_is_timed(self, recorded):
        found, epochs = recorded.metrics, recorded.outcome.fit.epochs
        phases = {"tokenize_seconds", "train_seconds", "val_seconds", "test_seconds"}
        if recorded.planned.config.experiment_name == "bert-frozen":
            phases |= {"features_seconds"}

        assert {key for key in found if key.endswith("_seconds")} == phases | {"total_seconds", "tracking_seconds"}
        assert all(found[phase] > 0 for phase in phases)
        assert sum(found[phase] for phase in phases) <= found["total_seconds"]
        assert found["train_seconds"] == pytest.approx(sum(epoch.train_seconds for epoch in epochs))

    def test_parameters_are_counted_all_and_trained(self, recorded):
        words = (35 + 2) * 16  # 35 words, the padding and the unknown one
        gate, output, attention = 2 * 16 * 16 + 2 * 16, 2 * 16 + 2, 16 * 8 + 8 + 8
        layer = 4 * (32 * 32 + 32) + (32 * 64 + 64) + (64 * 32 + 32) + 2 * 2 * 32
        encoder = (40 + 64 + 2) * 32 + 2 * 32 + 2 * layer
        wide_head, head = (3 * 32 * 8 + 8) + (8 * 2 + 2), (32 * 8 + 8) + (8 * 2 + 2)
        expected = {
            "rnn": (words + gate + output, words + gate + output),
            "lstm": (words + 4 * gate + output, words + 4 * gate + output),
            "bert-frozen": (encoder + wide_head, wide_head),  # means of embeddings and both layers side by side
            "bert-finetuned": (encoder + head, encoder + head),
            "lstm-attention": (words + 4 * gate + attention + output,) * 2,
            "bow": (2000 + 1, 2000 + 1),  # a weight for each n-gram that it has room for
        }
        found = recorded.metrics["parameters_total"], recorded.metrics["parameters_trainable"]

        assert found == expected[recorded.planned.config.experiment_name]

    def test_each_part_of_the_one_split_is_used_for_its_purpose_and_announced(self, recorded):
        corpus = load_corpus(recorded.planned.config.data)
        ids = {name: tuple(review.id for review in reviews) for name, reviews in corpus.parts.items()}

        assert {name: len(reviews) for name, reviews in ids.items()} == SIZES
        assert len(set().union(*ids.values())) == sum(SIZES.values())
        assert recorded.used == [
            *[("train", ids["train"]), ("val", ids["val"])],
            *[("predict", ids["val"]), ("predict", ids["val"]), ("predict", ids["test"])],
        ]
        assert recorded.phases
        assert all(done == total for _, total, done in recorded.phases), recorded.phases

    def test_the_logged_model_gives_new_texts_the_recorded_test_predictions(self, recorded):
        texts = [review.text for review in load_corpus(recorded.planned.config.data).test]
        logits = SentimentClassifier(recorded.bundle, torch.device("cpu")).logits(texts)

        assert np.array_equal(logits, recorded.outcome.predictions.logits)
        assert f"{100 * recorded.metrics['test/f1']:.2f} %" in (recorded.bundle / "README.md").read_text()

    def test_the_same_run_again_gives_the_same_predictions(self, recorded, run):
        first, again = recorded.outcome, run(recorded.planned.config.experiment_name)

        assert np.array_equal(again.predictions.logits, first.predictions.logits)
        assert [epoch.val_loss for epoch in again.fit.epochs] == [epoch.val_loss for epoch in first.fit.epochs]
        assert [epoch.train_loss for epoch in again.fit.epochs] == [epoch.train_loss for epoch in first.fit.epochs]


def test_a_run_that_cannot_read_its_data_leaves_its_status_to_its_caller(plan, start, store_uri, tmp_path):
    planned, _, tracker = start(plan(), "rnn")
    gone = planned.config.settings() | {"data": planned.config.data.model_dump() | {"path": tmp_path / "gone.csv"}}
    workspace = Workspace(store_uri, tmp_path / "cache", "cpu")

    with pytest.raises(DataError, match=r"gone\.csv"):
        run_experiment(PlannedRun(run_from_settings(gone), "f", "fp32"), workspace, tracker, Progress())

    (record,) = TrackingStore(store_uri, tmp_path / "cache").runs("quick")
    assert record.status is Status.RUNNING
