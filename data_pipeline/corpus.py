"""Reviews, their ids and the one split that every model shares. Imports no torch."""

import hashlib
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations, pairwise

from data_pipeline.config import DataConfig
from data_pipeline.errors import DataError

ID_LENGTH = 16  # hex digits, 64 bits: two of 50,000 reviews collide once in ten billion corpora


@dataclass(frozen=True, slots=True)
class Review:
    """One review as its source gives it.

    Attributes:
        id: stable name, see `review_ids`.
        text: the raw text, markup included.
        label: 0 negative, 1 positive.
        stars: the writer's 1 to 10, where the source knows them.
        film: id of the film, such as `tt0111161`, where the source knows it.
    """

    id: str
    text: str
    label: int
    stars: int | None = None
    film: str | None = None


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


def review_ids(pairs: Iterable[tuple[str, int]]) -> list[str]:
    """Stable ids of (text, label) pairs, in their order.

    An id is the start of sha256(label, NUL, text), a dash, and how often the same pair came before. It depends on
    neither file names nor row numbers, so the same reviews have the same ids whatever they were packed in.
    """
    seen: Counter[str] = Counter()
    ids = []
    for text, label in pairs:
        content = hashlib.sha256(f"{label}\0{text}".encode()).hexdigest()[:ID_LENGTH]
        ids.append(f"{content}-{seen[content]}")
        seen[content] += 1
    return ids


def make_corpus(name: str, pairs: Sequence[tuple[str, int]], config: DataConfig) -> Corpus:
    """The corpus of these (text, label) pairs, split as `config` says.

    Raises:
        DataError: more reviews are asked for than there are, or a part would lack a class.
    """
    reviews = [Review(id_, text, label) for id_, (text, label) in zip(review_ids(pairs), pairs, strict=True)]
    parts = split(reviews, config)
    return Corpus(
        name=name,
        train=parts["train"],
        val=parts["val"],
        test=parts["test"],
        left_out=len(reviews) - len(_without_duplicates(reviews)),
        fingerprint=_hash_lines(sorted(review.id for review in reviews)),
        split_fingerprint=_hash_lines(f"{part} {review.id}" for part in sorted(parts) for review in parts[part]),
    )


def split(reviews: Sequence[Review], config: DataConfig) -> dict[str, tuple[Review, ...]]:
    """The reviews of train, val and test: stratified, seeded, without duplicates.

    Each class is put in the order of sha256(split_seed, id); test takes the first of it, then val, then train.
    Another train_size therefore changes neither test nor val, and a smaller train part lies within a larger one.
    Each part has the source's share of positive reviews, to within one review, while both classes last.

    Raises:
        DataError: more reviews are asked for than there are, or a part would lack a class.
    """
    unique = _without_duplicates(reviews)
    sizes = {"test": config.test_size, "val": config.val_size, "train": config.train_size}
    _check_sizes(sizes, available=len(unique), duplicates=len(reviews) - len(unique))

    rank = {r.id: hashlib.sha256(f"{config.split_seed}:{r.id}".encode()).digest() for r in unique}
    ordered = sorted(unique, key=lambda review: rank[review.id])
    positives = [review for review in ordered if review.label == 1]
    negatives = [review for review in ordered if review.label == 0]
    share = Fraction(sum(review.label for review in reviews), len(reviews))

    def positives_among(first: int) -> int:
        """How many of the first reviews handed out are positive; rounding a running total never adds up wrongly."""
        wanted = math.floor(first * share + Fraction(1, 2))
        return max(first - len(negatives), min(wanted, len(positives)))

    bounds = [0, sizes["test"], sizes["test"] + sizes["val"], sum(sizes.values())]
    parts = {}
    for part, (start, stop) in zip(sizes, pairwise(bounds), strict=True):
        low, high = positives_among(start), positives_among(stop)
        members = positives[low:high] + negatives[start - low : stop - high]
        _check_classes(part, members)
        parts[part] = tuple(sorted(members, key=lambda review: rank[review.id]))
    return parts


def audit(corpus: Corpus) -> Audit:
    """Count classes and exact duplicates; in a corpus that `make_corpus` split, there are no duplicates."""
    texts = {part: [review.text for review in reviews] for part, reviews in corpus.parts.items()}
    return Audit(
        classes={part: dict(Counter(review.label for review in reviews)) for part, reviews in corpus.parts.items()},
        duplicates_within={part: len(rows) - len(set(rows)) for part, rows in texts.items()},
        duplicates_across={(a, b): len(set(texts[a]) & set(texts[b])) for a, b in combinations(texts, 2)},
        left_out=corpus.left_out,
    )


def _without_duplicates(reviews: Sequence[Review]) -> list[Review]:
    """One review for each text; none where the same text carries both labels, for nobody knows which one is right."""
    labels = defaultdict(set)
    for review in reviews:
        labels[review.text].add(review.label)
    return [review for review in reviews if review.id.endswith("-0") and len(labels[review.text]) == 1]


def _check_sizes(sizes: dict[str, int], *, available: int, duplicates: int) -> None:
    asked = sum(sizes.values())
    if asked <= available:
        return
    largest = max(sizes, key=lambda part: sizes[part])
    room = available - (asked - sizes[largest])
    advice = f"lower {largest}_size to {room} or less" if room >= 2 else "lower test_size, val_size and train_size"
    raise DataError(
        f"train_size, val_size and test_size ask for {asked} reviews and the source has {available}"
        f" ({duplicates} duplicates left out); {advice}"
    )


def _check_classes(part: str, members: Sequence[Review]) -> None:
    for label, word in enumerate(("negative", "positive")):
        if all(review.label != label for review in members):
            raise DataError(f"the {part} part would hold no {word} review; raise {part}_size or add {word} reviews")


def _hash_lines(lines: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
