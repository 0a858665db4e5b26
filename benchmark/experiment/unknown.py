"""Tokens that the vocabulary lacks: recorded per part, reported where many, refused where nearly all."""

from __future__ import annotations

from benchmark.tracking.mlflow_tracker import MlflowTracker
from benchmark.tracking.records import MANY_UNKNOWN, UNKNOWN_TOKENS, UNREADABLE_REVIEWS
from benchmark.training.progress import Progress
from data_pipeline.errors import DataError
from data_pipeline.pipeline import Data
from data_pipeline.tokenization import TokenizerKind

NOTHING_KNOWN = 0.95  # above this share of unknown tokens a run is refused
FIXES: dict[TokenizerKind, str] = {
    "word": "Put blanks between words, add reviews or lower tokens.min_count.",
    "wordpiece": "Use an encoder of the reviews' language and case.",
}


def check_unknown(data: Data, tracker: MlflowTracker, progress: Progress) -> None:
    """Record which share of each part's tokens is unknown, and print a warning where it is large.

    Raises:
        DataError: hardly any token of a part is known.
    """
    shares = {name: part.unknown_share for name, part in data.parts.items()}
    unreadable = {name: part.unreadable for name, part in data.parts.items()}
    recorded = {f"{UNKNOWN_TOKENS}{name}": share for name, share in shares.items()}
    tracker.log_metrics(recorded | {f"{UNREADABLE_REVIEWS}{name}": count for name, count in unreadable.items()})
    fix = FIXES[data.tokenizer.kind]
    for name, share in shares.items():
        said = f"{100 * share:.1f} % of the {name} tokens are unknown"
        if share > NOTHING_KNOWN:
            raise DataError(f"{said} (expected {100 * NOTHING_KNOWN:.0f} % or less). {fix}")
        if share > MANY_UNKNOWN:
            progress.say(f"warning: {said}. {fix}")
        if unreadable[name]:
            progress.say(f"{unreadable[name]:,} of {len(data.parts[name]):,} {name} reviews have no known token")
