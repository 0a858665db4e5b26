"""A suite that is killed at seeded moments and called again ends with the record of one that nobody disturbed.

In CI one working directory suffers two kills; `make faults` tries every way in every phase (FAULTS_SEED: others).
"""

import random
from dataclasses import asdict

import pytest

from tests.helpers.kills import SEED, Case, Outcome, cases
from tests.helpers.place import differences

PATIENCE = 3  # calls after the last kill


@pytest.mark.parametrize("case", cases(), ids=lambda case: case.name)
def test_a_killed_suite_ends_with_the_record_of_an_undisturbed_one(
    case: Case, undisturbed, make_place, record_property
):
    place, chance = make_place(), random.Random(f"{SEED} {case.name}")  # noqa: S311  no secret
    finished, struck, status = {}, [], 0
    for number, call in enumerate(case.calls):
        faults = [
            kill.fault(undisturbed.moments, chance, place.folder / f"struck-{number}-{each}")
            for each, kill in enumerate(call.kills)
        ]
        status = place.call(*call.options, faults=faults)
        assert all(fault.struck for fault in faults), (faults, place.log)
        struck += faults
        finished |= place.finished()
    calls = 1
    while place.call() != 0:
        assert calls < PATIENCE, place.log
        calls += 1
    differing = differences(place.record(), undisturbed.record)
    if len(struck) == 1:
        (kill,) = struck
        of_kill = kill.phase, kill.signal, kill.target, kill.experiment, kill.moment
        record_property("kill", asdict(Outcome(*of_kill, status, calls, not differing)))

    assert differing == [], place.log
    assert place.left_over() == []
    assert finished.items() <= place.finished().items(), "a finished run was done again"
