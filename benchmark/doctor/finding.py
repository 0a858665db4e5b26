"""One line of what a check found."""

from __future__ import annotations

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


def ok(text: str) -> Finding:
    """Return a finding that all is as it should be."""
    return Finding(OK, text)


def note(text: str) -> Finding:
    """Return a finding that is good to know."""
    return Finding(NOTE, text)


def problem(fault: str, remedy: str) -> Finding:
    """Return what is wrong and what to do."""
    return Finding(PROBLEM, f"{fault}; {remedy}")
