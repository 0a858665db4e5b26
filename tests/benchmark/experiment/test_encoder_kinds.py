"""A run with each kind of encoder, from reviews to the files that its model is used with."""

import json
import shutil

import numpy as np
import pytest
import torch

from benchmark.inference.classifier import SentimentClassifier
from tests.helpers.trained import train

SIZES = {"max_position_embeddings": 66, "initializer_range": 0.2}
SPECIAL = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]


@pytest.fixture(scope="module")
def distilbert(tiny_encoder, tmp_path_factory):
    """The tiny BERT's tokenizer beside a DistilBERT."""
    from transformers import DistilBertConfig, DistilBertForMaskedLM

    folder = tmp_path_factory.mktemp("distilbert")
    for path in tiny_encoder.glob("*token*"):
        shutil.copy(path, folder)
    words = json.loads((tiny_encoder / "config.json").read_text())["vocab_size"]
    torch.manual_seed(0)
    shape = DistilBertConfig(vocab_size=words, dim=32, n_layers=2, n_heads=4, hidden_dim=64, **SIZES)
    DistilBertForMaskedLM(shape).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def roberta(reviews_csv, tmp_path_factory):
    """A RoBERTa whose tokenizer is in two files, as the old ones are."""
    from tokenizers.implementations import ByteLevelBPETokenizer
    from transformers import RobertaConfig, RobertaForMaskedLM

    folder = tmp_path_factory.mktemp("roberta")
    pairs = ByteLevelBPETokenizer()
    pairs.train([str(reviews_csv)], vocab_size=400, special_tokens=SPECIAL)
    pairs.save_model(str(folder))
    torch.manual_seed(0)
    sizes = SIZES | {"num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64, "hidden_size": 32}
    RobertaForMaskedLM(RobertaConfig(vocab_size=pairs.get_vocab_size(), **sizes)).save_pretrained(folder)
    return folder


@pytest.mark.parametrize(("kind", "experiment"), [("distilbert", "bert-finetuned"), ("roberta", "bert-frozen")])
def test_new_texts_get_the_trainers_logits_from_what_is_saved(request, write_config, tmp_path, kind, experiment):
    encoder = {"path": str(request.getfixturevalue(kind)), "name": kind}
    trained = train(
        lambda **given: write_config(experiments={experiment: {"model": {"encoder": encoder}}}, **given),
        tmp_path / "run",
        experiment,
    )
    texts = [*trained.texts, ""]
    logits = SentimentClassifier(trained.bundle, torch.device("cpu")).logits(texts)

    np.testing.assert_allclose(logits[:-1], trained.predictions.logits, rtol=0, atol=1e-5)
    assert np.isfinite(logits).all()
    assert kind in (trained.bundle / "README.md").read_text()
    assert not (trained.bundle / "encoder" / "model.safetensors").exists()
