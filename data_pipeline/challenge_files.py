"""Files of challenge sets that their authors publish: found, or downloaded once, and checked by their hash.

Kaushik, Hovy & Lipton, "Learning the Difference that Makes a Difference with Counterfactually-Augmented Data", ICLR
2020. Gardner et al., "Evaluating Models' Local Decision Boundaries via Contrast Sets", Findings of EMNLP 2020.
"""

from dataclasses import dataclass
from pathlib import Path

from data_pipeline.download import download as fetch
from data_pipeline.errors import DataError, ReviewsNotHereError
from data_pipeline.files import try_read, verify_file
from data_pipeline.sources import Place

ADVICE = (
    "name a folder that has it by `--data-dir DIR` or BENCHMARK_DATA_DIR, or leave the set out by"
    " `--set challenges=[...]`"
)
_HOST = "https://raw.githubusercontent.com"
_KAUSHIK = f"{_HOST}/acmi-lab/counterfactually-augmented-data/6f232a1d2a11462a30ce08fb4825b734ab30828e"
_GARDNER = f"{_HOST}/allenai/contrast-sets/e2b87316ba7b30093bc9ffbc340e6550cab79f67"


@dataclass(frozen=True, slots=True)
class PublishedFile:
    """A file as its publisher has it."""

    url: str
    sha256: str

    @property
    def name(self) -> str:
        """Return its name at the publisher, and in a folder here."""
        return self.url.rpartition("/")[2]


COUNTERFACTUAL = PublishedFile(
    f"{_KAUSHIK}/sentiment/combined/paired/test_paired.tsv",
    "9534b20850205c59015b313983cae7afb31c54c04ffcbd19cea7f1bce5011275",
)
CONTRAST_ORIGINAL = PublishedFile(
    f"{_GARDNER}/IMDb/data/test_original.tsv", "9dc78ddeb5cb6ff6060d24df33a83b6d29f9828994f4b1a5e0086f7e774713bd"
)
CONTRAST_REVISED = PublishedFile(
    f"{_GARDNER}/IMDb/data/test_contrast.tsv", "3bcb3bd41218b6a5d7bef7fe020a243919f3df0f12f55291b25ef8bbdbe04173"
)


def find_file(file: PublishedFile, place: Place, *, download: bool) -> Path:
    """Return where the file is: in the place's `data_dir`, else in the cache, into which it is downloaded if absent.

    Raises:
        ReviewsNotHereError: it is in neither and `download` is false.
        DataError: it cannot be downloaded or has another content, or there is no folder `data_dir`.
    """
    if place.data_dir and not try_read(place.data_dir, Path.is_dir):
        raise DataError(f"{place.data_dir}: no such folder. Name one that has {file.name} by `--data-dir DIR`.")
    path = (place.data_dir or Path()) / file.name
    if not place.data_dir or not try_read(path, Path.is_file):
        path = place.cache_dir / "downloads" / file.name
    if not try_read(path, Path.is_file):
        if not download:
            raise ReviewsNotHereError(f"{file.name} is not on this machine. Let `run` download it, or {ADVICE}.")
        fetch(file.url, path, f"sha256:{file.sha256}", advice=ADVICE)
    verify_file(path, file.sha256, "Remove it: `run` downloads it again.")
    return path
