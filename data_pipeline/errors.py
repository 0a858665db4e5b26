"""Errors that the command line prints in one line instead of a traceback."""

import difflib
from collections.abc import Iterable


class InputError(ValueError):
    """Wrong input; each line of the message says where, what is wrong and how to fix it."""


class DataError(InputError):
    """Reviews, an encoder or a tokenizer that cannot be used."""


class ReviewsNotHereError(DataError):
    """The official reviews are not on this machine and may not be downloaded."""


def one_line(text: str) -> str:
    r"""Escape characters that would break a line or control a terminal, such as `\n` and `\x1b`."""
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return `; did you mean 'lstm'?` when a known word is close, else `; known: ...`."""
    known = list(known)
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    return f"; did you mean {close[0]!r}?" if close else f"; known: {', '.join(known)}"
