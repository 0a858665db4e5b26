"""The split reviews that every model shares, and what is odd about them. Imports no torch."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

from data_pipeline.config import DataConfig
from data_pipeline.review import Review
from data_pipeline.split import split, split_beside_test, without_duplicates


@dataclass(frozen=True, slots=True)
class Corpus:
    """The split reviews and how to recognise them.

    Attributes:
        name: what the report calls the corpus.
        train: reviews to learn from.
        val: reviews that choose the epoch.
        test: reviews scored once.
        left_out: reviews of the source in no part because their text stands in it more than once.
        fingerprint: hash of all reviews of the source, whatever their order.
        split_fingerprint: hash of which reviews stand in which part, and where.
        held_out_test: the test part was cut from training reviews; it is not the official one.
    """

    name: str
    train: tuple[Review, ...]
    val: tuple[Review, ...]
    test: tuple[Review, ...]
    left_out: int
    fingerprint: str
    split_fingerprint: str
    held_out_test: bool = True

    @property
    def parts(self) -> dict[str, tuple[Review, ...]]:
        """The reviews by name of the part."""
        return {"train": self.train, "val": self.val, "test": self.test}

    def without_test(self) -> "Corpus":
        """The same corpus and split, whose test reviews cannot be reached from it."""
        return replace(self, test=())


@dataclass(frozen=True, slots=True)
class Audit:
    """What there is of each class, and which texts are there twice.

    Attributes:
        classes: reviews by part and label.
        duplicates_within: by part, reviews whose text came earlier in that part.
        duplicates_across: by pair of parts, texts that stand in both.
        left_out: reviews of the source that the split left out as duplicates.
    """

    classes: dict[str, dict[int, int]]
    duplicates_within: dict[str, int]
    duplicates_across: dict[tuple[str, str], int]
    left_out: int


def make_corpus(
    name: str, reviews: Sequence[Review], config: DataConfig, official_test: Sequence[Review] | None = None
) -> Corpus:
    """The corpus of these reviews, split as `config` says.

    Args:
        name: what the report calls it.
        reviews: what train and val are cut from, and test where there is no official one.
        config: sizes, seed and kind of split.
        official_test: the source's own test part; it keeps its duplicates, since published figures count them.

    Raises:
        DataError: more reviews are asked for than there are, a part would lack a class, or films are not known.
    """
    parts = split(reviews, config) if official_test is None else split_beside_test(reviews, official_test, config)
    sources = [("", reviews)] if official_test is None else [("train ", reviews), ("test ", official_test)]
    return Corpus(
        name=name,
        train=parts["train"],
        val=parts["val"],
        test=parts["test"],
        left_out=len(reviews) - len(without_duplicates(reviews)),
        fingerprint=_hash_lines(f"{side}{id_}" for side, part in sources for id_ in sorted(r.id for r in part)),
        split_fingerprint=_hash_lines(f"{part} {review.id}" for part in sorted(parts) for review in parts[part]),
        held_out_test=official_test is None,
    )


def audit(corpus: Corpus) -> Audit:
    """Count classes and exact duplicates; in a corpus that `make_corpus` split, there are no duplicates."""
    texts = {part: [review.text for review in reviews] for part, reviews in corpus.parts.items()}
    return Audit(
        classes={part: dict(Counter(review.label for review in reviews)) for part, reviews in corpus.parts.items()},
        duplicates_within={part: len(rows) - len(set(rows)) for part, rows in texts.items()},
        duplicates_across={(a, b): len(set(texts[a]) & set(texts[b])) for a, b in combinations(texts, 2)},
        left_out=corpus.left_out,
    )


def describe_audit(found: Audit) -> tuple[str, ...]:
    """What a reader of the figures should know of the reviews, a line each."""
    classes = [f"{part} {counts.get(0, 0):,} + {counts.get(1, 0):,}" for part, counts in found.classes.items()]
    lines = [f"negative + positive: {', '.join(classes)}"]
    if found.left_out:
        lines.append(f"{found.left_out:,} reviews of the source are left out: their text stands in it more than once")
    if twice := found.duplicates_within["test"]:
        lines.append(f"{twice:,} reviews of the official test part repeat the text of another one there; they are kept")
    in_train, in_val = found.duplicates_across["train", "test"], found.duplicates_across["val", "test"]
    if in_train or in_val:
        lines.append(
            f"{in_train + in_val:,} texts of the official test part stand in train or val too; they are kept, and "
            f"those of train ({in_train:,}) are marked in the predictions"
        )
    return tuple(lines)


def _hash_lines(lines: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
