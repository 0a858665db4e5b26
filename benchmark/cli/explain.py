"""`explain`: which tokens of a review finished models leaned on, kept with their runs."""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from benchmark.cli.options import (
    Commands,
    add_command,
    add_data_option,
    add_device_option,
    add_profile_option,
    add_store_options,
    chosen_names,
    existing_store,
    positive,
    say,
    workspace,
)
from benchmark.launch.process import EXIT_DONE, EXIT_FAILED
from benchmark.output import shown

if TYPE_CHECKING:
    import torch

    from benchmark.tracking.explanations import ReviewExplanation
    from benchmark.tracking.records import RunRecord
    from benchmark.tracking.store import TrackingStore
    from data_pipeline.review import Review

REVIEWS = 6  # that are explained where none are named
SHOWN = 6  # tokens for a label, against it, and attended to
WIDTH = 100  # characters of a review
TOKEN_WIDTH = 24
CHOSEN = "asked for"


def add(commands: Commands[argparse.ArgumentParser]) -> None:
    """The command and its options."""
    parser = add_command(
        commands,
        "explain",
        explain,
        "show which words of a review finished models leaned on, and keep it with the runs",
    )
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
        help=f"so many test reviews on which the models disagree most, or which all get wrong (default: {REVIEWS})",
    )
    which.add_argument(
        "--id", nargs="+", metavar="ID", help="these reviews; predictions.parquet of a run has their ids"
    )
    add_profile_option(parser, "in whose latest plan the models are looked for")
    add_data_option(parser)
    add_device_option(parser)
    add_store_options(parser)


def explain(arguments: argparse.Namespace) -> int:
    """Explain what is not explained yet, then print all; 1 where a model cannot be explained and the rest was done.

    Raises:
        ExplanationError: captum is not installed, there is no such review, or both names and a run are given.
        PredictionError: there is no such model, or it is damaged.
        TrackingError: the store cannot be read or written.
        DataError: the reviews cannot be read.
    """
    from benchmark.inference.attributions import ExplanationError, require_captum

    if arguments.names and arguments.run is not None:
        raise ExplanationError("--run and names are given; choose one of them")
    require_captum()

    from benchmark.results.read import recorded_predictions
    from benchmark.results.selection import telling_reviews
    from benchmark.training.device import resolve_device

    device = resolve_device(arguments.device)
    store = existing_store(arguments)
    runs, judges = _runs(store, arguments)
    if arguments.id:
        reasons = dict.fromkeys(arguments.id, CHOSEN)
    else:
        reasons = telling_reviews([recorded_predictions(store, run) for run in judges], arguments.reviews)
    reviews = _reviews(store, runs[0], reasons, arguments)
    found: dict[str, Mapping[str, ReviewExplanation]] = {}
    failed = False
    for run in runs:
        try:
            found[run.name] = _explained(store, run, reviews, device)
        except ExplanationError as error:
            say(f"{run.name}: {error}")
            failed = True
    for review in reviews:
        print(_heading(review, reasons[review.id]))
        for name, explanations in found.items():
            print(_view(name, review, explanations[review.id]))
        print()
    return EXIT_FAILED if failed else EXIT_DONE


def _runs(store: TrackingStore, arguments: argparse.Namespace) -> tuple[list[RunRecord], list[RunRecord]]:
    """The runs to explain, and those whose predictions choose the reviews: each model's best one.

    Raises:
        PredictionError: there is none, or a named model has none.
        ConfigError: the plan has no such model.
    """
    from benchmark.inference.predict import PredictionError, best_finished_run, finished_run

    if arguments.run is not None:
        run = finished_run(store, arguments.run)
        return [run], [run]
    plan = store.latest_plan(arguments.profile)
    names = chosen_names(arguments.names or ["all"], plan.models) if plan is not None else []
    best: dict[str, RunRecord] = {}
    for name in plan.models if plan is not None else ():
        try:
            best[name] = best_finished_run(store, arguments.profile, name)
        except PredictionError:
            if name in arguments.names:
                raise
    if not best:
        raise PredictionError(
            f"no run of profile {arguments.profile!r} is finished; "
            f"`python -m benchmark run all --profile {arguments.profile}` makes them"
        )
    if left_out := [name for name in names if name not in best]:
        say(f"no run of {', '.join(left_out)} is finished; left out")
    return [best[name] for name in names if name in best], list(best.values())


def _reviews(store: TrackingStore, run: RunRecord, ids: Iterable[str], arguments: argparse.Namespace) -> list[Review]:
    """The reviews of these ids, out of the corpus that the run was made from.

    Raises:
        ExplanationError: it has no such review.
        DataError: it is not here.
    """
    from benchmark.inference.attributions import ExplanationError
    from benchmark.plan.recorded import recorded_config
    from data_pipeline.sources import load_corpus

    corpus = load_corpus(recorded_config(store, run).data, workspace(arguments).place)
    known = {review.id: review for part in corpus.parts.values() for review in part}
    for wanted in ids:
        if wanted not in known:
            raise ExplanationError(
                f"there is no review {shown(wanted, WIDTH)!r} in {corpus.name}; "
                f"predictions.parquet of run {run.run_id} has the ids of its test reviews"
            )
    return [known[wanted] for wanted in ids]


def _explained(
    store: TrackingStore, run: RunRecord, reviews: Sequence[Review], device: torch.device
) -> Mapping[str, ReviewExplanation]:
    """The run's explanations of the reviews; those that it has already are not made again.

    Raises:
        ExplanationError: its network cannot be explained.
    """
    from benchmark.inference.attributions import explain as explanations_of
    from benchmark.inference.predict import load_classifier
    from benchmark.tracking.explanations import TOLERANCE, Explanations, read_explanations, write_explanations

    found = read_explanations(store, run.run_id).reviews
    missing = [review for review in reviews if review.id not in found]
    if missing:
        say(f"{run.name}: explaining {len(missing)} reviews")
        made = explanations_of(load_classifier(store, run, device), [review.text for review in missing])
        found = found | {review.id: each for review, each in zip(missing, made, strict=True)}
        write_explanations(store, run.run_id, Explanations(reviews=found))
    for review in reviews:
        error = found[review.id].completeness_error
        if error > TOLERANCE:
            say(f"{run.name}: review {review.id}: attributions add up to the margin within {100 * error:.1f} % only")
    return found


def _heading(review: Review, why: str) -> str:
    return f"{review.id} ({('negative', 'positive')[review.label]}; {why})\n  {shown(review.text, WIDTH)}"


def _view(name: str, review: Review, found: ReviewExplanation) -> str:
    """What one model leaned on in the review, in a few lines."""
    ranked = _by_word(review.text, found.tokens, found.attributions)
    lines = [
        f"  {name}: margin {found.margin:+.2f}, {found.baseline_margin:+.2f} with nothing said",
        f"    for positive: {_list([each for each in ranked if each[1] > 0], '+.2f')}",
        f"    for negative: {_list([each for each in reversed(ranked) if each[1] < 0], '+.2f')}",
    ]
    if found.attention is not None:
        paid = _by_word(review.text, found.tokens, found.attention)
        lines.append(f"    attention (where it looks, not what that speaks for): {_list(paid, '.2f')}")
    return "\n".join(lines)


def _by_word(text: str, spans: Sequence[tuple[int, int]], values: Sequence[float]) -> list[tuple[str, float]]:
    """The words, each once with the sum of its values, the highest first."""
    sums: dict[str, float] = defaultdict(float)
    for span, value in zip(spans, values, strict=True):
        sums[_word(text, span)] += value
    return sorted(sums.items(), key=lambda each: -each[1])


def _list(ranked: Sequence[tuple[str, float]], form: str) -> str:
    return ", ".join(f"{word} {value:{form}}" for word, value in ranked[:SHOWN]) or "nothing"


def _word(text: str, span: tuple[int, int]) -> str:
    """A token as it is shown; those of the same letters count as one."""
    start, end = span
    if start == end:
        return "[end]" if end else "[start]"
    return shown(text[start:end].lower(), TOKEN_WIDTH)
