"""The one split that every model shares: seeded, stratified, without duplicates. Imports no torch."""

import hashlib
import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from fractions import Fraction

from data_pipeline.config import DataConfig, Size
from data_pipeline.errors import DataError
from data_pipeline.review import Review

CLASSES = ("negative", "positive")

Parts = dict[str, tuple[Review, ...]]


def split(reviews: Sequence[Review], config: DataConfig) -> Parts:
    """The reviews of train, val and test, all cut from one pool: stratified, seeded, without duplicates.

    Each class is put in the order of sha256(split_seed, id); test takes the first of it, then val, then train.
    Another train_size therefore changes neither test nor val, and a smaller train part lies within a larger one.
    Each part has the source's share of positive reviews, to within one review, while both classes last.

    With `by_film`, test and val take whole films in the order of sha256(split_seed, film): each film that still fits
    into what the part lacks of either class. Train is cut from the films that are left.

    Raises:
        DataError: more reviews are asked for than there are, a part would lack a class, or films are not known.
    """
    pool = _pool_without_duplicates(reviews, config)
    sizes = pool.resolve({"test": config.test_size, "val": config.val_size, "train": config.train_size})
    return {part: pool.cut(part, size) for part, size in sizes.items()}


def split_beside_test(reviews: Sequence[Review], official_test: Sequence[Review], config: DataConfig) -> Parts:
    """The same where the source has a test part of its own: all of it, or as many as asked for, duplicates included.

    Raises:
        DataError: as for `split`.
    """
    pool = _pool_without_duplicates(reviews, config)
    sizes = pool.resolve({"val": config.val_size, "train": config.train_size})
    test = _Pool(official_test, official_test, config.split_seed)
    size = test.resolve({"test": config.test_size})["test"]
    return {"test": test.cut("test", size), **{part: pool.cut(part, size) for part, size in sizes.items()}}


def without_duplicates(reviews: Sequence[Review]) -> list[Review]:
    """One review for each text; none where the same text carries both labels, for nobody knows which one is right."""
    labels = defaultdict(set)
    for review in reviews:
        labels[review.text].add(review.label)
    return [review for review in reviews if review.id.endswith("-0") and len(labels[review.text]) == 1]


def _pool_without_duplicates(reviews: Sequence[Review], config: DataConfig) -> "_Pool":
    return _Pool(without_duplicates(reviews), reviews, config.split_seed, by_film=config.split == "by_film")


class _Pool:
    """Reviews from which parts are cut, one after the other.

    Args:
        reviews: those to hand out.
        source: all of the source; each part gets its share of positive reviews.
        seed: of the order.
        by_film: all parts but train take whole films.
    """

    def __init__(self, reviews: Sequence[Review], source: Sequence[Review], seed: int, *, by_film: bool = False):
        self._rank = {review.id: _hash(seed, review.id) for review in reviews}
        self._left = sorted(reviews, key=lambda review: self._rank[review.id])
        self._duplicates = len(source) - len(reviews)
        self._share = Fraction(sum(review.label for review in source), max(1, len(source)))
        self._handed_out = [0, 0]  # by label
        self._seed, self._by_film = seed, by_film

    def resolve(self, sizes: dict[str, Size]) -> dict[str, int]:
        """The sizes as numbers.

        Raises:
            DataError: together they are more than there are.
        """
        numbers = {part: size for part, size in sizes.items() if size != "all"}
        rest = len(self._left) - sum(numbers.values())
        if rest < 0 or (rest == 0 and len(numbers) < len(sizes)):
            raise DataError(self._too_many(numbers, -rest))
        return {part: numbers.get(part, rest) for part in sizes}

    def cut(self, part: str, size: int) -> tuple[Review, ...]:
        """Take a part out of the pool.

        Raises:
            DataError: it would lack a class, or whole films do not make up the size.
        """
        quota = self._quota(size)
        for label, word in enumerate(CLASSES):
            if quota[label] == 0:
                raise DataError(f"the {part} part would hold no {word} review; raise {part}_size or add {word} reviews")
        taken = self._whole_films(part, quota) if self._by_film and part != "train" else self._first(quota)
        ids = {review.id for review in taken}
        self._left = [review for review in self._left if review.id not in ids]
        for review in taken:
            self._handed_out[review.label] += 1
        return tuple(sorted(taken, key=lambda review: self._rank[review.id]))

    def _quota(self, size: int) -> list[int]:
        """Negative and positive reviews of the next part; rounding a running total never adds up wrongly."""
        there = Counter(review.label for review in self._left)
        negatives, positives = (self._handed_out[label] + there[label] for label in (0, 1))
        first = sum(self._handed_out) + size
        wanted = math.floor(first * self._share + Fraction(1, 2))
        positive = max(first - negatives, min(wanted, positives)) - self._handed_out[1]
        return [size - positive, positive]

    def _first(self, quota: list[int]) -> list[Review]:
        return [review for label in (0, 1) for review in [r for r in self._left if r.label == label][: quota[label]]]

    def _whole_films(self, part: str, quota: list[int]) -> list[Review]:
        films = defaultdict(list)
        for review in self._left:
            if review.film is None:
                raise DataError("split `by_film`: the source lacks its url lists; use split `stratified`")
            films[review.film].append(review)
        lacking = list(quota)
        taken: list[Review] = []
        for film in sorted(films, key=lambda film: _hash(self._seed, film)):
            counts = [sum(review.label == label for review in films[film]) for label in (0, 1)]
            if all(count <= lack for count, lack in zip(counts, lacking, strict=True)):
                taken += films[film]
                lacking = [lack - count for lack, count in zip(lacking, counts, strict=True)]
        if any(lacking):
            raise DataError(
                f"split `by_film`: whole films make up {len(taken)} of the {sum(quota)} reviews of {part} with as many"
                f" of each class as in the source; set {part}_size to {len(taken)} or less, or use split `stratified`"
            )
        return taken

    def _too_many(self, sizes: dict[str, int], excess: int) -> str:
        names = [f"{part}_size" for part in ("train", "val", "test") if part in sizes]
        largest = max(sizes, key=lambda part: sizes[part])
        room = sizes[largest] - max(1, excess)
        advice = f"lower {largest}_size to {room} or less" if room >= 2 else f"lower {_spell(names)}"
        return (
            f"{_spell(names)} ask for {sum(sizes.values())} reviews and the source has {len(self._left)}"
            f" ({self._duplicates} duplicates left out); {advice}"
        )


def _spell(names: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


def _hash(seed: int, name: str) -> bytes:
    return hashlib.sha256(f"{seed}:{name}".encode()).digest()
