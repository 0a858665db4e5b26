"""Challenge sets: reviews on which finished runs are scored beside the test part. Imports no torch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from data_pipeline.challenge_config import ChallengeConfig
from data_pipeline.files import hash_lines
from data_pipeline.review import Review
from data_pipeline.sources import Place


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
        """Hash of texts, labels, groups and originals, in their order."""
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
    raise NotImplementedError  # part `data`
