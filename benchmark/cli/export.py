"""`export`: a plan's results in a folder that a report can be made from anywhere."""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmark.cli.options import STORE, add_shared_options, existing_store
from benchmark.launch.process import EXIT_DONE
from benchmark.output import say, spell_amount
from benchmark.results.export import write_export
from benchmark.results.read import read_results


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument("folder", type=Path, metavar="DIR", help="new or empty folder; no review's text is in it")
    add_shared_options(parser, "profile", "plan", *STORE)


def execute(arguments: argparse.Namespace) -> int:
    """Write the folder."""
    store = existing_store(arguments)
    results = read_results(store, arguments.profile, arguments.plan)
    write_export(store, results, arguments.folder)
    say(f"wrote {arguments.folder}: {spell_amount(len(results.logits), 'finished run')} of plan {results.entry}")
    return EXIT_DONE
