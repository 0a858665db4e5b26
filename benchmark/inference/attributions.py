"""Explain why a network labels a review as it does: attributions that add up to its margin, and its attention.

T tokens, E width of a word vector, P points of the path.

Sundararajan, Taly and Yan, "Axiomatic Attribution for Deep Networks", 2017.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from benchmark.inference.classifier import SentimentClassifier
from benchmark.tracking.explanations import ReviewExplanation, allowed, completeness_error
from data_pipeline.batch import Batch
from data_pipeline.errors import InputError
from data_pipeline.pipeline import part_of_texts, token_spans
from data_pipeline.tokenization import Tokenizer
from models.classifier import Classifier

POINTS = 16  # of Gauss-Legendre's rule per segment of the path, computed in one batch
MOST_POINTS = 1024  # of the whole path


class ExplanationError(InputError):
    """A review or a network that cannot be explained."""


def require_captum() -> None:
    """Raise ExplanationError unless the optional package captum is installed."""
    try:
        import captum.attr  # noqa: F401
    except ImportError:
        raise ExplanationError(
            "captum: is not installed. Run `pip install 'imdb-sentiment-benchmark[explain]'`."
        ) from None


def explain(classifier: SentimentClassifier, texts: Sequence[str]) -> Iterator[ReviewExplanation]:
    """Explain each raw text in turn, in fp32 whatever the run's precision: bf16 rounds whole attributions away.

    Raises:
        ExplanationError: the network has no word vectors, and is no sum either.
    """
    model, part = classifier.model, part_of_texts(texts, classifier.tokenizer, classifier.tokens)
    for position, text in enumerate(texts):
        batch = part.batch(np.array([position])).to(classifier.device)
        baseline = _with_ids(batch, baseline_ids(batch.input_ids, classifier.tokenizer))
        with torch.no_grad():
            margins = [float(margin(model.differentiable_logits(each))) for each in (batch, baseline)]
            attention = model.attention_weights(batch)
        scores, points = attributions(model, batch, baseline)
        yield ReviewExplanation(
            tokens=tuple(map(tuple, token_spans(text, classifier.tokenizer, classifier.tokens).tolist())),
            attributions=tuple(scores),
            attention=None if attention is None else tuple(attention[0].tolist()),
            margin=margins[0],
            baseline_margin=margins[1],
            completeness_error=completeness_error(sum(scores), margins[0] - margins[1]),
            steps=points,
        )


def baseline_ids(input_ids: Tensor, tokenizer: Tokenizer) -> Tensor:
    """Replace all tokens of a (1, T) review by padding, except special tokens.

    Padding's vector is zero in the recurrent networks, and a BERT was pre-trained to ignore it.
    """
    ids = input_ids.clone()
    ids[:, len(tokenizer.prefix_ids) : input_ids.shape[1] - len(tokenizer.suffix_ids)] = tokenizer.pad_id
    return ids


def margin(logits: Tensor) -> Tensor:
    """Return (B,) logit of positive minus logit of negative, out of (B, 2)."""
    return logits[:, 1] - logits[:, 0]


def attributions(model: Classifier, batch: Batch, baseline: Batch) -> tuple[list[float], int]:
    """Return T logits that add up to the margin's change from the baseline, and the points they took (0: exact).

    The model is in eval mode, and each batch holds one review.

    Raises:
        ExplanationError: the network has no word vectors, and is no sum either.
    """
    with torch.no_grad():
        exact = model.linear_attributions(batch)
    return (exact[0].tolist(), 0) if exact is not None else integrated_gradients(model, batch, baseline)


def integrated_gradients(model: Classifier, batch: Batch, baseline: Batch) -> tuple[list[float], int]:
    """Integrate the margin's gradient along the straight path of each token's vector, in T logits.

    A recurrent network's margin may jump near the beginning of the path, where an even grid would need thousands of
    points. So the segment whose attributions miss its own change of the margin most is halved, until these errors add
    up to less than the tolerance or the points are used up: an even grid of 512 points missed the margin of an
    `lstm-attention` by 46 %, 528 points so placed by 0.2 %. A jump narrower than fp32 stays unresolved: another review
    of that network lost 9 logits on a two-millionth of the path.

    Returns:
        The logits, and the number of points at which the gradient was taken.

    Raises:
        ExplanationError: the network has no word vectors.
    """
    table = model.word_vectors()
    if table is None:
        raise ExplanationError(
            f"{type(model).__name__}: has no word vectors to take gradients of. Return them from `word_vectors`."
        )

    def margins(vectors: Tensor) -> Tensor:
        """Return (P,) margins of (P, T, E) vectors, which the table gives whatever ids it is asked for."""
        with table.register_forward_hook(lambda *_: vectors):
            return margin(model.differentiable_logits(_with_ids(batch, batch.input_ids.expand(len(vectors), -1))))

    with torch.no_grad():
        start, end = table(baseline.input_ids), table(batch.input_ids)
    with torch.backends.cudnn.flags(enabled=False):  # cuDNN's LSTM has no backward pass in eval mode
        segments, points = [_segment(margins, start, end)], POINTS
        change = segments[0].change
        while sum(each.error for each in segments) > allowed(change) and points + 2 * POINTS <= MOST_POINTS:
            worst = max(segments, key=lambda each: each.error)
            middle = (worst.start + worst.end) / 2
            segments.remove(worst)
            segments += [_segment(margins, worst.start, middle), _segment(margins, middle, worst.end)]
            points += 2 * POINTS
    scores: list[float] = torch.stack([each.scores for each in segments]).sum(dim=0).tolist()
    return scores, points


@dataclass(frozen=True, slots=True, eq=False)
class _Segment:
    """A part of the path: (1, T, E) vectors at both ends, (T,) attributions, and the change of the margin."""

    start: Tensor
    end: Tensor
    scores: Tensor
    change: float

    @property
    def error(self) -> float:
        """Return the logits by which the attributions miss the change."""
        return abs(float(self.scores.sum()) - self.change)


def _segment(margins: Callable[[Tensor], Tensor], start: Tensor, end: Tensor) -> _Segment:
    from captum.attr import IntegratedGradients

    scores = IntegratedGradients(margins).attribute(end, start, n_steps=POINTS, method="gausslegendre")
    with torch.no_grad():
        before, after = margins(torch.cat([start, end])).double()
    return _Segment(start, end, scores[0].double().sum(dim=-1), float(after - before))


def _with_ids(batch: Batch, input_ids: Tensor) -> Batch:
    """Make reviews of these (P, T) ids, each as long as the batch's only review."""
    rows = len(input_ids)
    return Batch(("",) * rows, batch.labels.expand(rows), input_ids, batch.lengths.expand(rows))
