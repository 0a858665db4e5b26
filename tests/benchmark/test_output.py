import pytest

from benchmark.output import spell_seconds


@pytest.mark.parametrize(
    ("seconds", "spelled"),
    [
        (0.4, "0 s"),
        (59.4, "59 s"),
        (59.6, "1 min 00 s"),
        (200, "3 min 20 s"),
        (3599.7, "1 h 00 min"),
        (7500, "2 h 05 min"),
        (100_000, "27 h 46 min"),
    ],
)
def test_seconds_are_spelled_for_people(seconds, spelled):
    assert spell_seconds(seconds) == spelled
