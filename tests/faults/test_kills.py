"""A suite that is killed at seeded moments and called again ends with the record of one that nobody disturbed.

In CI one working directory suffers two kills; `make faults` tries every way in every phase (FAULTS_SEED: others).
"""

import random

import pytest

from tests.helpers.kills import SEED, Case, cases
from tests.helpers.place import differences

pytestmark = pytest.mark.outage

PATIENCE = 3  # calls after the last kill


@pytest.mark.parametrize("case", cases(), ids=lambda case: case.name)
def test_a_killed_suite_ends_with_the_record_of_an_undisturbed_one(case: Case, undisturbed, make_place):
    place, chance = make_place(), random.Random(f"{SEED} {case.name}")  # noqa: S311  no secret
    finished = {}
    for number, call in enumerate(case.calls):
        faults = [
            kill.fault(undisturbed.moments, chance, place.folder / f"struck-{number}-{each}")
            for each, kill in enumerate(call.kills)
        ]
        place.call(*call.options, faults=faults)
        assert all(fault.struck for fault in faults), (faults, place.log)
        finished |= place.finished()
    calls = 1
    while place.call() != 0:
        assert calls < PATIENCE, place.log
        calls += 1

    assert differences(place.record(), undisturbed.record) == [], place.log
    assert place.left_over() == []
    assert finished.items() <= place.finished().items(), "a finished run was done again"
