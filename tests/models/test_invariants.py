"""What holds for every registered network and every kind of encoder, whatever they compute.

A model that is registered, or a kind that is added, is tested here without a further line.
"""

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from benchmark.inference.attributions import explain
from benchmark.inference.classifier import SentimentClassifier
from benchmark.tracking.explanations import TOLERANCE
from data_pipeline.config import TokensConfig
from data_pipeline.encoder_kinds import KINDS
from data_pipeline.pipeline import VOCABULARY_FILE
from data_pipeline.tokenization import WordPieceTokenizer, WordTokenizer
from models.configs import BertConfig
from models.registry import ModelContext, get_model_spec, model_names
from models.saved import SavedModel, load_classifier, read_saved_model, save_classifier
from tests.helpers.encoders import TEXT, reviews, write_encoder

VOCABULARY = 12
LENGTHS = [7, 2, 12, 4, 12, 1]
EXACT, CLOSE = 0.0, 1e-5
HALF = 2e-3  # a frozen encoder's features are rounded to halves, as in its cache
CASES = [
    pytest.param((name, kind, settings), id="-".join([name, kind or "words", *map(str, settings.values())]))
    for name in model_names()
    for kind in (KINDS if issubclass(get_model_spec(name).config_class, BertConfig) else [None])
    for settings in (
        [{"pooling": pooling, "layers": layers} for pooling in ("cls", "mean") for layers in ("last", "all")]
        if kind
        else [{"pooling": pooling} for pooling in ("last", "mean", "max")]
        if "pooling" in get_model_spec(name).config_class.model_fields
        else [{}]
    )
]


@pytest.fixture(scope="module")
def encoders(tmp_path_factory):
    return {kind: write_encoder(tmp_path_factory.mktemp(kind), kind) for kind in KINDS}


@pytest.fixture(params=CASES)
def case(request, encoders):
    """A trained network in eval mode, what it was built from, and `batch(lengths, padding=0)` as its tokenizer pads."""
    name, kind, settings = request.param
    spec, pad_id = get_model_spec(name), KINDS[kind].pad_id if kind else 0
    context = ModelContext(VOCABULARY, encoder_dir=encoders.get(kind))

    def batch(lengths=LENGTHS, *, padding=0):
        return reviews(lengths, pad_id, padding=padding, ids=VOCABULARY)

    torch.manual_seed(0)
    config = spec.config_class.model_validate({"name": name, **settings})
    model = spec.build(config, context)
    if spec.prepare is not None:
        spec.prepare(model, [batch()])
    train(model, batch())
    return model.eval(), config, context, batch


def train(model, batch) -> None:
    groups = [{"params": group.parameters} for group in model.parameter_groups()]
    optimizer = torch.optim.Adam(groups, lr=0.01)
    for _ in range(3):
        cross_entropy(model(batch), batch.labels).backward()
        optimizer.step()
        optimizer.zero_grad()


@pytest.fixture
def tolerance(case):
    return HALF if getattr(case[0], "frozen", False) else CLOSE


def rows(batch, chosen):
    """Return these reviews of the batch, as long as before."""
    return batch.__class__(
        tuple(batch.ids[row] for row in chosen), batch.labels[chosen], batch.input_ids[chosen], batch.lengths[chosen]
    )


@torch.no_grad()
def test_logits_of_a_review_do_not_depend_on_its_batch_its_place_or_its_padding(case, tolerance):
    model, _, _, batch = case
    logits, turned = model(batch()), list(range(len(LENGTHS)))[::-1]
    differ = (logits[0] - logits[2]).abs().max()

    assert differ > 10 * tolerance  # a network that says the same of all would pass the rest
    close = {"rtol": 0, "atol": tolerance}
    torch.testing.assert_close(model(rows(batch(), turned)), logits[turned], **close)
    torch.testing.assert_close(model(batch(padding=5)), logits, **close)
    for row, length in enumerate(LENGTHS):
        one = rows(batch(), [row])
        one = one.__class__(one.ids, one.labels, one.input_ids[:, :length], one.lengths)
        torch.testing.assert_close(model(one), logits[[row]], **close)


@torch.no_grad()
def test_what_is_trained_is_what_is_saved_and_served(case, tmp_path):
    model, config, context, batch = case
    spec, texts = get_model_spec(config.name), [TEXT, "a film", "it was awful that it was joy", "joy <pad> [PAD]"]
    if spec.tokenizer == "word":
        tokenizer = WordTokenizer(["<pad>", "<unk>", *TEXT.split()])
        tokenizer.save(tmp_path / VOCABULARY_FILE)
    else:
        tokenizer = WordPieceTokenizer(context.encoder_dir)
        (tmp_path / "encoder").mkdir()
        for file in context.encoder_dir.glob("*.json"):
            (tmp_path / "encoder" / file.name).write_bytes(file.read_bytes())
    saved = SavedModel(
        experiment="any",
        model=config.model_dump(mode="json", exclude={"encoder"}),
        tokens=TokensConfig(max_length=20).model_dump(mode="json"),
        tokenizer=spec.tokenizer,
        tokenizer_fingerprint=tokenizer.fingerprint,
        vocab_size=VOCABULARY,
        eval_batch_size=3,
        precision="fp32",
    )
    save_classifier(tmp_path, saved, model)

    loaded = load_classifier(tmp_path, read_saved_model(tmp_path))
    assert torch.equal(loaded(batch()), model(batch()))
    served = SentimentClassifier(tmp_path, torch.device("cpu"))
    together, alone = served.logits(texts), np.concatenate([served.logits([text]) for text in texts])
    np.testing.assert_allclose(together, alone, rtol=0, atol=HALF if getattr(model, "frozen", False) else CLOSE)
    with torch.enable_grad():
        for found in explain(served, texts):
            assert found.completeness_error <= TOLERANCE
