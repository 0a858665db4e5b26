"""The command line: which commands there are, and with which status they end."""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Callable, Sequence

from benchmark.cli import (
    compare,
    doctor,
    explain,
    export,
    predict,
    report,
    reproduce,
    run,
    study,
    throughput,
    tune,
    ui,
    validate,
)
from benchmark.cli import list as list_runs
from benchmark.launch.process import EXIT_DONE, EXIT_INTERRUPTED, EXIT_USAGE, reduce_garbage_collection
from data_pipeline.errors import InputError

# In the order of --help.
COMMANDS = (
    run,
    tune,
    study,
    report,
    export,
    predict,
    explain,
    compare,
    reproduce,
    throughput,
    ui,
    list_runs,
    validate,
    doctor,
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status: 0 done, 1 something ran and failed, 2 wrong use, 130 interrupted."""
    reduce_garbage_collection()
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a table's lines on a terminal that has no such characters
    arguments = _parser().parse_args(argv)
    command: Callable[[argparse.Namespace], int] = arguments.command
    try:
        return command(arguments)
    except KeyboardInterrupt:
        print("Interrupted. Run the same command again to resume.", file=sys.stderr)
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # The reader of our output has gone, as in `... | head`; Python would complain once more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_DONE
    except InputError as error:
        for line in str(error).splitlines():
            print(f"error: {line}", file=sys.stderr)
        return EXIT_USAGE
    except OSError as error:  # a disk that is full or read-only, wherever it shows
        where = f"{error.filename}: " if error.filename else ""
        print(
            f"error: {where}{error.strerror or error}. Fix that, then run the same command again to resume",
            file=sys.stderr,
        )
        return EXIT_USAGE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmark",
        description="Compares RNN, LSTM, frozen BERT and fine-tuned BERT on IMDB reviews; every run is kept in MLflow.",
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for command in COMMANDS:
        command.add(commands)
    return parser
