from collections.abc import Callable
from pathlib import Path

import pytest

from benchmark.config.load import load_suite, parse_assignments
from benchmark.experiment.run import Outcome, run_experiment
from benchmark.plan.plan import Plan, make_plan
from benchmark.plan.workspace import Workspace
from benchmark.training.progress import Progress
from tests.helpers.null_tracker import NullTracker
from tests.helpers.recorded import NOWHERE
from tests.helpers.trained import MODELS, run_of


@pytest.fixture
def plan(write_config: Callable[..., Path]) -> Callable[..., Plan]:
    """`plan("training.epochs=1", seeds=[1, 2])` is the tiny suite with that changed."""

    def make(*assignments: str, seeds: tuple[int, ...] = ()) -> Plan:
        config = write_config(profiles={"quick": {"experiments": MODELS}})
        return make_plan(load_suite(config, "quick", parse_assignments(assignments), seeds), NOWHERE)

    return make


@pytest.fixture
def run(plan: Callable[..., Plan], tmp_path: Path) -> Callable[..., Outcome]:
    """`run("lstm", seed=2)` does that run and records nothing."""

    def do(name: str, seed: int = 1) -> Outcome:
        workspace = Workspace("unused", tmp_path / "cache", "cpu")
        planned = run_of(plan(seeds=(seed,)), name)
        workspace.drop_checkpoints(planned.identity)  # as the worker does
        return run_experiment(planned, workspace, NullTracker(), Progress())

    return do
