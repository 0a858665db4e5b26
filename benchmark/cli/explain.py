"""`explain`: show which words of a review finished models leaned on, and record it with their runs."""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

import torch

from benchmark.cli.options import STORE, add_shared_options, existing_store, positive
from benchmark.config.choice import chosen_experiments
from benchmark.inference import attributions
from benchmark.inference.attributions import ExplanationError, require_captum
from benchmark.inference.predict import PredictionError, best_finished_runs, finished_run, load_classifier
from benchmark.launch.process import EXIT_DONE, EXIT_FAILED
from benchmark.output import clip, say
from benchmark.plan.recorded import recorded_config
from benchmark.results.read import recorded_predictions
from benchmark.results.selection import select_reviews
from benchmark.tracking.explanations import (
    TOLERANCE,
    Explanations,
    ReviewExplanation,
    read_explanations,
    write_explanations,
)
from benchmark.tracking.records import RunRecord
from benchmark.tracking.store import TrackingStore
from benchmark.training.device import resolve_device
from benchmark.training.progress import Progress
from data_pipeline.load import load_corpus
from data_pipeline.review import Review
from data_pipeline.sources import Place

REVIEWS = 6  # explained by default
WORDS = 6  # for a label, against it, and attended to
WIDTH, WORD_WIDTH = 100, 24  # characters of a review, of a word


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help="experiments whose finished run of lowest val loss is explained (all)"
    )
    parser.add_argument("--run", metavar="ID", help="this run instead; the beginning of its MLflow id is enough")
    which = parser.add_mutually_exclusive_group()
    which.add_argument(
        "--reviews",
        type=positive(int),
        default=REVIEWS,
        metavar="N",
        help=f"N test reviews on which the models disagree most, or which all get wrong (default: {REVIEWS})",
    )
    which.add_argument(
        "--id", nargs="+", metavar="ID", help="these reviews; predictions.parquet of a run has their ids"
    )
    add_shared_options(parser, "profile", "plan", "data", "device", *STORE)


def execute(arguments: argparse.Namespace) -> int:
    """Explain what is not explained yet, then print all; return 1 if a model cannot be explained."""
    if arguments.names and arguments.run is not None:
        raise ExplanationError("--run: names are given too. Choose one of them.")
    require_captum()
    device, store = resolve_device(arguments.device), existing_store(arguments)
    runs, judges = _runs(store, arguments)
    if arguments.id:
        reasons = dict.fromkeys(arguments.id, "asked for")
    else:
        reasons = select_reviews([recorded_predictions(store, run) for run in judges], arguments.reviews)
    reviews = _reviews(store, runs[0], reasons, arguments)
    found: dict[str, Mapping[str, ReviewExplanation]] = {}
    for run in runs:
        try:
            found[run.name] = _explanations(store, run, reviews, device)
        except ExplanationError as error:
            say(f"{run.name}: {error}")
    for review in reviews:
        label = ("negative", "positive")[review.label]
        print(f"{review.id} ({label}; {reasons[review.id]})\n  {clip(review.text, WIDTH)}")
        for name, explanations in found.items():
            print(_spell(name, review.text, explanations[review.id]))
        print()
    return EXIT_DONE if len(found) == len(runs) else EXIT_FAILED


def _runs(store: TrackingStore, arguments: argparse.Namespace) -> tuple[list[RunRecord], list[RunRecord]]:
    """Return the runs to explain, and the runs whose predictions choose the reviews."""
    if arguments.run is not None:
        run = finished_run(store, arguments.run)
        return [run], [run]
    best = best_finished_runs(store, arguments.profile, arguments.plan)
    names = chosen_experiments(arguments.names or ["all"], list(best))
    missing = [name for name in names if best[name] is None]
    named = [name for name in missing if name in arguments.names]
    if named or len(missing) == len(names):
        raise PredictionError(
            f"{', '.join(named or missing)}: no run is finished. Run `python -m benchmark run "
            f"{' '.join(arguments.names or ['all'])} --profile {arguments.profile}`."
        )
    if missing:
        say(f"no run of {', '.join(missing)} is finished; left out")
    finished = {name: run for name, run in best.items() if run is not None}
    return [finished[name] for name in names if name in finished], list(finished.values())


def _reviews(store: TrackingStore, run: RunRecord, ids: Iterable[str], arguments: argparse.Namespace) -> list[Review]:
    """Read the reviews of these ids from the run's corpus."""
    corpus = load_corpus(recorded_config(store, run).data, Place.locate(arguments.data, arguments.cache_dir))
    known = {review.id: review for part in corpus.parts.values() for review in part}
    for wanted in ids:
        if wanted not in known:
            raise ExplanationError(
                f"--id {clip(wanted, WIDTH)}: is no review of {corpus.name}. predictions.parquet of run {run.run_id} "
                "has the ids of its test reviews."
            )
    return [known[wanted] for wanted in ids]


def _explanations(
    store: TrackingStore, run: RunRecord, reviews: Sequence[Review], device: torch.device
) -> Mapping[str, ReviewExplanation]:
    """Return the run's explanations by review id; compute and record the missing ones."""
    found = read_explanations(store, run.run_id).reviews
    missing = [review for review in reviews if review.id not in found]
    if missing:
        say(f"{run.name}: explaining {len(missing)} reviews")
        made = attributions.explain(load_classifier(store, run, device), [review.text for review in missing])
        progress = Progress(sys.stderr)
        progress.start(run.name, len(missing))
        try:
            found = dict(found)
            for review, each in zip(missing, made, strict=True):
                found[review.id] = each
                progress.advance(1)
        finally:
            progress.finish()
        write_explanations(store, run.run_id, Explanations(reviews=found))
    for review in reviews:
        if (error := found[review.id].completeness_error) > TOLERANCE:
            say(f"{run.name}: review {review.id}: attributions miss the margin's change by {100 * error:.1f} %")
    return found


def _spell(name: str, text: str, found: ReviewExplanation) -> str:
    ranked = _by_word(text, found.tokens, found.attributions)
    lines = [
        f"  {name}: margin {found.margin:+.2f}, of which {found.baseline_margin:+.2f} before a word is read",
        f"    for positive: {_top([each for each in ranked if each[1] > 0], '+.2f')}",
        f"    for negative: {_top([each for each in reversed(ranked) if each[1] < 0], '+.2f')}",
    ]
    if found.attention is not None:
        attended = _by_word(text, found.tokens, found.attention)
        lines.append(f"    attention (where the model looks, for either label): {_top(attended, '.2f')}")
    return "\n".join(lines)


def _by_word(text: str, spans: Sequence[tuple[int, int]], values: Sequence[float]) -> list[tuple[str, float]]:
    """Sum the values per word, whatever its case; the highest sum comes first."""
    sums: dict[str, float] = defaultdict(float)
    for (start, end), value in zip(spans, values, strict=True):
        special = "[end]" if end else "[start]"
        sums[clip(text[start:end].lower(), WORD_WIDTH) if start < end else special] += value
    return sorted(sums.items(), key=lambda each: -each[1])


def _top(ranked: Sequence[tuple[str, float]], form: str) -> str:
    return ", ".join(f"{word} {value:{form}}" for word, value in ranked[:WORDS]) or "nothing"
