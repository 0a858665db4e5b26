"""What is written of a finished run, and read back from it alone."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from benchmark.inference.classifier import SentimentClassifier
from data_pipeline.errors import DataError
from models.saved import SavedModelError
from tests.helpers.facts import assert_names
from tests.helpers.trained import Trained

CPU = torch.device("cpu")
WORD_FILES = {"README.md", "itos.json", "model.json", "weights.safetensors"}
WORD_PIECE_FILES = {"README.md", "model.json", "weights.safetensors", "encoder"}


@pytest.fixture(params=["lstm", "bert-frozen"])
def trained(request, trained_as) -> Trained:
    return trained_as(request.param)


class TestWhatItSays:
    def test_new_texts_get_the_trainers_logits_without_the_encoders_weights(self, trained, monkeypatch):
        monkeypatch.setattr("transformers.BertModel.from_pretrained", lambda *_, **__: pytest.fail("weights were read"))
        logits = SentimentClassifier(trained.bundle, CPU).logits(trained.texts)

        assert np.array_equal(logits, trained.predictions.logits)

    @pytest.mark.parametrize("name", ["rnn", "bert-finetuned"])
    def test_in_half_precision_as_well(self, trained_as, monkeypatch, name):
        monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: True)
        trained = trained_as(name, "training.precision=bf16")
        logits = SentimentClassifier(trained.bundle, CPU).logits(trained.texts)

        assert trained.planned.precision == "bf16"
        assert np.array_equal(logits, trained.predictions.logits)
        assert not np.array_equal(logits, trained_as(name).predictions.logits)

    def test_where_the_processor_has_no_halves_it_computes_in_single_precision(self, trained_as, monkeypatch):
        monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: True)
        trained = trained_as("rnn", "training.precision=bf16")
        monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
        monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False)
        logits = SentimentClassifier(trained.bundle, CPU).logits(trained.texts)

        assert not np.array_equal(logits, trained.predictions.logits)
        np.testing.assert_allclose(logits, trained.predictions.logits, atol=0.1)

    def test_a_text_says_the_same_in_any_order_and_alone(self, trained):
        classifier = SentimentClassifier(trained.bundle, CPU)
        backwards = classifier.logits(trained.texts[::-1])[::-1]
        alone = classifier.logits(trained.texts[3:4])

        np.testing.assert_allclose(backwards, trained.predictions.logits, atol=1e-5)
        np.testing.assert_allclose(alone, trained.predictions.logits[3:4], atol=1e-5)

    def test_probabilities_are_those_of_the_logits_and_no_text_is_too_odd(self, trained):
        classifier = SentimentClassifier(trained.bundle, CPU)
        table = classifier.predict(trained.texts)
        odds = np.exp(np.diff(trained.predictions.logits.astype(np.float64), axis=1)[:, 0])

        assert list(table.columns) == ["label", "probability_negative", "probability_positive"]
        np.testing.assert_allclose(table["probability_positive"], odds / (1 + odds))
        np.testing.assert_allclose(table["probability_negative"], 1 / (1 + odds))
        likelier = np.where(table["probability_positive"] > 0.5, "positive", "negative")
        assert table["label"].tolist() == likelier.tolist()
        odd = classifier.predict(["", "  \n", "\N{PILE OF POO}"])
        assert np.isfinite(odd["probability_positive"]).all()
        assert len(classifier.predict([])) == 0


def test_the_files_hold_the_whole_state_and_no_path_of_the_machine_that_trained(trained, tiny_encoder):
    name = trained.planned.config.experiment_name
    content = (trained.bundle / "model.json").read_text()

    assert {path.name for path in trained.bundle.iterdir()} == (WORD_PIECE_FILES if "bert" in name else WORD_FILES)
    assert not (trained.bundle / "encoder" / "model.safetensors").exists()
    assert load_file(trained.bundle / "weights.safetensors").keys() == trained.model.state_dict().keys()
    assert str(tiny_encoder) not in content
    assert json.loads(content)["experiment"] == name


def with_other_weights(folder: Path) -> None:
    weights = load_file(folder / "weights.safetensors")
    weights["output.bias"] += 1
    save_file(weights, folder / "weights.safetensors")


def replaced(file: str, old: str, new: str):
    """A change of the folder's file, in which the old text stands."""

    def change(folder: Path) -> None:
        text = (folder / file).read_text()
        assert old in text
        (folder / file).write_text(text.replace(old, new))

    return change


def removed(file: str):
    return lambda folder: (folder / file).unlink()


def described(**changes):
    """A change of settings in model.json; those of the model are laid over its own."""

    def change(folder: Path) -> None:
        content = json.loads((folder / "model.json").read_text())
        model = content["model"] | changes.pop("model", {})
        (folder / "model.json").write_text(json.dumps(content | changes | {"model": model}))

    return change


@pytest.mark.parametrize(
    ("name", "change", "facts"),
    [
        ("lstm", removed("weights.safetensors"), ["weights.safetensors"]),
        ("lstm", with_other_weights, ["weights.safetensors", "sha256"]),
        ("lstm", replaced("itos.json", "awful", "lawful"), ["tokenizer"]),
        ("lstm", removed("itos.json"), ["itos.json"]),
        ("lstm", described(model={"name": "lstn"}), ["'lstn'", "'lstm'"]),
        ("lstm", described(model={"hidden_dim": 8}), ["weights"]),
        ("lstm", described(format_version=99), ["99", "1"]),
        ("lstm", described(precision="int3"), ["precision"]),
        ("lstm", described(surprise=1), ["surprise"]),
        ("lstm", removed("model.json"), ["model.json", "No such file"]),
        ("bert-frozen", replaced("encoder/tokenizer.json", "awful", "lawful"), ["tokenizer"]),
        ("bert-frozen", removed("encoder/tokenizer.json"), ["tokenizer"]),
        ("bert-frozen", replaced("encoder/config.json", '_heads": 4', '_heads": 2'), ["config.json", "sha256"]),
    ],
)
def test_changed_files_are_refused(trained_as, tmp_path, name, change, facts):
    folder = Path(shutil.copytree(trained_as(name).bundle, tmp_path / "bundle"))
    change(folder)

    with pytest.raises((DataError, SavedModelError)) as refused:
        SentimentClassifier(folder, CPU)
    assert_names(refused, *facts)


def test_the_card_has_the_figures_of_the_run_its_reviews_and_room_in_mlflow(trained):
    card = (trained.bundle / "README.md").read_text()

    for key, name in (("best_val_accuracy", "| val | accuracy"), ("test/accuracy", "| test | accuracy")):
        assert f"{name} | {100 * trained.metrics[key]:.2f} % |" in card
    assert f"| val | loss, nats | {trained.metrics['best_val_loss']:.4f} |" in card
    assert_names(card, "| test | ROC-AUC | 0.2500 |", "200 train", "50 val", "60 test")
    assert card.startswith(f"# {trained.planned.config.name}\n")
    assert_names(card, trained.planned.fingerprint, trained.corpus.split_fingerprint, trained.corpus.name)
    assert ("encoder tiny" in card) == ("bert" in trained.planned.config.experiment_name)
    assert "Maas" not in card  # the reviews are the user's own
    assert "English" not in card
    assert len(card) < 8000  # MLflow's limit
