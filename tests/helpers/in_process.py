"""A search done in this process, where a test can look into it."""

from pathlib import Path
from typing import Any

import optuna

from benchmark.plan.workspace import Workspace
from benchmark.tracking.store import TrackingStore
from benchmark.training.progress import Progress
from benchmark.tuning.plan import Budget, SearchOptions, plan_study
from benchmark.tuning.worker import spend_budget

RATE = {"type": "float", "low": 1e-4, "high": 1e-1, "log": True}


class Searching:
    """A suite with a search space, and its searches done in this process."""

    def __init__(self, suite, store: TrackingStore, folder: Path) -> None:
        self.suite, self.store, self.folder = suite, store, folder
        self.workspace = Workspace(store.uri, folder / ".benchmark", "cpu")

    def plan(self, name="rnn", metric="val/loss"):
        return plan_study(self.suite, name, self.workspace, metric)

    def options(self, trials: int | None = 3, minutes: float | None = None, **named: Any) -> SearchOptions:
        return SearchOptions(f"sqlite:///{self.folder / 'optuna.db'}", Budget(trials, minutes), **named)

    def study(self, name="rnn", metric="val/loss", **options: Any) -> optuna.Study:
        return spend_budget(self.plan(name, metric), self.options(**options), self.workspace, "parent", Progress())

    def recorded(self) -> list[Any]:
        """The trials' runs in MLflow, the oldest first."""
        return self.store.runs("quick", "trial")[::-1]


def states(study) -> list[str]:
    return [trial.state.name for trial in study.trials]
