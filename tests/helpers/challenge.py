"""A challenge set made by hand."""

from data_pipeline.challenges import ChallengeSet
from data_pipeline.review import identified

PAIRS = [("a fine film", 1), ("a dull film", 0), ("so moving", 1), ("so boring", 0)]
GROUPS = ("a", "a", "b", "b")


def made_set(name: str = "made", pairs=PAIRS, groups=GROUPS, original=(True, False, True, False), **rest):
    return ChallengeSet(name, f"{name}, made by hand", tuple(identified(list(pairs))), groups, original, **rest)
