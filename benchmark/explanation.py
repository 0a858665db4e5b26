"""What a finished network leaned on in a review: attributions that add up to its margin, and beside them attention.

T tokens, E width of a word's vector, P points of a path.

Sundararajan, Taly and Yan, "Axiomatic Attribution for Deep Networks", 2017.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from benchmark.recorded_explanations import TOLERANCE, ReviewExplanation, completeness_error
from benchmark.served_model import SentimentClassifier
from data_pipeline.batch import Batch
from data_pipeline.errors import InputError
from data_pipeline.pipeline import Part, part_of_texts, token_spans
from data_pipeline.tokenization import Tokenizer
from models.classifier import Classifier

FEWEST_POINTS, MOST_POINTS = 32, 512  # of the path; they are doubled while the error exceeds the tolerance
AT_ONCE = 16  # points, or reviews, in one batch


class ExplanationError(InputError):
    """A review or a network that cannot be explained."""


def require_captum() -> None:
    """Refuse to begin where the optional package is not installed.

    Raises:
        ExplanationError: it is not.
    """
    try:
        import captum.attr  # noqa: F401
    except ImportError:
        raise ExplanationError(
            "explain needs captum, which is not installed; `pip install 'imdb-sentiment-benchmark[explain]'` does it"
        ) from None


def explain(classifier: SentimentClassifier, texts: Sequence[str]) -> Iterator[ReviewExplanation]:
    """Each review's explanation in turn, in fp32 whatever the run's precision: bf16 rounds away whole attributions.

    Args:
        classifier: a finished run's network and tokenizer.
        texts: raw.

    Raises:
        ExplanationError: the network has no word vectors, and is no sum either.
    """
    model, part = classifier.model, part_of_texts(texts, classifier.tokenizer, classifier.tokens)
    for place, (text, attention) in enumerate(zip(texts, _attention(classifier, part), strict=True)):
        batch = part.batch(np.array([place])).to(classifier.device)
        nothing = _replaced(batch, baseline_ids(batch.input_ids, classifier.tokenizer))
        with torch.no_grad():
            margins = [float(margin(model.differentiable_logits(each))) for each in (batch, nothing)]
        scores, points = attributions(model, batch, nothing, margins[0] - margins[1])
        yield ReviewExplanation(
            tokens=tuple(map(tuple, token_spans(text, classifier.tokenizer, classifier.tokens).tolist())),
            attributions=tuple(scores),
            attention=None if attention is None else tuple(attention[: len(scores)].tolist()),
            margin=margins[0],
            baseline_margin=margins[1],
            completeness_error=completeness_error(sum(scores), margins[0] - margins[1]),
            steps=points,
        )


@torch.no_grad()
def _attention(classifier: SentimentClassifier, part: Part) -> list[Tensor | None]:
    """Of each review (T or more,) weights, a few reviews at a time: those of all layers are held at once."""
    found: list[Tensor | None] = []
    for start in range(0, len(part), AT_ONCE):
        positions = np.arange(start, min(start + AT_ONCE, len(part)))
        weights = classifier.model.attention_weights(part.batch(positions).to(classifier.device))
        found += [None] * len(positions) if weights is None else list(weights)
    return found


def baseline_ids(input_ids: Tensor, tokenizer: Tokenizer) -> Tensor:
    """(1, T) the review in which nothing is said: padding for each of its tokens, special tokens kept.

    Padding's vector is zero in the recurrent networks, and in a BERT what it was pre-trained to make nothing of.
    """
    before, after = len(tokenizer.prefix_ids), len(tokenizer.suffix_ids)
    said = slice(before, input_ids.shape[1] - after)
    nothing = input_ids.clone()
    nothing[:, said] = tokenizer.pad_id
    return nothing


def margin(logits: Tensor) -> Tensor:
    """(B,) logit of positive minus logit of negative, out of (B, 2)."""
    return logits[:, 1] - logits[:, 0]


def attributions(model: Classifier, batch: Batch, nothing: Batch, change: float) -> tuple[list[float], int]:
    """T logits that add up to the change of the margin, and the points that they took; 0 where they are exact.

    Args:
        model: in eval mode.
        batch: one review.
        nothing: the review that it is compared with.
        change: margin of the one minus margin of the other.

    Raises:
        ExplanationError: the network has no word vectors, and is no sum either.
    """
    with torch.no_grad():
        exact = model.linear_attributions(batch)
    if exact is not None:
        return exact[0].tolist(), 0
    points = FEWEST_POINTS
    while True:
        scores = integrated_gradients(model, batch, nothing, points)
        if completeness_error(sum(scores), change) <= TOLERANCE or points == MOST_POINTS:
            return scores, points
        points *= 2


def integrated_gradients(model: Classifier, batch: Batch, nothing: Batch, points: int) -> list[float]:
    """T logits: of each token, the margin's gradient along the straight path of its vector, times the path's length.

    Args:
        model: in eval mode, with word vectors.
        batch: one review.
        nothing: where the path begins.
        points: P, at which the gradient is taken, by Gauss-Legendre's rule.

    Raises:
        ExplanationError: the network has no word vectors.
    """
    from captum.attr import IntegratedGradients

    table = model.word_vectors()
    if table is None:
        raise ExplanationError(
            f"{type(model).__name__} has no word vectors to take gradients of; let its method `word_vectors` give them"
        )
    with torch.no_grad():
        start, end = table(nothing.input_ids), table(batch.input_ids)

    def margins(vectors: Tensor) -> Tensor:
        with _vectors_of(table, vectors):
            return margin(model.differentiable_logits(_replaced(batch, batch.input_ids.expand(len(vectors), -1))))

    with torch.backends.cudnn.flags(enabled=False):  # whose LSTM has no backward pass in eval mode
        scores: Tensor = IntegratedGradients(margins).attribute(
            end, start, n_steps=points, method="gausslegendre", internal_batch_size=AT_ONCE
        )
    return scores[0].double().sum(dim=-1).tolist()


def _vectors_of(table: nn.Embedding, vectors: Tensor) -> torch.utils.hooks.RemovableHandle:
    """While it is open, the table gives these (P, T, E) vectors, whatever ids it is asked for."""
    return table.register_forward_hook(lambda *_: vectors)


def _replaced(batch: Batch, input_ids: Tensor) -> Batch:
    """Reviews of these (P, T) ids, each as long as the batch's one."""
    rows = len(input_ids)
    return Batch(("",) * rows, batch.labels.expand(rows), input_ids, batch.lengths.expand(rows))
