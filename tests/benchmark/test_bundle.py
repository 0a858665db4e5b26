"""What is written of a finished run, and read back from it alone."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from benchmark.plan import Workspace
from benchmark.progress import NullProgress
from benchmark.runner import run_experiment
from benchmark.served_model import SentimentClassifier
from benchmark.tracking.tracker import NullTracker
from data_pipeline.errors import DataError
from models.precision import computes_in_bf16
from models.saved import SavedModelError, read_saved_model
from tests.helpers.trained import MODELS, Trained

CPU = torch.device("cpu")
# oneDNN has no LSTM in bf16 for a processor without it; all else is emulated there. A bag multiplies no matrices.
IN_HALVES = [name for name in MODELS if name != "bow" and (not name.startswith("lstm") or computes_in_bf16(CPU))]
WORD_FILES = {"README.md", "itos.json", "model.json", "weights.safetensors"}
WORD_PIECE_FILES = {"README.md", "model.json", "weights.safetensors", "encoder"}


@pytest.fixture(params=MODELS)
def trained(request, trained_as) -> Trained:
    return trained_as(request.param)


@pytest.fixture
def copied(trained_as, tmp_path):
    """copied("lstm") is a copy of its files that a test may spoil."""

    def copy(name: str) -> Path:
        return Path(shutil.copytree(trained_as(name).bundle, tmp_path / name))

    return copy


class TestWhatItSays:
    def test_new_texts_get_the_trainers_logits_bit_for_bit(self, trained):
        logits = SentimentClassifier(trained.bundle, CPU).logits(trained.texts)

        assert np.array_equal(logits, trained.predictions.logits)

    @pytest.mark.parametrize("name", IN_HALVES)
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

    def test_the_order_of_the_texts_is_kept(self, trained):
        classifier = SentimentClassifier(trained.bundle, CPU)
        backwards = classifier.logits(trained.texts[::-1])[::-1]

        np.testing.assert_allclose(backwards, trained.predictions.logits, atol=1e-5)

    def test_one_text_alone_says_what_it_says_among_others(self, trained):
        alone = SentimentClassifier(trained.bundle, CPU).logits(trained.texts[3:4])

        np.testing.assert_allclose(alone, trained.predictions.logits[3:4], atol=1e-5)

    def test_probabilities_are_those_of_the_logits(self, trained):
        table = SentimentClassifier(trained.bundle, CPU).predict(trained.texts)
        odds = np.exp(np.diff(trained.predictions.logits.astype(np.float64), axis=1)[:, 0])

        assert list(table.columns) == ["label", "probability_negative", "probability_positive"]
        np.testing.assert_allclose(table["probability_positive"], odds / (1 + odds))
        np.testing.assert_allclose(table["probability_negative"], 1 / (1 + odds))
        likelier = np.where(table["probability_positive"] > 0.5, "positive", "negative")
        assert table["label"].tolist() == likelier.tolist()

    def test_no_texts_are_no_lines(self, trained_as):
        assert len(SentimentClassifier(trained_as("lstm").bundle, CPU).predict([])) == 0

    def test_a_text_without_words_has_an_answer(self, trained):
        table = SentimentClassifier(trained.bundle, CPU).predict(["", "  \n", "\N{PILE OF POO}"])

        assert np.isfinite(table["probability_positive"]).all()


class KeepsTheBundle(NullTracker):
    """Keeps what a run writes to be used afterwards."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def log_model(self, bundle: Path, name: str, step: int = 0) -> None:
        shutil.copytree(bundle, self.folder)


class TestAfterARun:
    @pytest.mark.parametrize("name", MODELS)
    def test_new_texts_get_the_recorded_test_predictions(self, trained_as, tmp_path, name):
        planned = trained_as(name).planned
        workspace = Workspace("unused", tmp_path / "cache", "cpu")
        outcome = run_experiment(planned, workspace, KeepsTheBundle(tmp_path / "kept"), NullProgress())
        classifier = SentimentClassifier(tmp_path / "kept", CPU)

        assert np.array_equal(classifier.logits(trained_as(name).texts), outcome.predictions.logits)
        assert f"{100 * outcome.metrics['test/f1']:.2f} %" in (tmp_path / "kept" / "README.md").read_text()


class TestFiles:
    def test_they_are_few_and_named(self, trained):
        expected = WORD_PIECE_FILES if "bert" in trained.planned.config.experiment_name else WORD_FILES

        assert {path.name for path in trained.bundle.iterdir()} == expected

    def test_the_weights_are_the_whole_state(self, trained):
        weights = load_file(trained.bundle / "weights.safetensors")

        assert weights.keys() == trained.model.state_dict().keys()

    def test_the_settings_name_no_path_of_the_machine_that_trained(self, trained, tiny_encoder):
        content = (trained.bundle / "model.json").read_text()

        assert str(tiny_encoder) not in content
        assert json.loads(content)["experiment"] == trained.planned.config.experiment_name

    def test_without_the_encoders_weights_it_loads_all_the_same(self, trained_as, monkeypatch):
        from transformers import BertModel

        trained = trained_as("bert-frozen")

        def refuse(*_, **__):
            raise AssertionError("weights were read")

        monkeypatch.setattr(BertModel, "from_pretrained", refuse)
        logits = SentimentClassifier(trained.bundle, CPU).logits(trained.texts)

        assert not (trained.bundle / "encoder" / "model.safetensors").exists()
        assert np.array_equal(logits, trained.predictions.logits)


class TestRefused:
    def test_changed_weights(self, copied):
        folder = copied("lstm")
        weights = load_file(folder / "weights.safetensors")
        weights["output.bias"] += 1
        save_file(weights, folder / "weights.safetensors")

        with pytest.raises(SavedModelError, match=r"weights.safetensors is not what was saved: sha256 wanted \w{64}"):
            SentimentClassifier(folder, CPU)

    def test_an_encoder_of_another_shape(self, copied):
        path = copied("bert-frozen") / "encoder" / "config.json"
        path.write_text(path.read_text().replace('"num_attention_heads": 4', '"num_attention_heads": 2'))

        with pytest.raises(SavedModelError, match=r"encoder/config\.json is not what was saved: sha256 wanted \w{64}"):
            SentimentClassifier(path.parents[1], CPU)

    def test_a_model_that_nobody_registered(self, copied):
        path = copied("lstm") / "model.json"
        content = json.loads(path.read_text())
        content["model"]["name"] = "lstn"
        path.write_text(json.dumps(content))

        with pytest.raises(SavedModelError, match="there is no model 'lstn'; did you mean 'lstm'"):
            SentimentClassifier(path.parent, CPU)

    def test_no_weights(self, copied):
        folder = copied("lstm")
        (folder / "weights.safetensors").unlink()

        with pytest.raises(SavedModelError, match=r"weights\.safetensors is missing"):
            SentimentClassifier(folder, CPU)

    @pytest.mark.parametrize("name", ["lstm", "bert-frozen"])
    def test_another_vocabulary(self, copied, name):
        folder = copied(name)
        path = folder / "itos.json" if name == "lstm" else folder / "encoder" / "tokenizer.json"
        path.write_text(path.read_text().replace("awful", "lawful"))

        with pytest.raises(SavedModelError, match=r"the tokenizer in .* is not the one that was saved"):
            SentimentClassifier(folder, CPU)

    def test_no_vocabulary(self, copied):
        folder = copied("lstm")
        (folder / "itos.json").unlink()

        with pytest.raises(SavedModelError, match=r"itos\.json holds no vocabulary"):
            SentimentClassifier(folder, CPU)

    def test_no_tokenizer(self, copied):
        folder = copied("bert-frozen")
        (folder / "encoder" / "tokenizer.json").unlink()

        with pytest.raises((DataError, SavedModelError), match="tokenizer"):
            SentimentClassifier(folder, CPU)

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"format_version": 99}, "has format version 99; this code reads 1"),
            ({"precision": "int3"}, "describes no model of this version: precision: "),
            ({"surprise": 1}, "describes no model of this version: surprise: "),
        ],
    )
    def test_a_description_of_another_version(self, copied, change, message):
        path = copied("lstm") / "model.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | change))

        with pytest.raises(SavedModelError, match=message):
            read_saved_model(path.parent)

    def test_settings_that_the_weights_do_not_fit(self, copied):
        path = copied("lstm") / "model.json"
        content = json.loads(path.read_text())
        content["model"]["hidden_dim"] = 8
        path.write_text(json.dumps(content))

        with pytest.raises(SavedModelError, match="and its weights do not fit"):
            SentimentClassifier(path.parent, CPU)

    def test_a_folder_that_is_none(self, tmp_path):
        with pytest.raises(SavedModelError, match=r"model\.json cannot be read: No such file"):
            SentimentClassifier(tmp_path, CPU)


class TestCard:
    def test_its_figures_are_the_runs(self, trained):
        card = (trained.bundle / "README.md").read_text()

        for key, name in (("best_val_accuracy", "| val | accuracy"), ("test/accuracy", "| test | accuracy")):
            assert f"{name} | {100 * trained.metrics[key]:.2f} % |" in card
        assert f"| val | loss, nats | {trained.metrics['best_val_loss']:.4f} |" in card
        assert "| test | ROC-AUC | 0.2500 |" in card
        assert "200 train, 50 val, 60 test reviews" in card

    def test_it_says_which_run_made_it_and_of_which_reviews(self, trained):
        card = (trained.bundle / "README.md").read_text()

        assert card.startswith(f"# {trained.planned.config.name}\n")
        assert trained.planned.fingerprint in card
        assert trained.corpus.split_fingerprint in card
        assert trained.corpus.name in card
        assert ("encoder tiny" in card) == ("bert" in trained.planned.config.experiment_name)

    def test_of_the_users_own_reviews_it_claims_nothing(self, trained_as):
        card = (trained_as("lstm").bundle / "README.md").read_text()

        assert "the trainer's own table" in card
        assert "Maas" not in card
        assert "English" not in card

    def test_mlflow_has_room_for_it(self, trained):
        assert len((trained.bundle / "README.md").read_text()) < 8000
