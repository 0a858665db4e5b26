"""Change reviews in ways that leave their label as it is. Imports no torch."""

import random
import re

from data_pipeline.challenge_config import Perturbation
from data_pipeline.review import MARKUP, Review

TYPO_SHARE = 0.05  # of a review's words
KEPT_WORDS = 50

_TAG = r"</?[a-zA-Z][^<>]*>"
_WORD = re.compile(rf"{_TAG}|((?:(?!{_TAG})\S)+)")  # group 1: what white space and tags enclose
_LONG = re.compile(rf"{MARKUP}|([^\W\d_]{{4,}})")  # group 1: letters of a word that is long enough for a typo

TITLES: dict[Perturbation, str] = {
    "typos": "two neighbouring letters swapped in 5 % of the words",
    "first_words": f"the first {KEPT_WORDS} words",
    "last_words": f"the last {KEPT_WORDS} words",
}


def perturb(review: Review, change: Perturbation, seed: int) -> str:
    """Return the review's text, changed; markup stays as it is, and so does a text without a word.

    A random change depends on the seed and on this review alone, not on the others.
    """
    match change:
        case "typos":
            return _typos(review.text, random.Random(f"{seed} {review.id}"))  # noqa: S311 - no secret
        case "first_words":
            return _first_words(review.text)
        case "last_words":
            return _last_words(review.text)


def _typos(text: str, chance: random.Random) -> str:
    """Swap two letters in TYPO_SHARE of the words, at least in one."""
    # Only `random()` gives the same numbers in every version of Python.
    words = [match for match in _LONG.finditer(text) if match[1] and len({*match[1]}) > 1]
    count = max(1, round(TYPO_SHARE * len(re.sub(_TAG, " ", text).split())))
    letters = list(text)
    for match in sorted(words, key=lambda _: chance.random())[:count]:
        start, end = match.span(1)
        places = [place for place in range(start, end - 1) if text[place] != text[place + 1]]
        place = places[int(chance.random() * len(places))]
        letters[place : place + 2] = letters[place + 1], letters[place]
    return "".join(letters)


def _words(text: str) -> list[re.Match[str]]:
    return [match for match in _WORD.finditer(text) if match[1]]


def _first_words(text: str) -> str:
    words = _words(text)[:KEPT_WORDS]
    return text[: words[-1].end()] if words else text


def _last_words(text: str) -> str:
    words = _words(text)[-KEPT_WORDS:]
    return text[words[0].start() :] if words else text
