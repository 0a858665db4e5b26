"""`export`: a plan's results in a folder that a report can be made from; or reviews for another system to label."""

from __future__ import annotations

import argparse
import csv
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from benchmark.cli.options import OPTIONS, chosen_suite, existing_store
from benchmark.cli.part import TEST, add_part_options, challenge_set, place_of, test_reviews
from benchmark.launch.process import EXIT_DONE
from benchmark.output import say, spell_amount, write_whole
from benchmark.results.export import write_export
from benchmark.results.read import read_results
from benchmark.results.results import PlanResults
from data_pipeline.errors import InputError, ReviewsNotHereError
from data_pipeline.paths import at_home
from data_pipeline.review import Review


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument(
        "path",
        type=Path,
        metavar="PATH",
        help="new or empty folder, or an export of the profile, which is updated; no review's text is in it. "
        "With --on, a CSV",
    )
    parser.add_argument(
        "--on",
        metavar="PART",
        help="write id and text, no label, of the test part (`test`) or a challenge set, for another system to label",
    )
    parser.add_argument("--plan", **OPTIONS["plan"])
    add_part_options(parser)


def execute(arguments: argparse.Namespace) -> int:
    """Write the folder or the CSV."""
    if arguments.on is not None:
        return _export_part(arguments, at_home(arguments.path))
    store = existing_store(arguments)
    results = read_results(store, arguments.profile, arguments.plan)
    write_export(store, results, arguments.path)
    say(f"wrote {arguments.path}: {spell_amount(len(results.logits), 'finished run')} of plan {results.entry}")
    return EXIT_DONE


def _export_part(arguments: argparse.Namespace, path: Path) -> int:
    try:
        reviews = _reviews(arguments)
        table = pd.DataFrame({"id": [each.id for each in reviews], "text": [each.text for each in reviews]})
    except ReviewsNotHereError:
        ids = _recorded_ids(read_results(existing_store(arguments), arguments.profile, arguments.plan), arguments.on)
        table = pd.DataFrame({"id": ids})
    write_whole(path, table.to_csv(index=False, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC))
    alone = "" if "text" in table else ", ids alone: the texts are not on this machine"
    say(f"wrote {path}: {spell_amount(len(table), 'review')} of {arguments.on}{alone}")
    return EXIT_DONE


def _reviews(arguments: argparse.Namespace) -> Sequence[Review]:
    place = place_of(arguments)
    test = test_reviews(chosen_suite(arguments), place)
    return test if arguments.on == TEST else challenge_set(arguments, place, test).reviews


def _recorded_ids(results: PlanResults, part: str) -> Sequence[str]:
    """Return the ids that finished runs have predicted."""
    found = {TEST: results.ids} | {each.name: each.ids for each in results.challenges}
    if part not in found or not len(found[part]):
        raise InputError(f"--on {part}: its reviews are not on this machine, and no finished run has labelled them")
    return list(map(str, found[part]))
