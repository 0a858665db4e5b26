"""What a check found: a word, and in one line what there is and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How bad it is: nothing, nothing that keeps a run from being done, or something to be put right first."""

    OK = "ok"
    NOTE = "note"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of what was found.

    Attributes:
        level: how bad it is.
        text: what there is; of a problem also what to do.
    """

    level: Level
    text: str


def ok(text: str) -> Finding:
    """All is as it should be."""
    return Finding(Level.OK, text)


def note(text: str) -> Finding:
    """Good to know; runs are done all the same."""
    return Finding(Level.NOTE, text)


def problem(fault: str, remedy: str) -> Finding:
    """What is wrong, and what to do."""
    return Finding(Level.PROBLEM, f"{fault}; {remedy}")
