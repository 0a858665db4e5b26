"""Check reviews and weights against their known hashes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmark.config.load import challenge_entries, locate_config
from benchmark.doctor.finding import PROBLEM, Finding, note, ok, problem
from benchmark.plan.encoder import check_local_encoders
from data_pipeline.challenges import load_challenges
from data_pipeline.config import DataConfig
from data_pipeline.encoder import EMBEDDED_NAME, resolve_encoder
from data_pipeline.errors import DataError, ReviewsNotHereError
from data_pipeline.sources import (
    OFFICIAL_ARCHIVE_BYTES,
    OFFICIAL_FINGERPRINT,
    OFFLINE_ADVICE,
    Place,
    official_archive,
    read_source,
)


def embedded_findings() -> Iterator[Finding]:
    """Check the reviews of the installed package; raise DataError where they are missing or changed."""
    source = read_source(DataConfig(source="embedded"), Place())
    yield ok(f"{source.name}: {len(source.reviews):,} reviews with the known hash")


def encoder_findings() -> Iterator[Finding]:
    """Check the encoder of the installed package, and those in folders that ./experiments.yaml names.

    Raises:
        DataError: one is missing, damaged or changed.
    """
    resolve_encoder()
    yield ok(f"{EMBEDDED_NAME}: weights with the known hash")
    for encoder in check_local_encoders(locate_config(None)):
        yield ok(f"{encoder.folder}: config, weights and tokenizer fit each other")


def official_findings(place: Place) -> Iterator[Finding]:
    """Read the official archive or folder whole, as a run does; raise DataError where the one named is damaged."""
    path = place.data or official_archive(place.cache_dir)
    if place.data is None and not path.exists():
        yield note(
            "not on this machine; only the profiles `full` and `paper` need them and download "
            f"{OFFICIAL_ARCHIVE_BYTES / 1e6:.0f} MB (without a network, {OFFLINE_ADVICE})"
        )
        return
    config = DataConfig(source="aclimdb", train_size=2, val_size=2, test_size="all")  # the fingerprint is of all
    try:
        with TemporaryDirectory() as folder:  # so that the cache stays as it is
            corpus = read_source(config, Place(path, Path(folder)), download=False).split(config)
    except DataError as error:
        if place.data is not None:
            raise
        yield problem(str(error), f"a run that needs it downloads it again; or delete {path}")
        return
    if corpus.fingerprint == OFFICIAL_FINGERPRINT:
        yield ok(f"{path}: {corpus.name}, with the known hash")
    else:
        yield note(f"{path}: {corpus.name}; figures of runs on it cannot be compared with published ones")


def challenge_findings(place: Place) -> Iterator[Finding]:
    """Read each challenge set that ./experiments.yaml declares, as a run does; nothing is downloaded."""
    for name, config in challenge_entries(locate_config(None)).items():
        if config.source == "perturbation":
            continue
        try:
            (found,) = load_challenges({name: config}, place, (), download=False)
        except ReviewsNotHereError as error:
            yield note(f"{name}: {error}")
        except DataError as error:
            yield Finding(PROBLEM, str(error))
        else:
            yield ok(f"{name}: {len(found.reviews):,} reviews; {found.title}")
