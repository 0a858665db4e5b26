"""One line of what a check found."""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

OK, NOTE, PROBLEM = "ok", "note", "problem"


class Finding(NamedTuple):
    """One line of what a check found.

    Attributes:
        level: OK; NOTE: runs work all the same; PROBLEM: to be fixed first.
        text: what there is, and of a problem also what to do.
    """

    level: str
    text: str


ok, note = partial(Finding, OK), partial(Finding, NOTE)


def problem(fault: str, remedy: str) -> Finding:
    """Return what is wrong and what to do."""
    return Finding(PROBLEM, f"{fault}; {remedy}")
