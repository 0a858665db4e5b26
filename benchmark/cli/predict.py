"""`predict`: label new reviews with a finished run."""

from __future__ import annotations

import argparse
import csv
import json
import sys
from collections.abc import Container, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tabulate import tabulate

from benchmark.cli.options import STORE, add_shared_options
from benchmark.inference.review_input import ReviewInput, ReviewInputError, read_arguments, read_lines, read_table
from benchmark.launch.process import EXIT_DONE, EXIT_FAILED
from benchmark.output import OutputError, clip, say, terminal_width, write_whole

if TYPE_CHECKING:
    import pandas as pd

STDIN = "-"
NARROWEST, USUAL = 20, 80  # characters: of the text at least; of a line where no terminal says it


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument(
        "texts",
        nargs="*",
        metavar="TEXT",
        help="a review; without any, or with `-` alone, standard input is read, one review per line",
    )
    chosen = parser.add_mutually_exclusive_group(required=True)
    chosen.add_argument("--model", metavar="NAME", help="experiment whose finished run of lowest val loss is used")
    chosen.add_argument("--run", metavar="ID", help="this run instead; the beginning of its MLflow id is enough")
    parser.add_argument(
        "--input", type=Path, metavar="FILE", help="a table: CSV, TSV, JSON, parquet, compressed or not"
    )
    parser.add_argument(
        "--text-column", metavar="NAME", help="its column of texts (default: text, review, or another usual name)"
    )
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--output", type=Path, metavar="FILE", help="write a CSV instead of printing a table")
    form.add_argument("--json", action="store_true", help="print one JSON object per review")
    add_shared_options(parser, "profile", "plan", "device", *STORE)


def execute(arguments: argparse.Namespace) -> int:
    """Print or write the labels; return exit status 1 if a review was unusable and the others were labelled."""
    if arguments.output is not None and arguments.output.suffix.lower() not in ("", ".csv"):
        raise OutputError(f"--output {arguments.output}: is written as CSV. Let it end in .csv, or use `--json`.")
    given = _read(arguments)
    for fault in given.faults:
        say(f"{fault} Left out.")
    if not given.reviews:
        raise ReviewInputError("no usable review. Give texts, `--input FILE`, or lines on standard input")

    import pandas as pd

    from benchmark.api.predict import predict as label

    answers = label(
        [review.text for review in given.reviews],
        arguments.model,
        run=arguments.run,
        profile=arguments.profile,
        plan=arguments.plan,
        device=arguments.device,
        tracking_uri=arguments.tracking_uri,
        cache_dir=arguments.cache_dir,
        say=say,
    )
    chances = [name for name in map(str, answers) if name.startswith("probability_")]
    answers.insert(0, "line", [review.line for review in given.reviews])
    answers["text"] = [review.text for review in given.reviews]
    for name in dict.fromkeys(name for review in given.reviews for name in review.others):
        values = [review.others.get(name) for review in given.reviews]
        answers[_free_name(name, answers.columns)] = pd.Series(values, dtype=object)
    if arguments.output is not None:
        # Every string in quotes: a text may hold a lone carriage return, which is quoted only when asked for.
        write_whole(arguments.output, answers.to_csv(index=False, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC))
        say(f"wrote {arguments.output}")
    elif arguments.json:
        for answer in answers.to_dict("records"):
            print(json.dumps(answer, default=str))
    else:
        print(_table(answers, chances))
    return EXIT_FAILED if given.faults else EXIT_DONE


def _read(arguments: argparse.Namespace) -> ReviewInput:
    if arguments.input is not None and arguments.texts:
        raise ReviewInputError("--input: texts are given too. Choose one of them")
    if arguments.input is not None:
        return read_table(arguments.input, arguments.text_column)
    if arguments.texts not in ([], [STDIN]):
        return read_arguments(arguments.texts)
    if sys.stdin.isatty():
        say("One review per line; Ctrl-D ends the input.")
    return read_lines(sys.stdin.buffer.read())


def _free_name(name: str, taken: Container[object]) -> str:
    """Return the name of a column of the user's beside ours, such as `input_label`."""
    while name in taken:
        name = f"input_{name}"
    return name


def _table(answers: pd.DataFrame, names: Sequence[str]) -> str:
    """Return one line per review with these probabilities, its text cut to the width of the terminal."""
    headers = ["line", "label", *(f"P({name.removeprefix('probability_')})" for name in names)]
    rows = [
        [str(answer["line"]), answer["label"], *(f"{answer[name]:.4f}" for name in names)]
        for answer in answers.to_dict("records")
    ]
    # tabulate makes a column two wider than its header, and puts two blanks between columns.
    taken = sum(max(len(header) + 2, *map(len, cells)) + 2 for header, *cells in zip(headers, *rows, strict=True))
    width = max(NARROWEST, terminal_width(USUAL) - taken)
    lines = [[*row, clip(text, width)] for row, text in zip(rows, answers["text"], strict=True)]
    align = ["right", "left", *["right"] * len(names), "left"]
    return tabulate(lines, [*headers, "text"], tablefmt="simple", disable_numparse=True, colalign=align)
