"""Attributions add up to the margin, whatever the model; attention is another thing."""

import numpy as np
import pytest
import torch
from torch import nn

from benchmark import explanation
from benchmark.explanation import ExplanationError, attributions, baseline_ids, explain, integrated_gradients
from benchmark.review_explanation import TOLERANCE, ReviewExplanation, completeness_error
from benchmark.served_model import SentimentClassifier
from data_pipeline.batch import Batch
from models.classifier import Classifier
from tests.helpers.trained import MODELS

pytest.importorskip("captum")
CPU = torch.device("cpu")
ATTENTIVE = ["bert-frozen", "bert-finetuned", "lstm-attention"]


@pytest.fixture
def classifier_of(trained_as):
    def load(name: str) -> SentimentClassifier:
        return SentimentClassifier(trained_as(name).bundle, CPU)

    return load


@pytest.fixture(scope="module")
def all_explained() -> dict[str, list[ReviewExplanation]]:
    return {}


@pytest.fixture
def explained(all_explained, classifier_of, trained_as):
    """Three test reviews, explained once for all tests that look at them."""

    def get(name: str) -> list[ReviewExplanation]:
        if name not in all_explained:
            all_explained[name] = list(explain(classifier_of(name), trained_as(name).texts[:3]))
        return all_explained[name]

    return get


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
class TestEachModel:
    def test_attributions_add_up_to_what_the_review_changes_of_the_margin(self, explained, name):
        for found in explained(name):
            change = found.margin - found.baseline_margin
            assert found.completeness_error <= TOLERANCE
            assert abs(sum(found.attributions) - change) <= TOLERANCE * max(abs(change), 0.1)
            assert (found.steps == 0) == (name == "bow")
            assert any(found.attributions)

    def test_the_margin_is_that_of_the_recorded_prediction(self, explained, trained_as, name):
        logits = trained_as(name).predictions.logits[:3]

        assert [found.margin for found in explained(name)] == pytest.approx(
            (logits[:, 1] - logits[:, 0]).tolist(), abs=5e-3
        )

    def test_tokens_stand_where_the_text_has_them(self, classifier_of, trained_as, name):
        text = min(trained_as(name).texts, key=len)  # short enough to be read whole
        (found,) = explain(classifier_of(name), [text])
        words = [text[start:end] for start, end in found.tokens if start < end]

        assert words == text.split()
        assert len(found.attributions) == len(found.tokens) == len(words) + (2 if name.startswith("bert") else 0)

    def test_special_tokens_add_nothing(self, explained, name):
        found = explained(name)[0]
        special = [score for (start, end), score in zip(found.tokens, found.attributions, strict=True) if start == end]
        assert special == [0.0] * (2 if name.startswith("bert") else 0)

    def test_attention_is_shares_of_the_tokens_where_there_is_any(self, explained, name):
        for found in explained(name):
            assert (found.attention is not None) == (name in ATTENTIVE)
            if found.attention is not None:
                assert sum(found.attention) == pytest.approx(1, abs=1e-5)
                assert len(found.attention) == len(found.tokens)


def test_the_word_that_was_learned_speaks_for_its_label(classifier_of):
    (found,) = explain(classifier_of("bow"), ["a film wonderful"])

    assert np.argmax(found.attributions) == 2
    assert found.attributions[2] > 0


def test_attributions_of_a_sum_are_its_terms():
    scores, points = integrated_gradients(Linear(), batch_of(1, 2, 3), batch_of(0, 0, 0))

    assert scores == pytest.approx([3 * 1.0, 3 * -2.0, 3 * 4.0])
    assert points == explanation.POINTS


def test_more_points_are_taken_where_the_sum_is_not_right_yet(monkeypatch):
    model, batch, nothing = Kinked(), batch_of(1, 3), batch_of(0, 0)
    scores, points = attributions(model, batch, nothing)
    monkeypatch.setattr(explanation, "MOST_POINTS", explanation.POINTS)
    few, least = attributions(model, batch, nothing)

    assert completeness_error(sum(few), 330.0) > TOLERANCE
    assert completeness_error(sum(scores), 330.0) <= TOLERANCE
    assert points > least == explanation.POINTS
    assert scores == pytest.approx([66, 264], rel=0.02)


def test_there_is_an_end_to_it(monkeypatch):
    monkeypatch.setattr(explanation, "allowed", lambda change: -1.0)
    monkeypatch.setattr(explanation, "MOST_POINTS", 5 * explanation.POINTS)

    scores, points = attributions(Kinked(), batch_of(1, 3), batch_of(0, 0))

    assert points == 5 * explanation.POINTS
    assert scores == pytest.approx([66, 264], rel=0.05)


def test_the_review_compared_with_is_padding_between_the_special_tokens(classifier_of):
    ids = torch.tensor([[2, 7, 8, 9, 3]])

    assert baseline_ids(ids, classifier_of("bert-finetuned").tokenizer).tolist() == [[2, 0, 0, 0, 3]]
    assert baseline_ids(ids, classifier_of("lstm").tokenizer).tolist() == [[0, 0, 0, 0, 0]]


def test_a_network_without_word_vectors_is_told_what_it_lacks():
    class Wordless(Linear):
        def word_vectors(self):
            return None

    with pytest.raises(ExplanationError, match="Wordless has no word vectors to take gradients of; let its method"):
        integrated_gradients(Wordless(), batch_of(1), batch_of(0))


def test_an_error_is_measured_against_the_change_but_a_small_one():
    assert completeness_error(2.1, 2.0) == pytest.approx(0.05)
    assert completeness_error(-2.1, -2.0) == pytest.approx(0.05)
    assert completeness_error(0.001, 0.0) == pytest.approx(0.01)
