"""The command line: which commands there are, and with which status they end."""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from importlib import import_module
from typing import TextIO, cast

from benchmark.launch.process import EXIT_DONE, EXIT_INTERRUPTED, EXIT_USAGE, reduce_garbage_collection
from benchmark.output import PlainStream, say
from data_pipeline.errors import InputError

# Each is a module of this package, imported when it is called; in the order of --help.
COMMANDS = {
    "run": "do the missing runs, then print the table",
    "tune": "search settings on train and val; `run --tuned` uses the best",
    "study": "show a search: best trials, importance, pruned trials",
    "report": "print the table of the recorded runs, and what it means",
    "evaluate": "score finished runs on challenge sets: reviews beyond the test part",
    "export": "write a plan's results to a folder, which `report --from DIR` reads; or reviews to be labelled",
    "import": "put what was computed elsewhere into the store: another system's predictions, or an export",
    "predict": "label new reviews with the best finished run of a model",
    "explain": "show which words of a review finished models rely on, and record it",
    "compare": "show two recorded runs side by side",
    "reproduce": "do a recorded run again and say whether it comes out equal",
    "throughput": "measure how fast each model trains and predicts here",
    "ui": "open MLflow's page of the recorded runs; Ctrl-C ends it",
    "list": "show the experiments of a profile and the state of their runs",
    "validate": "check an experiments.yaml without training anything",
    "doctor": "check versions, machine, reviews, store and cache",
}
MODULES = {"import": "import_results"}  # a keyword names no module


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; return the exit status: 0 done, 1 something ran and failed, 2 wrong use, 130 interrupted."""
    reduce_garbage_collection()
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a table's lines on a terminal that has no such characters
    words = sys.argv[1:] if argv is None else argv
    if not words:
        _parser("").print_help(sys.stderr)
        return EXIT_USAGE
    arguments = _parser(words[0]).parse_args(words)
    command: Callable[[argparse.Namespace], int] = arguments.command
    try:
        with redirect_stdout(cast(TextIO, PlainStream(sys.stdout))):
            return command(arguments)
    except KeyboardInterrupt:
        say("Interrupted. Run the same command again to resume.")
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # The reader of our output has gone, as in `... | head`; Python would complain once more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_DONE
    except InputError as error:
        for line in str(error).splitlines():
            say(f"error: {line}")
        return EXIT_USAGE
    except OSError as error:  # a disk that is full or read-only, wherever it shows
        where = f"{error.filename}: " if error.filename else ""
        reason = error.strerror or error
        say(f"error: {where}{reason}. Fix that, then run the same command again")
        return EXIT_USAGE


def _parser(called: str) -> argparse.ArgumentParser:
    """Return the parser; only the command called has its options."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmark",
        description="Compare RNN, LSTM, frozen BERT and fine-tuned BERT on IMDB reviews; MLflow records every run.",
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for name, text in COMMANDS.items():
        command = commands.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
        if name == called:
            module = import_module(f"benchmark.cli.{MODULES.get(name, name)}")
            module.add_options(command)
            command.set_defaults(command=module.execute)
    return parser
