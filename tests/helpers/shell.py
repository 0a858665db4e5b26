"""A working directory and the commands called in it, as a user has them: real processes."""

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from mlflow import MlflowClient
from mlflow.entities import Run

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 300  # seconds after which a process that should have ended counts as hanging, also on a loaded machine


@dataclass(frozen=True)
class Done:
    """A command that has ended."""

    status: int
    out: str
    err: str


def finish(process: subprocess.Popen[str]) -> Done:
    out, err = process.communicate(timeout=PATIENCE)
    return Done(process.returncode, out, err)


@dataclass
class Shell:
    """A working directory with an experiments.yaml, and the commands called in it."""

    folder: Path
    stages: dict[str, Any] = field(default_factory=dict)
    started: list[subprocess.Popen[str]] = field(default_factory=list)

    def configure(self, content: dict[str, Any]) -> None:
        """Write experiments.yaml, unless an earlier test did."""
        file = self.folder / "experiments.yaml"
        if not file.exists():
            file.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")

    def start(self, *arguments: str, program: Sequence[str] = ("-m", "benchmark")) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, *program, *arguments],
            cwd=self.folder,
            env=os.environ | {"PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.started.append(process)
        return process

    def call(self, *arguments: str) -> Done:
        return finish(self.start(*arguments))

    def stage(self, name: str, go_there: Callable[[], Any]) -> Any:
        """What `go_there` gave when the stage was reached for the first time."""
        if name not in self.stages:
            self.stages[name] = go_there()
        return self.stages[name]

    def end_all(self) -> None:
        """End what a failed test left behind; a run's process sees the pipe close and ends too."""
        for process in self.started:
            if process.poll() is None:
                process.kill()
                process.communicate()

    @property
    def uri(self) -> str:
        return f"sqlite:///{self.folder / 'mlflow.db'}"

    @property
    def client(self) -> MlflowClient:
        return MlflowClient(self.uri)

    def recorded(self, profile: str, kind: str = "run") -> list[Run]:
        """The profile's runs (or its plans) in MLflow, the oldest first."""
        experiment = self.client.get_experiment_by_name(f"imdb-{profile}")
        which, order = f"tags.`benchmark.kind` = '{kind}'", ["attributes.start_time ASC"]
        return list(self.client.search_runs([experiment.experiment_id], which, order_by=order))

    def states(self, profile: str) -> list[tuple[str, str]]:
        """Name and status of the profile's runs, the oldest first."""
        return [(run.info.run_name, run.info.status) for run in self.recorded(profile)]

    def plan_states(self, profile: str) -> list[str]:
        return [run.info.status for run in self.recorded(profile, "plan")]


def rows(table: str) -> dict[str, list[str]]:
    """The cells of each row of a printed report's first table by the row's first cell: seeds, accuracy and so on."""
    lines = [line for line in table.partition("╰")[0].splitlines() if line.startswith("│")]
    cells = [[cell.strip() for cell in line.strip("│").split("│")] for line in lines[1:]]
    return {first: rest for first, _rank, *rest in cells}


def first_epoch(process: subprocess.Popen[str]) -> str:
    return said_until(process, "  epoch 1/")


def said_until(process: subprocess.Popen[str], start: str) -> str:
    """What the process says on standard error up to a line that starts so."""
    said = ""
    for line in process.stderr:
        said += line
        if line.startswith(start):
            return said
    raise AssertionError(f"it ended without a line {start!r}:\n{said}")


def slow_rnn(config_content: dict[str, Any]) -> None:
    """Give the RNN epochs of some seconds: a signal sent at the first one's line comes while the second trains."""
    config_content["experiments"]["rnn"]["model"] |= {"layers": 2, "bidirectional": True}
    config_content["experiments"]["rnn"]["training"]["batch_size"] = 1
