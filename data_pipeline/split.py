"""The one split that every model shares: seeded, stratified, without duplicates. Imports no torch."""

import hashlib
import math
from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from fractions import Fraction

from data_pipeline.config import DataConfig, Size
from data_pipeline.errors import DataError
from data_pipeline.review import Review

CLASSES = ("negative", "positive")


def split(
    reviews: Sequence[Review],
    config: DataConfig,
    official_test: Sequence[Review] | None = None,
    held_out: Collection[str] = (),
) -> dict[str, tuple[Review, ...]]:
    """Cut test, val and train from one pool; with an official test part, cut test from that, duplicates included.

    Each class is put in the order of sha256(split_seed, id); test takes the first of it, then val, then train.
    Another train_size therefore changes neither test nor val, and a smaller train part is contained in a larger one.
    Each part has the source's share of positive reviews, to within one review, while both classes last.

    Reviews whose ids are `held_out` are in neither train nor val; test and the meaning of shares stay as without them.

    With `by_film`, test and val take whole films in the order of sha256(split_seed, film): each film that still fits
    into what the part lacks of either class. Train is cut from the films that are left.

    Raises:
        DataError: more reviews are asked for than there are, a part would lack a class, or films are not known.
    """
    pool = _Pool(without_duplicates(reviews), reviews, config.split_seed, by_film=config.split == "by_film")
    wanted: dict[str, Size] = {"val": config.val_size, "train": config.train_size}
    if official_test is None:
        sizes = pool.resolve({"test": config.test_size, **wanted})
        test = pool.cut("test", sizes.pop("test"))
    else:
        sizes = pool.resolve(wanted)
        test_pool = _Pool(official_test, official_test, config.split_seed)
        test = test_pool.cut("test", test_pool.resolve({"test": config.test_size})["test"])
    pool.hold_out(held_out)
    sizes = pool.resolve({part: "all" if wanted[part] == "all" else size for part, size in sizes.items()})
    return {"test": test, **{part: pool.cut(part, size) for part, size in sizes.items()}}


def without_duplicates(reviews: Sequence[Review]) -> list[Review]:
    """Keep one review per text, and none where the same text has both labels."""
    labels = defaultdict(set)
    for review in reviews:
        labels[review.text].add(review.label)
    return [review for review in reviews if review.id.endswith("-0") and len(labels[review.text]) == 1]


class _Pool:
    """Reviews from which parts are cut, one after the other, each with the share of positive reviews of `source`."""

    def __init__(self, reviews: Sequence[Review], source: Sequence[Review], seed: int, *, by_film: bool = False):
        self._rank = {review.id: _hash(seed, review.id) for review in reviews}
        self._left = sorted(reviews, key=lambda review: self._rank[review.id])
        self._duplicates, self._held_out = len(source) - len(reviews), 0
        self._share = Fraction(sum(review.label for review in source), max(1, len(source)))
        self._taken = [0, 0]  # by label
        self._seed, self._by_film = seed, by_film

    def resolve(self, sizes: dict[str, Size]) -> dict[str, int]:
        """Return the sizes, shares among them, as numbers; raise DataError where they are more than there are."""
        numbers = {
            part: size if isinstance(size, int) else max(2, round(size * len(self._left)))
            for part, size in sizes.items()
            if size != "all"
        }
        rest = len(self._left) - sum(numbers.values())
        if rest < 0 or (rest == 0 and len(numbers) < len(sizes)):
            names = " and ".join(f"{part}_size" for part in ("train", "val", "test") if part in numbers)
            largest = max(numbers, key=lambda part: numbers[part])
            room = numbers[largest] - max(1, -rest)
            fix = f"Lower {largest}_size to {room} or less." if room >= 2 else f"Lower {names}."
            held_out = f" and {self._held_out} reviews of challenge sets" if self._held_out else ""
            raise DataError(
                f"{names} ask for {sum(numbers.values())} reviews, the source has {len(self._left)} for them"
                f" ({self._duplicates} duplicates{held_out} left out). {fix}"
            )
        return {part: numbers.get(part, rest) for part in sizes}

    def hold_out(self, ids: Collection[str]) -> None:
        """Drop the reviews of these ids, so that no further part has them."""
        before = len(self._left)
        self._left = [review for review in self._left if review.id not in ids]
        self._held_out = before - len(self._left)

    def cut(self, part: str, size: int) -> tuple[Review, ...]:
        """Take a part out of the pool; raise DataError where it would lack a class or whole films do not fill it."""
        quota = self._quota(size)
        for label, word in enumerate(CLASSES):
            if quota[label] == 0:
                raise DataError(f"the {part} part has no {word} review. Raise {part}_size or add {word} reviews.")
        if self._by_film and part != "train":
            taken = self._whole_films(part, quota)
        else:
            taken = [r for label in (0, 1) for r in [r for r in self._left if r.label == label][: quota[label]]]
        ids = {review.id for review in taken}
        self._left = [review for review in self._left if review.id not in ids]
        for review in taken:
            self._taken[review.label] += 1
        return tuple(sorted(taken, key=lambda review: self._rank[review.id]))

    def _quota(self, size: int) -> list[int]:
        """Return how many reviews of each label the next part takes; rounding a running total never drifts."""
        left = Counter(review.label for review in self._left)
        negatives, positives = (self._taken[label] + left[label] for label in (0, 1))
        total = sum(self._taken) + size
        wanted = math.floor(total * self._share + Fraction(1, 2))
        positive = max(total - negatives, min(wanted, positives)) - self._taken[1]
        return [size - positive, positive]

    def _whole_films(self, part: str, quota: list[int]) -> list[Review]:
        films = defaultdict(list)
        for review in self._left:
            if review.film is None:
                raise DataError("split `by_film`: the source lacks its url lists. Use split `stratified`.")
            films[review.film].append(review)
        taken: list[Review] = []
        lacking = Counter({0: quota[0], 1: quota[1]})
        for film in sorted(films, key=lambda film: _hash(self._seed, film)):
            counts = Counter(review.label for review in films[film])
            if counts <= lacking:
                taken += films[film]
                lacking -= counts
        if lacking:
            raise DataError(
                f"split `by_film`: whole films fill only {len(taken)} of the {sum(quota)} reviews of {part} in the"
                f" source's class ratio. Set {part}_size to {len(taken)} or less, or use split `stratified`."
            )
        return taken


def _hash(seed: int, name: str) -> bytes:
    return hashlib.sha256(f"{seed}:{name}".encode()).digest()
