"""`report`: print or write the table and what it means, from recorded runs alone."""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmark.api.results import load_results
from benchmark.cli.options import STORE, add_shared_options
from benchmark.launch.process import EXIT_DONE
from benchmark.output import OutputError, say
from benchmark.report.forms import ENDINGS, FORMS, HTML, PAGE_FILE, destination


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument(
        "--format", choices=sorted([*FORMS, HTML]), help="form of the report (default: as --output ends, else terminal)"
    )
    parser.add_argument(
        "--output",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help=f"write it to a file instead, whose ending chooses the form ({', '.join(ENDINGS)}); with --format html "
        f"also to a folder, as {PAGE_FILE}; repeat it for several",
    )
    parser.add_argument(
        "--from",
        type=Path,
        action="append",
        dest="export",
        metavar="DIR",
        help="read a folder that `export` wrote, not the store; repeat it to merge several of one profile",
    )
    parser.add_argument("--no-texts", action="store_true", help="leave the reviews' texts out of the HTML page")
    add_shared_options(parser, "profile", "plan", "data", "data-dir", *STORE)


def execute(arguments: argparse.Namespace) -> int:
    """Print the report, or write it to the files named."""
    if arguments.format == HTML and not arguments.output:
        raise OutputError("--format html: writes a file. Name it with `--output page.html`")
    outputs = [destination(arguments.format, path) for path in arguments.output]  # before anything is read
    results = load_results(
        arguments.profile,
        plan=arguments.plan,
        tracking_uri=arguments.tracking_uri,
        cache_dir=arguments.cache_dir,
        export=arguments.export,
    )
    for form, path in outputs:
        results.report(form, path, texts=not arguments.no_texts, data=arguments.data, data_dir=arguments.data_dir)
        say(f"wrote {path}")
    if not outputs:
        print(results.report(arguments.format), end="")
    return EXIT_DONE
