"""`export`: a plan's results in a folder that a report can be made from anywhere."""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmark.cli.options import Commands, add_command, add_profile_option, add_store_options, existing_store, say
from benchmark.launch.process import EXIT_DONE


def add(commands: Commands[argparse.ArgumentParser]) -> None:
    """Add the command and its options."""
    parser = add_command(
        commands, "export", export, "write a plan's results to a folder; `report --from DIR` needs no more"
    )
    parser.add_argument("folder", type=Path, metavar="DIR", help="new or empty folder; no review's text is in it")
    add_profile_option(parser, "whose latest plan")
    add_store_options(parser)


def export(arguments: argparse.Namespace) -> int:
    """Write the folder."""
    from benchmark.results.export import write_export
    from benchmark.results.read import read_results

    store = existing_store(arguments)
    results = read_results(store, arguments.profile)
    write_export(store, results, arguments.folder)
    say(f"wrote {arguments.folder}: {len(results.logits)} finished runs")
    return EXIT_DONE
