"""A review and its stable id. Imports no torch."""

import hashlib
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

ID_LENGTH = 16  # hex digits, 64 bits: two of 50,000 reviews collide once in ten billion corpora


MARKUP = r"</?[a-zA-Z][^<>]*>|&#?\w+;"  # tags such as `<br />` and entities such as `&quot;`
_MARKUP = re.compile(MARKUP)
_NEITHER_LETTER_NOR_DIGIT = re.compile(r"[\W_]+")
_OF_ASCII = {code: None for code in range(128) if not chr(code).isalnum()}  # a translation is faster than the pattern


@dataclass(frozen=True, slots=True)
class Review:
    """One review as its source gives it.

    Attributes:
        id: see `review_ids`.
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


def review_ids(pairs: Iterable[tuple[str, int]]) -> list[str]:
    """Return the stable ids of (text, label) pairs, in their order.

    An id is the start of sha256(label, NUL, text), a dash, and how often the same pair came before. It depends on
    neither file names nor row numbers.
    """
    seen: Counter[str] = Counter()
    ids = []
    for text, label in pairs:
        content = hashlib.sha256(f"{label}\0{text}".encode()).hexdigest()[:ID_LENGTH]
        ids.append(f"{content}-{seen[content]}")
        seen[content] += 1
    return ids


def identified(pairs: list[tuple[str, int]]) -> list[Review]:
    """Build reviews from (text, label) pairs of a source that knows neither film nor stars."""
    return [Review(id_, text, label) for id_, (text, label) in zip(review_ids(pairs), pairs, strict=True)]


def normalised(text: str) -> str:
    """Return the letters and digits of a text, in small letters and without markup: equal ones are the same review."""
    bare = _MARKUP.sub("", text)
    return (bare if bare.isascii() else _NEITHER_LETTER_NOR_DIGIT.sub("", bare)).translate(_OF_ASCII).casefold()
