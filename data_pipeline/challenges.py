"""Challenge sets: reviews on which finished runs are scored beside the test part. Imports no torch."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from data_pipeline.challenge_config import ChallengeConfig, Perturbation
from data_pipeline.challenge_files import CONTRAST_ORIGINAL, CONTRAST_REVISED, COUNTERFACTUAL, find_file
from data_pipeline.files import hash_lines
from data_pipeline.perturbations import TITLES, perturb
from data_pipeline.review import Review, identified, normalised
from data_pipeline.sources import Place, read_embedded
from data_pipeline.table import read_grouped, read_labelled


@dataclass(frozen=True, slots=True)
class ChallengeSet:
    """M reviews beyond the test part.

    Attributes:
        name: key under `challenges`, or made from a file's name.
        title: one line that says what it is and where it comes from.
        reviews: M reviews, both labels among them.
        groups: (M,) rows with the same value belong together; empty: no groups.
        original: (M,) whether the review is an original, which may be in a train part, and not a revision; empty: the
            set does not distinguish them.
        of_test: made from the test part, which no run trains on: nothing of it is held out of train and val.
    """

    name: str
    title: str
    reviews: tuple[Review, ...]
    groups: tuple[str, ...] = ()
    original: tuple[bool, ...] = ()
    of_test: bool = False

    @property
    def fingerprint(self) -> str:
        """Return the hash of texts, labels, groups and originals, in their order."""
        groups = self.groups or ("",) * len(self.reviews)
        original = self.original or (False,) * len(self.reviews)
        rows = zip(self.reviews, groups, original, strict=True)
        return hash_lines(f"{review.id} {group} {int(first)}" for review, group, first in rows)


def load_challenges(
    configs: Mapping[str, ChallengeConfig], place: Place, test: Sequence[Review], *, download: bool = True
) -> tuple[ChallengeSet, ...]:
    """Read the challenge sets; `test` is what perturbations change.

    Raises:
        ReviewsNotHereError: a set would have to be downloaded and `download` is false.
        DataError: a file is missing, changed or malformed.
    """
    return tuple(_load(name, config, place, test, download=download) for name, config in configs.items())


def held_out_texts(challenges: Iterable[ChallengeSet]) -> frozenset[str]:
    """Return the `normalised` texts that no run may train on or choose by: those of all sets but of the test part."""
    return _texts(review for each in challenges if not each.of_test for review in each.reviews)


def in_texts(challenge: ChallengeSet, reviews: Iterable[Review]) -> tuple[bool, ...]:
    """Return (M,) whether each review of the set has a text of these reviews, once it is `normalised`."""
    texts = _texts(reviews)
    return tuple(normalised(review.text) in texts for review in challenge.reviews)


def _texts(reviews: Iterable[Review]) -> frozenset[str]:
    return frozenset(normalised(review.text) for review in reviews) - {""}


def _load(name: str, config: ChallengeConfig, place: Place, test: Sequence[Review], *, download: bool) -> ChallengeSet:
    match config.source:
        case "rotten-tomatoes":
            title = "Pang & Lee 2005: sentences of reviews on Rotten Tomatoes"
            return ChallengeSet(name, title, tuple(identified(read_embedded("rotten_tomatoes"))))
        case "counterfactual":
            return _counterfactual(name, find_file(COUNTERFACTUAL, place, download=download))
        case "contrast":
            files = [find_file(file, place, download=download) for file in (CONTRAST_ORIGINAL, CONTRAST_REVISED)]
            return _contrast(name, *map(read_labelled, files))
        case "table":
            assert config.path is not None, "the settings ask for the `path` of a table"
            rows = read_grouped(config.path, config.columns, config.labels, f"challenges.{name}")
            return ChallengeSet(name, f"table {config.path.name}", *_reviews_and_groups(rows))
        case "perturbation":
            assert config.change is not None, "the settings ask for the `change` of a perturbation"
            return _perturbation(name, config.change, config.seed, test)


def _reviews_and_groups(
    rows: Sequence[tuple[tuple[str, int], str | None]],
) -> tuple[tuple[Review, ...], tuple[str, ...]]:
    return tuple(identified([pair for pair, _ in rows])), tuple(group for _, group in rows if group is not None)


def _counterfactual(name: str, path: Path) -> ChallengeSet:
    reviews, groups = _reviews_and_groups(read_grouped(path, None, None, f"challenges.{name}"))
    first = {group: place for place, group in reversed(list(enumerate(groups)))}
    original = tuple(first[group] == place for place, group in enumerate(groups))
    title = "Kaushik, Hovy & Lipton 2020: reviews and their counterfactual revisions"
    return ChallengeSet(name, title, reviews, groups, original)


def _contrast(name: str, originals: list[tuple[str, int]], revised: list[tuple[str, int]]) -> ChallengeSet:
    lines = tuple(str(line) for line, _ in enumerate(zip(originals, revised, strict=True), start=1))
    original = (True,) * len(lines) + (False,) * len(lines)
    title = "Gardner et al. 2020: reviews and their contrast sets"
    return ChallengeSet(name, title, tuple(identified(originals + revised)), lines * 2, original)


def _perturbation(name: str, change: Perturbation, seed: int, test: Sequence[Review]) -> ChallengeSet:
    changed = identified([(perturb(review, change, seed), review.label) for review in test])
    return ChallengeSet(name, f"the test part, {TITLES[change]}", tuple(changed), of_test=True)
