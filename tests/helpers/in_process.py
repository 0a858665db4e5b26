"""A search done in this process, where a test can look into it."""

import math
from pathlib import Path
from typing import Any

import optuna

from benchmark.plan.workspace import Workspace
from benchmark.tracking.store import TrackingStore
from benchmark.training.epoch import EpochRecord
from benchmark.training.progress import Progress
from benchmark.training.trainer import Fit
from benchmark.tuning.plan import SearchOptions, plan_study
from benchmark.tuning.search import Searcher
from benchmark.tuning.storage import open_storage
from benchmark.tuning.worker import spend_budget

RATE = {"type": "float", "low": 1e-4, "high": 1e-1, "log": True}


class Searching:
    """A suite with a search space, and its searches done in this process."""

    def __init__(self, suite, store: TrackingStore, folder: Path) -> None:
        self.suite, self.store, self.folder = suite, store, folder
        self.workspace = Workspace(store.uri, folder / ".benchmark", "cpu")
        self.url = f"sqlite:///{folder / 'optuna.db'}"

    def plan(self, name="rnn", metric="val/loss"):
        return plan_study(self.suite, name, self.workspace, metric)

    def study(self, name="rnn", metric="val/loss", trials: int | None = 3, **options: Any) -> optuna.Study:
        options = SearchOptions(self.url, trials, **options)
        return spend_budget(self.plan(name, metric), options, self.workspace, "parent", Progress())

    def searcher(self, say) -> Searcher:
        storage = open_storage(self.url, self.workspace.lock("optuna"))
        return Searcher(SearchOptions(self.url), storage, self.store, self.workspace, say)

    def stored(self) -> optuna.Study:
        return optuna.load_study(study_name=self.plan().name, storage=self.url)

    def recorded(self) -> list[Any]:
        """The trials' runs in MLflow, the oldest first."""
        return self.store.runs("quick", "trial")[::-1]

    def ends(self) -> list[tuple[str, str]]:
        """Status and Optuna's state of each trial's run."""
        return [(run.status, run.tags["optuna.state"]) for run in self.recorded()]


def states(study) -> list[str]:
    return [trial.state.name for trial in study.trials]


def scripted_trial(planned, corpus, workspace, tracker, *, progress, on_epoch) -> Fit:
    """Stand in for `run_trial`: losses that fall from epoch to epoch, lowest for a learning rate of 0.01."""
    training = planned.config.experiment.training
    loss = abs(math.log10(training.learning_rate) + 2)
    epochs = tuple(EpochRecord(n, 1.0, loss + 1 / n, 0.5, 0.1, 1.0, 1.0) for n in range(1, training.epochs + 1))
    for epoch in epochs:
        on_epoch(epoch)
    return Fit(epochs, len(epochs), ())
