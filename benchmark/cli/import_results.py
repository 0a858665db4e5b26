"""`import`: put what was computed elsewhere into the store: predictions of another system, or a bundle of `export`."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path

from benchmark.cli.options import cache_dir, chosen_suite
from benchmark.cli.part import TEST, add_part_options, challenge_set, place_of, test_reviews
from benchmark.config.file import is_name
from benchmark.config.schema import Suite
from benchmark.launch.process import EXIT_DONE
from benchmark.output import say, spell_amount
from benchmark.tracking.client import tracking_uri
from benchmark.tracking.lock import hold
from benchmark.tracking.store import TrackingStore
from data_pipeline.errors import InputError
from data_pipeline.files import sha256_of, try_read
from data_pipeline.paths import at_home


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument(
        "path",
        type=Path,
        metavar="PATH",
        help="a folder that `export` wrote; or a table (CSV, TSV, JSON, parquet) with id or text, and label, "
        "probability of positive, or logit_negative and logit_positive",
    )
    parser.add_argument("--name", metavar="NAME", help="what the table calls the system; a folder needs none")
    parser.add_argument(
        "--on", metavar="PART", default=TEST, help="what is labelled: `test`, or a challenge set (default: test)"
    )
    parser.add_argument("--fresh", action="store_true", help="replace other predictions of the same name")
    add_part_options(parser)


def execute(arguments: argparse.Namespace) -> int:
    """Import the bundle or the table."""
    path = at_home(arguments.path)
    if not try_read(path, Path.exists):
        raise InputError(f"{path}: no such file or folder. Name what `export` or another system wrote.")
    if path.is_dir():
        if arguments.name or arguments.on != TEST or arguments.fresh:
            raise InputError(f"{path}: a folder has names and parts of its own. Drop --name, --on and --fresh.")
        return _import_bundle(arguments, path)
    return _import_predictions(arguments, path)


def _import_bundle(arguments: argparse.Namespace, folder: Path) -> int:
    from benchmark.plan.workspace import Workspace
    from benchmark.results.import_bundle import import_bundle  # imports pandas

    workspace = Workspace.locate(tracking_uri=arguments.tracking_uri, cache_dir=arguments.cache_dir)
    count = import_bundle(TrackingStore(workspace.tracking_uri, workspace.cache_dir), folder, workspace.lock, say)
    say(f"imported {spell_amount(count, 'run')} out of {folder}; speeds of another machine are left out")
    return EXIT_DONE


def _import_predictions(arguments: argparse.Namespace, path: Path) -> int:
    from benchmark.results.import_predictions import Importer, Origin  # imports pandas
    from benchmark.results.predictions_file import read_foreign

    suite, place = chosen_suite(arguments), place_of(arguments)
    name = _checked_name(arguments.name, suite)
    test = test_reviews(suite, place)
    challenge = None if arguments.on == TEST else challenge_set(arguments, place, test)
    reviews = test if challenge is None else challenge.reviews
    digest = try_read(path, sha256_of)
    given = read_foreign(path, reviews, "the test part" if challenge is None else arguments.on)
    command = shlex.join(["import", path.name, "--name", name, "--on", arguments.on, "--profile", suite.profile])
    command += "".join(f" --set {shlex.quote(assignment)}" for assignment in arguments.set)
    store = TrackingStore(tracking_uri(arguments.tracking_uri), place.cache_dir)
    with hold(cache_dir(arguments) / "locks" / f"external-{name}.lock"):
        importer = Importer(store, suite.profile, name, test, arguments.fresh)
        if challenge is None:
            new = importer.add_test(given, Origin(path.name, digest, command))
        else:
            new = importer.add_challenge(challenge, given)
    what = f"{len(reviews):,} predictions of {arguments.on} by {name}"
    shown = f"`python -m benchmark report --profile {suite.profile}` shows them with finished runs of this test part"
    say(f"imported {what}; {shown}" if new else f"{what} are already here")
    return EXIT_DONE


def _checked_name(name: str | None, suite: Suite) -> str:
    if name is None:
        raise InputError("--name: is missing. Name the system whose predictions these are")
    try:
        return is_name(name, tuple(suite.experiments))
    except ValueError as error:
        raise InputError(f"--name: {error}") from None
