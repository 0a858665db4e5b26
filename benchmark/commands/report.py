"""`report`: the table, made from the recorded runs alone."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from benchmark.commands.options import (
    EXIT_DONE,
    Commands,
    add_command,
    add_profile_option,
    add_store_options,
    cache_dir,
    write_output,
)
from benchmark.files import OutputError

SUFFIXES = {".md": "markdown", ".csv": "csv", ".tex": "latex", ".txt": "terminal"}


def add(commands: Commands[argparse.ArgumentParser]) -> None:
    """The command and its options."""
    parser = add_command(commands, "report", report, "print the table from the recorded runs")
    add_profile_option(parser, "whose latest plan")
    parser.add_argument("--format", choices=sorted(SUFFIXES.values()), default="terminal", help="form of the table")
    parser.add_argument(
        "--output",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help=f"write it to a file instead ({', '.join(SUFFIXES)}); may be given several times",
    )
    add_store_options(parser)


def report(arguments: argparse.Namespace) -> int:
    """Print the table or write it to files."""
    return print_report(arguments, arguments.profile, arguments.output)


def print_report(arguments: argparse.Namespace, profile: str, outputs: Sequence[Path]) -> int:
    """The table of the profile's latest plan, printed where no output is named.

    Raises:
        OutputError: a file cannot be written, or its ending is no known form.
        TrackingError: nothing is recorded.
    """
    from benchmark.report.table import make_report
    from benchmark.tracking.client import TrackingError, tracking_uri
    from benchmark.tracking.store import TrackingStore

    for path in outputs:
        if path.suffix not in SUFFIXES:
            raise OutputError(f"--output {path}: the ending says the form; one of {', '.join(SUFFIXES)}")
    store = TrackingStore.existing(tracking_uri(arguments.tracking_uri), cache_dir(arguments))
    plan = store.latest_plan(profile) if store else None
    if store is None or plan is None:
        raise TrackingError(
            f"no run of profile {profile!r} is recorded here; `python -m benchmark run all "
            f"--profile {profile}` makes them"
        )
    table = make_report(plan, store.runs(profile), store.speeds(profile))
    for path in outputs:
        write_output(path, table.render(SUFFIXES[path.suffix]))
    if not outputs:
        print(table.render(getattr(arguments, "format", "terminal")), end="")
    return EXIT_DONE
