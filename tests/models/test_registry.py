"""Models are found by name, cost nothing until built, and cannot hide one another."""

import subprocess
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from pydantic import BaseModel

from models.configs import (
    AttentionConfig,
    BowConfig,
    FinetunedBertConfig,
    FrozenBertConfig,
    RecurrentConfig,
    TextCnnConfig,
)
from models.registry import ModelConfig, UnknownModelError, get_model_spec, model_names, register_model


def test_the_models_of_the_suite_are_there():
    specs = {name: get_model_spec(name) for name in model_names()}

    assert {name: (spec.config_class, spec.tokenizer, spec.cache_features) for name, spec in specs.items()} == {
        "rnn": (RecurrentConfig, "word", False),
        "gru": (RecurrentConfig, "word", False),
        "lstm": (RecurrentConfig, "word", False),
        "lstm-attention": (AttentionConfig, "word", False),
        "text-cnn": (TextCnnConfig, "word", False),
        "bert-frozen": (FrozenBertConfig, "wordpiece", True),
        "bert-finetuned": (FinetunedBertConfig, "wordpiece", False),
        "bow": (BowConfig, "word", False),
    }
    assert [name for name, spec in specs.items() if spec.prepare is not None] == ["bert-frozen", "bow"]
    assert [name for name, spec in specs.items() if spec.baseline] == ["bow"]


@pytest.mark.parametrize(
    ("name", "classes"),
    [(name, 2 if name == "bow" else 3) for name in model_names()],
)
def test_each_of_them_turns_a_batch_into_logits(name, classes, context, make_batch):
    spec = get_model_spec(name)
    model = spec.build(spec.config_class(name=name), replace(context, num_classes=classes))
    assert model(make_batch([4, 9])).shape == (2, classes)


def test_a_name_is_given_once_and_to_what_has_a_file():
    def build(config, context):
        raise NotImplementedError

    decorate = register_model("mine", config=RecurrentConfig, tokenizer="word")
    assert decorate(build) is build
    assert get_model_spec("mine").build is build
    with pytest.raises(ValueError, match=f"'mine'.*{__name__}"):
        decorate(build)
    with pytest.raises(ValueError, match="'mine'"):
        decorate(partial(print))


@pytest.mark.parametrize(
    ("name", "suggested"),
    [("bert-frosen", "'bert-frozen'"), ("xyz", ", ".join(model_names()))],
)
def test_an_unknown_name_gets_a_suggestion_or_the_list(name, suggested):
    with pytest.raises(UnknownModelError, match=f"'{name}'.*{suggested}"):
        get_model_spec(name)


class Vectors(BaseModel):
    path: Path
    scale: float = 1.0


class Reading(ModelConfig):
    words: Path
    more: tuple[Path, ...] = ()
    by_language: dict[str, tuple[Path, ...]]
    vectors: Vectors


def test_relative_paths_start_at_the_files_folder_however_deep_they_are(tmp_path):
    plain = {"words": "a", "more": ["b", "/c"], "by_language": {"en": ["d"]}, "vectors": {"path": "e"}}
    config = Reading.from_plain({"name": "reading", **plain}, {"folder": tmp_path})

    assert (config.words, config.more) == (tmp_path / "a", (tmp_path / "b", Path("/c")))
    assert config.by_language == {"en": (tmp_path / "d",)}
    assert config.vectors == Vectors(path=tmp_path / "e")
    assert config.vectors.model_fields_set == {"path"}  # `show` writes what was written
    assert Reading.from_plain(config.model_dump(mode="json")) == config


def test_looking_models_up_imports_neither_torch_nor_transformers():
    look_up = "import models.builtin; from models.registry import model_names; assert model_names()"
    code = f"import sys; {look_up}; print([m for m in ('torch', 'transformers') if m in sys.modules])"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"
