"""What is told to the user in one line instead of a traceback."""

import difflib
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    pass


class InputError(ValueError):
    """Wrong input, whatever its kind: each line of the message says what is wrong, where, and what to do."""


def one_line(text: str) -> str:
    r"""The text with all that would break a line, or that a terminal would obey, spelled out, as `\n` and `\x1b`."""
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)


class DataError(InputError):
    """Reviews, an encoder or a tokenizer that cannot be used."""


class ReviewsNotHereError(DataError):
    """The official reviews would have to be downloaded, and that was not asked for."""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`; did you mean 'lstm'?` when a known word is close, else `; known: ...`."""
    known = list(known)
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    return f"; did you mean {close[0]!r}?" if close else f"; known: {', '.join(known)}"
