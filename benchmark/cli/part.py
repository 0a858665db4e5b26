"""The reviews that `--on` names: the test part, or a challenge set."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from benchmark.cli.options import SUITE, add_shared_options
from benchmark.config.load import challenge_entries, locate_config
from benchmark.config.schema import Suite
from data_pipeline.challenges import ChallengeSet, load_challenges
from data_pipeline.errors import InputError, did_you_mean
from data_pipeline.review import Review
from data_pipeline.sources import Place, read_source

TEST = "test"
NOT_ASKED = {"seed": [], "device": "auto"}  # options of a suite that no review depends on


def add_part_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that choose the reviews; `--on` is the command's own."""
    add_shared_options(parser, *(name for name in SUITE if name not in NOT_ASKED))
    parser.set_defaults(**NOT_ASKED)


def place_of(arguments: argparse.Namespace) -> Place:
    """Return where the options say that reviews are."""
    return Place.locate(arguments.data, arguments.cache_dir, arguments.data_dir)


def test_reviews(suite: Suite, place: Place) -> Sequence[Review]:
    """Return the test part; raise ReviewsNotHereError where it would have to be downloaded."""
    return read_source(suite.data[0], place, download=False).split(suite.data[0]).test


def challenge_set(arguments: argparse.Namespace, place: Place, test: Sequence[Review]) -> ChallengeSet:
    """Return the challenge set that `--on` names; raise ReviewsNotHereError where it would have to be downloaded."""
    entries = challenge_entries(locate_config(arguments.config))
    if arguments.on not in entries:
        raise InputError(
            f"--on {arguments.on}: is neither `test` nor a challenge set{did_you_mean(arguments.on, [TEST, *entries])}"
        )
    (found,) = load_challenges({arguments.on: entries[arguments.on]}, place, test, download=False)
    return found
