"""Attributions add up to the margin, whatever the model; attention is another thing."""

import pytest
import torch
from torch import nn

from benchmark.inference import attributions as explanation
from benchmark.inference.attributions import ExplanationError, attributions, baseline_ids, explain, integrated_gradients
from benchmark.inference.classifier import SentimentClassifier
from benchmark.tracking.explanations import TOLERANCE, completeness_error
from data_pipeline.batch import Batch
from models.classifier import Classifier
from tests.helpers.facts import assert_names
from tests.helpers.trained import MODELS

pytest.importorskip("captum")
CPU = torch.device("cpu")
ATTENTIVE = ["bert-frozen", "bert-finetuned", "lstm-attention"]


@pytest.fixture
def classifier_of(trained_as):
    def load(name: str) -> SentimentClassifier:
        return SentimentClassifier(trained_as(name).bundle, CPU)

    return load


class Linear(Classifier):
    """The margin is a sum over the tokens' numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding.from_pretrained(torch.tensor([[0.0], [1.0], [-2.0], [4.0]]))

    def word_vectors(self):
        return self.table

    def forward(self, batch):
        total = self.table(batch.input_ids).sum(dim=(1, 2))
        return torch.stack([-total, 2 * total + 5], dim=1)


class Kinked(Linear):
    """What the tokens add up to counts from 1.7 upwards, and then steeply: a margin of 330 for tokens 1 and 3."""

    def forward(self, batch):
        total = self.table(batch.input_ids).sum(dim=(1, 2))
        return torch.stack([torch.zeros_like(total), 100 * (total - 1.7).relu()], dim=1)


def batch_of(*ids: int) -> Batch:
    return Batch(("a",), torch.zeros(1, dtype=torch.int64), torch.tensor([ids]), torch.tensor([len(ids)]))


@pytest.mark.parametrize("name", MODELS)
def test_attributions_and_attention_of_each_model(classifier_of, trained_as, name):
    trained, classifier = trained_as(name), classifier_of(name)
    shortest = min(trained.texts, key=len)  # short enough to be read whole
    explained = list(explain(classifier, [*trained.texts[:3], shortest]))
    logits = trained.predictions.logits[:3]
    special_tokens = 2 if name.startswith("bert") else 0

    assert [found.margin for found in explained[:3]] == pytest.approx((logits[:, 1] - logits[:, 0]).tolist(), abs=5e-3)
    for found in explained:
        change = found.margin - found.baseline_margin
        assert found.completeness_error <= TOLERANCE
        assert abs(sum(found.attributions) - change) <= TOLERANCE * max(abs(change), 0.1)
        assert (found.steps == 0) == (name == "bow")
        assert any(found.attributions)
        special = [score for (start, end), score in zip(found.tokens, found.attributions, strict=True) if start == end]
        assert special == [0.0] * special_tokens
        assert (found.attention is not None) == (name in ATTENTIVE)
        if found.attention is not None:
            assert sum(found.attention) == pytest.approx(1, abs=1e-5)
            assert len(found.attention) == len(found.tokens)
    words = [shortest[start:end] for start, end in explained[-1].tokens if start < end]
    assert words == shortest.split()
    assert len(explained[-1].tokens) == len(words) + special_tokens


def test_attributions_of_a_sum_are_its_terms():
    scores, points = integrated_gradients(Linear(), batch_of(1, 2, 3), batch_of(0, 0, 0))

    assert scores == pytest.approx([3 * 1.0, 3 * -2.0, 3 * 4.0])
    assert points == explanation.POINTS


def test_more_points_are_taken_where_the_sum_is_not_right_yet(monkeypatch):
    model, batch, nothing = Kinked(), batch_of(1, 3), batch_of(0, 0)
    scores, points = attributions(model, batch, nothing)
    monkeypatch.setattr(explanation, "allowed", lambda change: -1.0)  # which no number of points reaches
    found = []
    for most in (1, 5):
        monkeypatch.setattr(explanation, "MOST_POINTS", most * explanation.POINTS)
        found.append(attributions(model, batch, nothing))

    assert completeness_error(sum(scores), 330.0) <= TOLERANCE
    assert completeness_error(sum(found[0][0]), 330.0) > TOLERANCE
    assert [taken for _, taken in found] == [explanation.POINTS, 5 * explanation.POINTS]
    assert points > explanation.POINTS
    assert scores == pytest.approx([66, 264], rel=0.02)


def test_the_review_compared_with_is_padding_between_the_special_tokens(classifier_of):
    ids = torch.tensor([[2, 7, 8, 9, 3]])

    assert baseline_ids(ids, classifier_of("bert-finetuned").tokenizer).tolist() == [[2, 0, 0, 0, 3]]
    assert baseline_ids(ids, classifier_of("lstm").tokenizer).tolist() == [[0, 0, 0, 0, 0]]


def test_a_network_without_word_vectors_is_refused_with_its_name():
    class Wordless(Linear):
        def word_vectors(self):
            return None

    with pytest.raises(ExplanationError) as caught:
        integrated_gradients(Wordless(), batch_of(1), batch_of(0))
    assert_names(caught, "Wordless", "word_vectors")


def test_an_error_is_relative_to_the_change_unless_the_change_is_small():
    for sums, error in (((2.1, 2.0), 0.05), ((-2.1, -2.0), 0.05), ((0.001, 0.0), 0.01)):
        assert completeness_error(*sums) == pytest.approx(error)
