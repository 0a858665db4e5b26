"""What a finished network leaned on in a review: attributions that add up to its margin, and beside them attention.

T tokens, E width of a word's vector, P points of the path.

Sundararajan, Taly and Yan, "Axiomatic Attribution for Deep Networks", 2017.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from benchmark.inference.served_model import SentimentClassifier
from benchmark.tracking.explanations import ReviewExplanation, allowed, completeness_error
from data_pipeline.batch import Batch
from data_pipeline.errors import InputError
from data_pipeline.pipeline import Part, part_of_texts, token_spans
from data_pipeline.tokenization import Tokenizer
from models.classifier import Classifier

POINTS = 16  # at which the gradient is taken on a stretch of the path, by Gauss-Legendre's rule, in one batch
MOST_POINTS = 1024  # on all of it
AT_ONCE = 16  # reviews whose attention is looked at


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
        scores, points = attributions(model, batch, nothing)
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


def attributions(model: Classifier, batch: Batch, nothing: Batch) -> tuple[list[float], int]:
    """T logits that add up to what the review changes of the margin, and the points they took; 0 where they are exact.

    Args:
        model: in eval mode.
        batch: one review.
        nothing: the review that it is compared with.

    Raises:
        ExplanationError: the network has no word vectors, and is no sum either.
    """
    with torch.no_grad():
        exact = model.linear_attributions(batch)
    return (exact[0].tolist(), 0) if exact is not None else integrated_gradients(model, batch, nothing)


def integrated_gradients(model: Classifier, batch: Batch, nothing: Batch) -> tuple[list[float], int]:
    """T logits: of each token, the margin's gradient along the straight path of its vector, times the path's length.

    Where the margin jumps on its way, as that of a recurrent network does near the beginning, an even grid would need
    thousands of points. So the part of the path whose attributions are farthest from its own change of the margin is
    halved, until these errors together are within the tolerance, whatever their signs, or the points are used up: an
    even grid of 512 points missed the margin of an `lstm-attention` by 46 %, 528 points so placed by 0.2 %. What they
    do not resolve is a jump narrower than fp32: another of its reviews lost 9 logits on a two-millionth of the path.

    Returns:
        The logits, and the points that the gradient was taken at.

    Raises:
        ExplanationError: the network has no word vectors.
    """
    table = model.word_vectors()
    if table is None:
        raise ExplanationError(
            f"{type(model).__name__} has no word vectors to take gradients of; let its method `word_vectors` give them"
        )

    def margins(vectors: Tensor) -> Tensor:
        with _vectors_of(table, vectors):
            return margin(model.differentiable_logits(_replaced(batch, batch.input_ids.expand(len(vectors), -1))))

    with torch.no_grad():
        start, end = table(nothing.input_ids), table(batch.input_ids)
    with torch.backends.cudnn.flags(enabled=False):  # whose LSTM has no backward pass in eval mode
        stretches, points = [_stretch(margins, start, end)], POINTS
        change = stretches[0].change
        while sum(each.error for each in stretches) > allowed(change) and points + 2 * POINTS <= MOST_POINTS:
            worst = max(stretches, key=lambda each: each.error)
            middle = (worst.start + worst.end) / 2
            stretches.remove(worst)
            stretches += [_stretch(margins, worst.start, middle), _stretch(margins, middle, worst.end)]
            points += 2 * POINTS
    scores: list[float] = torch.stack([each.scores for each in stretches]).sum(dim=0).tolist()
    return scores, points


@dataclass(frozen=True, slots=True, eq=False)
class _Stretch:
    """A part of the path: (1, T, E) vectors at both ends, (T,) attributions, and what the margin changes by."""

    start: Tensor
    end: Tensor
    scores: Tensor
    change: float

    @property
    def error(self) -> float:
        """Logits that the attributions are off by."""
        return abs(float(self.scores.sum()) - self.change)


def _stretch(margins: Callable[[Tensor], Tensor], start: Tensor, end: Tensor) -> _Stretch:
    from captum.attr import IntegratedGradients

    scores = IntegratedGradients(margins).attribute(end, start, n_steps=POINTS, method="gausslegendre")
    with torch.no_grad():
        before, after = margins(torch.cat([start, end])).double()
    return _Stretch(start, end, scores[0].double().sum(dim=-1), float(after - before))


def _vectors_of(table: nn.Embedding, vectors: Tensor) -> torch.utils.hooks.RemovableHandle:
    """While it is open, the table gives these (P, T, E) vectors, whatever ids it is asked for."""
    return table.register_forward_hook(lambda *_: vectors)


def _replaced(batch: Batch, input_ids: Tensor) -> Batch:
    """Reviews of these (P, T) ids, each as long as the batch's one."""
    rows = len(input_ids)
    return Batch(("",) * rows, batch.labels.expand(rows), input_ids, batch.lengths.expand(rows))
