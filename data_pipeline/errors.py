"""Errors that the command line prints in one line instead of a traceback, and texts that fit in one."""

import difflib
import unicodedata
from collections.abc import Iterable
from typing import Annotated

from pydantic import AfterValidator

JOINERS = "\u200c\u200d"  # within words of several scripts, and within emoji


class InputError(ValueError):
    """Wrong input; each line of the message says where, what is wrong and how to fix it."""


class DataError(InputError):
    """Reviews, an encoder or a tokenizer that cannot be used."""


class ReviewsNotHereError(DataError):
    """Reviews are not on this machine and may not be downloaded."""


def one_line(text: str) -> str:
    r"""Escape characters that would break a line or control a terminal, such as `\n` and `\x1b`."""
    return text if text.isprintable() else "".join(map(_visible, text))


def _visible(character: str) -> str:
    is_text = character.isprintable() or unicodedata.category(character) == "Zs" or character in JOINERS
    return character if is_text else character.encode("unicode_escape").decode()


def _check_line(text: str) -> str:
    line = text.strip()  # a YAML block ends in a line break
    if line != one_line(line):
        raise ValueError("should be one line without control characters")
    return line


Line = Annotated[str, AfterValidator(_check_line)]
"""A setting that is printed: one line without control characters."""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return `; did you mean 'lstm'?` when a known word is close, else `; known: ...`."""
    known = list(known)
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    return f"; did you mean {close[0]!r}?" if close else f"; known: {', '.join(known)}"
