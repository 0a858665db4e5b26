"""`import`: what was computed elsewhere, put into the store: a bundle that `export` wrote."""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmark.cli.options import SUITE, add_shared_options


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument("path", type=Path, metavar="PATH", help="a folder that `export` wrote, or a table of labels")
    add_shared_options(parser, *SUITE)


def execute(arguments: argparse.Namespace) -> int:
    """Import the bundle or the table."""
    if arguments.path.is_dir():
        raise NotImplementedError  # part `bundles`: import_bundle(store, folder, say)
    raise NotImplementedError  # part `external`
