"""The fingerprint of a run: different with whatever can change its result, the same with everything else."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from benchmark.config.load import load_suite
from benchmark.config.schema import ExperimentConfig, RunConfig
from benchmark.plan import fingerprint as identity
from benchmark.plan.fingerprint import Inputs, fingerprint
from benchmark.plan.plan import make_plan
from benchmark.training.config import TrainingConfig
from data_pipeline.config import DataConfig, TokensConfig
from models.configs import (
    AttentionConfig,
    BowConfig,
    EncoderConfig,
    FinetunedBertConfig,
    FrozenBertConfig,
    RecurrentConfig,
    TextCnnConfig,
)
from models.registry import ModelConfig, register_model
from tests.helpers.recorded import NOWHERE

BERTS = ["bert-frozen", "bert-finetuned"]
INPUTS = Inputs(corpus="c" * 64, split="5" * 64, encoder="e" * 64, precision="fp32")

# Another valid value for each setting; a new setting must be added here, or the test of its group fails.
OTHER_TRAINING = {
    "epochs": 5,
    "batch_size": 8,
    "eval_batch_size": 8,
    "accumulation_steps": 2,
    "learning_rate": 2e-3,
    "weight_decay": 0.0,
    "schedule": "cosine",
    "warmup_fraction": 0.0,
    "max_grad_norm": None,
    "patience": 3,
    "length_grouping": False,
}
OTHER_TOKENS = {"truncation": "tail", "max_length": 128, "vocab_size": 5000, "min_count": 1}
OTHER_LAYERS = {
    "embedding_dim": 64,
    "hidden_dim": 64,
    "layers": 2,
    "bidirectional": True,
    "dropout": 0.1,
    "word_dropout": 0.1,
}
OTHER_WORDS = {"vectors": "encoder"}
OTHER_CNN = {"embedding_dim": 64, "filters": 64, "widths": [2, 3], "dropout": 0.1, "word_dropout": 0.1}
OTHER_RECURRENT = {**OTHER_LAYERS, "pooling": "mean"}
OTHER_ATTENTION = {**OTHER_LAYERS, "attention_dim": 64, "attention_learning_rate_scale": 1.0}
OTHER_BERT = {"head_dim": 16, "pooling": "mean", "layers": "all"}
OTHER_FROZEN = {**OTHER_BERT, "standardize": True, "dropout": 0.1}
OTHER_FINETUNED = {
    **OTHER_BERT,
    "attention_dropout": 0.0,
    "hidden_dropout": 0.0,
    "freeze_embeddings": True,
    "head_learning_rate_scale": 10.0,
}
OTHER_BOW = {"ngrams": 3, "max_features": 1000, "min_count": 1, "naive_bayes": False, "alpha": 0.5, "dropout": 0.1}


def run_of(model="lstm", tokens=None, training=None, **model_settings) -> RunConfig:
    raw = {"model": {"name": model, **model_settings}, "tokens": tokens or {}, "training": training or {}}
    return RunConfig("quick", "an-experiment", ExperimentConfig.model_validate(raw), DataConfig(), seed=1)


def mark(run: RunConfig, **inputs: str) -> str:
    return fingerprint(run, replace(INPUTS, **inputs))


def parameters(model, section, changes):
    return [pytest.param(model, section, key, value, id=f"{model} {key}") for key, value in changes.items()]


def test_how_a_setting_is_written_changes_nothing():
    assert mark(run_of(training={"epochs": TrainingConfig().epochs}, dropout=0.5)) == mark(run_of())  # the defaults
    assert mark(run_of(training={"weight_decay": 0})) == mark(run_of(training={"weight_decay": 0.0}))


@pytest.mark.parametrize(
    ("model", "section", "key", "value"),
    [
        *parameters("lstm", "training", OTHER_TRAINING),
        *parameters("bert-frozen", "training", OTHER_TRAINING),
        *parameters("lstm", "tokens", OTHER_TOKENS),
        *parameters("bert-frozen", "tokens", {"max_length": 128, "truncation": "head_tail"}),
        *parameters("lstm", "model", OTHER_RECURRENT | OTHER_WORDS),
        *parameters("text-cnn", "model", OTHER_CNN | OTHER_WORDS),
        *parameters("lstm-attention", "model", OTHER_ATTENTION),
        *parameters("bert-frozen", "model", OTHER_FROZEN),
        *parameters("bert-finetuned", "model", OTHER_FINETUNED),
        *parameters("bow", "model", OTHER_BOW),
    ],
)
def test_every_setting_that_can_change_a_result_changes_it(model, section, key, value):
    changed = run_of(model, **{key: value}) if section == "model" else run_of(model, **{section: {key: value}})

    assert mark(changed) != mark(run_of(model))


@pytest.mark.parametrize(
    ("config", "tried", "others"),
    [
        (TrainingConfig, OTHER_TRAINING, {"precision"}),
        (TokensConfig, OTHER_TOKENS, set()),
        (RecurrentConfig, OTHER_RECURRENT | OTHER_WORDS, {"name", "encoder", "freeze_vectors"}),
        (AttentionConfig, OTHER_ATTENTION | OTHER_WORDS, {"name", "encoder", "freeze_vectors"}),
        (TextCnnConfig, OTHER_CNN | OTHER_WORDS, {"name", "encoder", "freeze_vectors"}),
        (FrozenBertConfig, OTHER_FROZEN, {"name", "encoder"}),
        (FinetunedBertConfig, OTHER_FINETUNED, {"name", "encoder"}),
        (BowConfig, OTHER_BOW, {"name"}),
    ],
)
def test_no_setting_was_forgotten_above(config, tried, others):
    assert set(tried) | others == set(config.model_fields)


@pytest.mark.parametrize(
    ("model", "inputs"),
    [("lstm", ["corpus", "split"]), *((name, ["corpus", "split", "encoder"]) for name in BERTS)],
)
def test_other_reviews_and_other_weights_of_its_encoder_change_it(model, inputs):
    assert len({mark(run_of(model)), *(mark(run_of(model), **{name: "0" * 64}) for name in inputs)}) == 1 + len(inputs)


def test_another_version_of_the_code_changes_it(monkeypatch):
    before = mark(run_of())
    monkeypatch.setattr(identity, "RESULT_VERSION", identity.RESULT_VERSION + 1)

    assert mark(run_of()) != before


def test_the_precision_counts_as_the_machine_resolves_it():
    automatic, fixed = run_of(training={"precision": "auto"}), run_of(training={"precision": "bf16"})

    assert mark(automatic, precision="bf16") == mark(fixed, precision="bf16")
    assert mark(automatic, precision="bf16") != mark(automatic, precision="fp32")


def test_seed_names_an_encoder_it_has_not_and_where_the_reviews_lie_do_not_change_it():
    run = run_of("lstm")
    moved = DataConfig(source="table", path=Path("reviews.csv"), split_seed=1)  # `Inputs` says what the reviews are

    for change in ({"seed": 2}, {"experiment_name": "other"}, {"profile": "paper"}, {"data": moved}):
        assert mark(replace(run, **change)) == mark(run)
    assert mark(run, encoder=None) == mark(run)


@pytest.mark.parametrize("model", BERTS)
@pytest.mark.parametrize(
    "change",
    [
        {"path": "elsewhere"},
        {"path": "elsewhere", "name": "my copy"},
        {"hub": "a/b", "revision": "a" * 40},
        {"sha256": "e" * 64},
    ],
)
def test_where_the_encoder_lies_and_what_it_is_called_do_not_change_it(model, change):
    word_tokens = {"vocab_size": 100, "min_count": 9}  # the encoder has a vocabulary of its own
    assert mark(run_of(model, tokens=word_tokens, encoder=change)) == mark(run_of(model))
    assert set(EncoderConfig.model_fields) == {"path", "name", "hub", "revision", "sha256"}


def test_settings_that_older_runs_lack_change_no_fingerprint_while_they_are_not_used():
    model = run_of("lstm").experiment.model
    plain = model.model_dump()

    assert plain.keys() - model.without_later(plain).keys() == {"vectors", "encoder", "freeze_vectors"}


def test_of_word_vectors_the_content_counts_the_encoder_and_whether_they_are_trained(tmp_path):
    for name, text in (("one.txt", "good 1 2"), ("copy.txt", "good 1 2"), ("other.txt", "good 3 4")):
        (tmp_path / name).write_text(text)
    one, copy, other = (
        mark(run_of("lstm", vectors={"path": str(tmp_path / name)})) for name in ("one.txt", "copy.txt", "other.txt")
    )
    named = mark(run_of("lstm", vectors={"path": str(tmp_path / "one.txt"), "sha256": "e" * 64}))
    encoder, frozen = run_of("lstm", vectors="encoder"), run_of("lstm", vectors="encoder", freeze_vectors=True)

    assert one == copy == named
    assert len({one, other, mark(run_of()), mark(encoder), mark(frozen), mark(encoder, encoder="0" * 64)}) == 6


class Reading(ModelConfig):
    words: Path
    more: tuple[Path, ...] = ()


def test_the_content_of_a_file_that_a_plugins_setting_names_counts_and_not_where_it_lies(tmp_path):
    register_model("reading", config=Reading, tokenizer="word")(type("Network", (), {"__module__": __name__}))

    def mark_in(folder: Path, words="film", more="plot") -> str:
        folder.mkdir(exist_ok=True)
        for name, content in (("words.txt", words), ("more.txt", more)):
            (folder / name).write_text(content)
        settings = {"words": folder / "words.txt", "more": (folder / "more.txt", Path("/no/file"))}
        return mark(run_of("reading", **settings))

    before = mark_in(tmp_path / "here")
    assert mark_in(tmp_path / "there") == before
    assert len({before, mark_in(tmp_path / "here", words="joy"), mark_in(tmp_path / "here", more="joy")}) == 3
    for folder in (tmp_path, tmp_path / "here"):  # what is no file is what it is called
        assert mark(run_of("reading", words=folder)) != mark(run_of("reading", words=tmp_path / "there"))


@pytest.mark.parametrize("file", ["tokenizer.json", "config.json", "model.safetensors"])
def test_each_file_of_the_encoder_changes_it(write_config, tmp_path, tiny_encoder, file):
    folder = shutil.copytree(tiny_encoder, tmp_path / "encoder")

    def mark() -> str:
        path = write_config(
            profiles={"quick": {"experiments": ["bert-frozen"]}},
            experiments={"bert-frozen": {"model": {"encoder": {"path": str(folder)}}}},
        )
        return make_plan(load_suite(path), NOWHERE).runs[0].fingerprint

    before, content = mark(), (folder / file).read_bytes()
    assert mark() == before
    (folder / file).write_bytes(content + b"\n" if file.endswith("json") else content[:-1] + b"\1")
    assert mark() != before


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("rnn", "fda7b91e959189b5"),
        ("lstm", "766e80d4ddf80bc0"),
        ("bert-frozen", "987ceefbea6ceda8"),
        ("bert-finetuned", "d7b9e04250531a2a"),
    ],
)
def test_known_fingerprints_stay_what_they_are(model, expected):
    """A change here makes everybody's finished runs count as missing: mean it, or keep the old content."""
    assert mark(run_of(model)) == expected
