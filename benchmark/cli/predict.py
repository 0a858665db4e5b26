"""`predict`: labels and probabilities of new reviews, from a finished run."""

from __future__ import annotations

import argparse
import csv
import io
import json
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark.cli.options import (
    Commands,
    add_command,
    add_device_option,
    add_profile_option,
    add_store_options,
    say,
    write_output,
)
from benchmark.launch.process import EXIT_DONE, EXIT_FAILED
from benchmark.output import clip

if TYPE_CHECKING:
    import pandas as pd

    from benchmark.inference.review_input import ReviewInput, ReviewText

STDIN = "-"
NARROWEST = 20  # columns of a terminal that the text has at least


def add(commands: Commands[argparse.ArgumentParser]) -> None:
    """The command and its options."""
    parser = add_command(commands, "predict", predict, "label new reviews with the best finished run of a model")
    parser.add_argument(
        "texts",
        nargs="*",
        metavar="TEXT",
        help="a review; without any, or with `-` alone, standard input is read, one review a line",
    )
    chosen = parser.add_mutually_exclusive_group(required=True)
    chosen.add_argument("--model", metavar="NAME", help="experiment whose finished run of lowest val loss is used")
    chosen.add_argument("--run", metavar="ID", help="this run instead; the beginning of its MLflow id is enough")
    parser.add_argument("--input", type=Path, metavar="FILE", help="CSV or parquet file with the column text")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--output", type=Path, metavar="FILE", help="write a CSV instead of printing a table")
    form.add_argument("--json", action="store_true", help="print one JSON object a review")
    add_profile_option(parser, "in whose latest plan the model is looked for")
    add_device_option(parser)
    add_store_options(parser)


def predict(arguments: argparse.Namespace) -> int:
    """Print or write what the model says; 1 where a row could not be read and the rest was done.

    Raises:
        ReviewInputError: there is no usable review.
        PredictionError: there is no such model, or it is damaged.
        TrackingError: the store cannot be read.
        DeviceError: this machine has no such device.
    """
    given = _read(arguments)
    for fault in given.faults:
        say(f"{fault} Left out.")
    _refuse_nothing(given)

    from benchmark.api.predict import predict as label

    answers = label(
        [review.text for review in given.reviews],
        arguments.model,
        run=arguments.run,
        profile=arguments.profile,
        device=arguments.device,
        tracking_uri=arguments.tracking_uri,
        cache_dir=arguments.cache_dir,
        say=say,
    )
    if arguments.output is not None:
        write_output(arguments.output, _csv(given.reviews, answers))
    elif arguments.json:
        _print_json(given.reviews, answers)
    else:
        print(_table(given.reviews, answers))
    return EXIT_FAILED if given.faults else EXIT_DONE


def _read(arguments: argparse.Namespace) -> ReviewInput:
    """The reviews, from wherever the options say.

    Raises:
        ReviewInputError: both texts and a file are given, or the file cannot be read.
    """
    from benchmark.inference.review_input import ReviewInputError, read_arguments, read_lines, read_table

    if arguments.input is not None and arguments.texts:
        raise ReviewInputError("--input and texts are given; choose one of them")
    if arguments.input is not None:
        return read_table(arguments.input)
    if arguments.texts not in ([], [STDIN]):
        return read_arguments(arguments.texts)
    if sys.stdin.isatty():
        say("one review a line; Ctrl-D ends")
    return read_lines(sys.stdin.buffer.read())


def _refuse_nothing(given: ReviewInput) -> None:
    from benchmark.inference.review_input import ReviewInputError

    if not given.reviews:
        raise ReviewInputError("there is no usable review; give texts, --input FILE, or lines on standard input")


def _csv(reviews: Sequence[ReviewText], answers: pd.DataFrame) -> str:
    out = io.StringIO()
    # Every string in quotes: a text may hold a lone carriage return, which csv quotes only when asked to.
    writer = csv.writer(out, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)
    writer.writerow(["line", *answers.columns, "text"])
    for review, answer in zip(reviews, answers.itertuples(index=False), strict=True):
        writer.writerow([review.line, *answer, review.text])
    return out.getvalue()


def _print_json(reviews: Sequence[ReviewText], answers: pd.DataFrame) -> None:
    for review, answer in zip(reviews, answers.to_dict("records"), strict=True):
        print(json.dumps({"line": review.line, **answer, "text": review.text}))


def _table(reviews: Sequence[ReviewText], answers: pd.DataFrame) -> str:
    """One line a review, its text cut to what the terminal has room for."""
    from tabulate import tabulate

    headers = ["line", "label", *(f"P({name.removeprefix('probability_')})" for name in answers.columns[1:])]
    rows = [
        [str(review.line), label, *(f"{probability:.4f}" for probability in probabilities)]
        for review, (label, *probabilities) in zip(reviews, answers.itertuples(index=False), strict=True)
    ]
    # tabulate makes a column two wider than its header, and puts two blanks between columns.
    taken = sum(max(len(header) + 2, *map(len, cells)) + 2 for header, *cells in zip(headers, *rows, strict=True))
    width = max(NARROWEST, shutil.get_terminal_size().columns - taken)
    lines = [[*row, clip(review.text, width)] for review, row in zip(reviews, rows, strict=True)]
    align = ["right", "left", *["right"] * (len(headers) - 2), "left"]
    return tabulate(lines, [*headers, "text"], tablefmt="simple", disable_numparse=True, colalign=align)
