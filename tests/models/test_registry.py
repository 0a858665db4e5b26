"""Models are found by name, cost nothing until built, and cannot hide one another."""

import subprocess
import sys
from dataclasses import replace
from functools import partial

import pytest

from models.configs import AttentionConfig, BowConfig, FinetunedBertConfig, FrozenBertConfig, RecurrentConfig
from models.registry import UnknownModelError, get_model_spec, model_names, register_model


def test_the_models_of_the_suite_are_there():
    specs = {name: get_model_spec(name) for name in model_names()}

    assert {name: (spec.config_class, spec.tokenizer, spec.cache_features) for name, spec in specs.items()} == {
        "rnn": (RecurrentConfig, "word", False),
        "lstm": (RecurrentConfig, "word", False),
        "lstm-attention": (AttentionConfig, "word", False),
        "bert-frozen": (FrozenBertConfig, "wordpiece", True),
        "bert-finetuned": (FinetunedBertConfig, "wordpiece", False),
        "bow": (BowConfig, "word", False),
    }
    assert [name for name, spec in specs.items() if spec.prepare is not None] == ["bert-frozen", "bow"]
    assert [name for name, spec in specs.items() if spec.baseline] == ["bow"]


@pytest.mark.parametrize(
    ("name", "classes"),
    [("rnn", 3), ("lstm", 3), ("lstm-attention", 3), ("bert-frozen", 3), ("bert-finetuned", 3), ("bow", 2)],
)
def test_each_of_them_turns_a_batch_into_logits(name, classes, context, make_batch):
    spec = get_model_spec(name)
    model = spec.build(spec.config_class(name=name), replace(context, num_classes=classes))
    assert model(make_batch([4, 9])).shape == (2, classes)


def test_rnn_and_lstm_differ_in_their_cell(context):
    def size(name: str) -> int:
        model = get_model_spec(name).build(RecurrentConfig(name=name), context)
        return sum(p.numel() for p in model.layers.parameters())

    assert size("lstm") == 4 * size("rnn")


def test_a_name_is_given_once():
    def build(config, context):
        raise NotImplementedError

    decorate = register_model("mine", config=RecurrentConfig, tokenizer="word")
    assert decorate(build) is build
    assert get_model_spec("mine").build is build
    with pytest.raises(ValueError, match=f"'mine' is registered twice: by {__name__}"):
        decorate(build)


def test_what_builds_a_model_has_a_file():
    with pytest.raises(ValueError, match="model 'mine': its builder is no function or class"):
        register_model("mine", config=RecurrentConfig, tokenizer="word")(partial(print))


def test_an_unknown_name_gets_a_suggestion():
    with pytest.raises(UnknownModelError, match=r"no model 'bert-frosen'; did you mean 'bert-frozen'\?"):
        get_model_spec("bert-frosen")


def test_a_name_like_no_other_gets_the_list():
    with pytest.raises(UnknownModelError, match="known: rnn, lstm, lstm-attention, bert-frozen, bert-finetuned, bow"):
        get_model_spec("xyz")


@pytest.mark.parametrize(
    "statement", ["import models.builtin", "from models.registry import model_names; model_names()"]
)
def test_looking_models_up_imports_neither_torch_nor_transformers(statement):
    code = f"import sys; {statement}; print([m for m in ('torch', 'transformers') if m in sys.modules])"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"
