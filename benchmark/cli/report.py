"""`report`: print or write the table and what it means, from recorded runs alone."""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmark.api.results import HTML, PAGE_FILE, load_results
from benchmark.cli.options import STORE, add_shared_options
from benchmark.launch.process import EXIT_DONE
from benchmark.output import OutputError, say

SUFFIXES = {".md": "markdown", ".csv": "csv", ".json": "json", ".tex": "latex", ".txt": "terminal"}


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument(
        "--format", choices=sorted([*SUFFIXES.values(), HTML]), default="terminal", help="form of the report"
    )
    parser.add_argument(
        "--output",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help=f"write it to a file instead ({', '.join(SUFFIXES)}), or with --format html to a folder, as {PAGE_FILE}; "
        "repeat it for several",
    )
    parser.add_argument(
        "--from", type=Path, dest="export", metavar="DIR", help="read a folder that `export` wrote, not the store"
    )
    parser.add_argument("--no-texts", action="store_true", help="leave the reviews' texts out of the HTML page")
    add_shared_options(parser, "profile", "data", *STORE)


def execute(arguments: argparse.Namespace) -> int:
    """Print the report, or write it to the files named."""
    _check_outputs(arguments)
    results = load_results(
        arguments.profile,
        tracking_uri=arguments.tracking_uri,
        cache_dir=arguments.cache_dir,
        export=arguments.export,
    )
    for path in arguments.output:
        form = HTML if arguments.format == HTML else SUFFIXES[path.suffix]
        results.report(form, path, texts=not arguments.no_texts, data=arguments.data)
        say(f"wrote {path / PAGE_FILE if form == HTML else path}")
    if not arguments.output:
        print(results.report(arguments.format), end="")
    return EXIT_DONE


def _check_outputs(arguments: argparse.Namespace) -> None:
    """Raise OutputError for an output that the form does not fit, before anything is read."""
    if arguments.format == HTML:
        if not arguments.output:
            raise OutputError("--format html: writes a folder. Name it with `--output DIR`")
        return
    for path in arguments.output:
        if path.suffix not in SUFFIXES:
            raise OutputError(f"--output {path}: the ending chooses the form (expected one of {', '.join(SUFFIXES)})")
        if arguments.format not in ("terminal", SUFFIXES[path.suffix]):
            raise OutputError(f"--output {path}: is {SUFFIXES[path.suffix]}, not --format {arguments.format}. Drop one")
