"""Damage a file, and see whether it is read or refused in one line."""

import random
from collections.abc import Iterator

from data_pipeline.errors import DataError

MILLION = 1_000_000


def damaged(content: bytes, count: int) -> Iterator[bytes]:
    """Yield `count` seeded ways to damage the content."""
    chance = random.Random(2077)  # noqa: S311  damage is no secret
    for number in range(count):
        place = chance.randrange(len(content))
        put = chance.randbytes(chance.choice([1, 1, 4, 50]))
        yield [
            content[:place],
            content[:place] + put + content[place + len(put) :],
            content[:place] + put + content[place:],
        ][min(number % 5, 2)]


def outcome(read) -> str:
    """Return the one line with which it is refused; empty where it is read."""
    try:
        read()
    except DataError as error:
        line = str(error)
    else:
        return ""
    assert line
    assert "\n" not in line
    return line


def refusal(read) -> str:
    """Return the one line with which it is refused; fail where it is read."""
    line = outcome(read)
    assert line
    return line
