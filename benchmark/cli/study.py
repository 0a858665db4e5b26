"""`study`: show what a search has found so far."""

from __future__ import annotations

import argparse

from benchmark.cli.options import add_shared_options, cache_dir
from benchmark.launch.process import EXIT_DONE
from benchmark.tuning.outcome import importance, read_outcome, study_text
from benchmark.tuning.storage import find_study, open_storage, storage_uri


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument("name", metavar="NAME", help="an experiment, or the full name of a study")
    add_shared_options(parser, "profile", "storage", "cache-dir")


def execute(arguments: argparse.Namespace) -> int:
    """Print a study's text."""
    lock = cache_dir(arguments) / "locks" / "optuna.lock"
    storage = open_storage(storage_uri(arguments.storage), lock, create=False)
    found, others = find_study(storage, arguments.profile, arguments.name)
    print(study_text(read_outcome(found), importance(found)))
    if others:
        print(f"\nolder studies of {arguments.name}: {', '.join(others)}")
    return EXIT_DONE
