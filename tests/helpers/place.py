"""A working directory in which `run all` is called, and all of its record that two of them must have in common."""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import urlsplit

from mlflow import MlflowClient
from mlflow.entities import LoggedModel, LoggedModelStatus, Run

ROOT = Path(__file__).resolve().parents[2]
INJECTED = Path(__file__).parent / "injected"
PATIENCE = 600  # seconds after which a process that should have ended counts as hanging
OF_THE_CALL = {"mlflow.parentRunId", "benchmark.lock", "benchmark.request"}  # tags that differ and may
OF_THE_MACHINE = {"environment.json", "constraints.txt"}  # artifacts that say what a run was made on


@dataclass(frozen=True)
class Fault:
    """A signal at a moment, see injected/sitecustomize.py."""

    phase: str
    experiment: str
    moment: int
    signal: str
    target: str
    marker: str

    @property
    def struck(self) -> bool:
        return Path(self.marker).exists()


@dataclass(frozen=True)
class Place:
    """A working directory with experiments.yaml and mlflow.db."""

    folder: Path

    @property
    def client(self) -> MlflowClient:
        return MlflowClient(f"sqlite:///{self.folder / 'mlflow.db'}")

    def start(
        self, *options: str, faults: Sequence[Fault] = (), moments: str = "", log: str = "log.txt"
    ) -> subprocess.Popen[bytes]:
        """`run all`, as a terminal starts it: in a group of its own; it prints to the log."""
        environment = {
            "PYTHONPATH": f"{INJECTED}{os.pathsep}{ROOT}",
            "HF_HUB_OFFLINE": "1",
            "BENCHMARK_FAULTS": json.dumps([asdict(fault) for fault in faults]),
            "BENCHMARK_MOMENTS": moments,
        }
        with (self.folder / log).open("ab") as printed:
            return subprocess.Popen(
                [sys.executable, "-m", "benchmark", "run", "all", *options],
                cwd=self.folder,
                env=os.environ | environment,
                stdin=subprocess.DEVNULL,
                stdout=printed,
                stderr=printed,
                start_new_session=True,
            )

    def call(self, *options: str, faults: Sequence[Fault] = (), moments: str = "") -> int:
        return self.start(*options, faults=faults, moments=moments).wait(PATIENCE)

    @property
    def log(self) -> str:
        return (self.folder / "log.txt").read_text(encoding="utf-8")

    def runs(self, kind: str = "run") -> list[Run]:
        experiment = self.client.get_experiment_by_name("imdb-quick")
        if experiment is None:
            return []
        return list(self.client.search_runs([experiment.experiment_id], f"tags.`benchmark.kind` = '{kind}'"))

    def finished(self) -> dict[str, tuple[int, int]]:
        """The finished runs, and when each of them began and ended."""
        found = [run.info for run in self.runs() if run.info.status == "FINISHED"]
        return {info.run_id: (info.start_time, info.end_time) for info in found}

    def record(self) -> dict[str, object]:
        """What is recorded of plan and runs, without what differs from one run to another that is equal."""
        facts: dict[str, object] = {"plans": [run.info.status for run in self.runs("plan")]}
        facts["set aside"] = len(self.runs("set aside"))
        for run in self.runs():
            labels = run.data.tags
            name = f"{labels['benchmark.experiment']} {labels['benchmark.seed']} {labels['benchmark.fingerprint']}"
            facts |= {f"{name}: {key}": fact for key, fact in self._facts(run)}
            facts[name] = int(facts.get(name, 0)) + 1
        return facts

    def left_over(self) -> list[str]:
        """Files of work that is over, in the cache."""
        cache = self.folder / ".benchmark"
        unfinished = [path for pattern in ("*.unfinished", "*.partial") for path in cache.rglob(pattern)]
        return sorted(str(path.relative_to(cache)) for path in [*(cache / "checkpoints").glob("*"), *unfinished])

    def _facts(self, run: Run) -> Iterator[tuple[str, object]]:
        client, run_id = self.client, run.info.run_id
        yield "status", run.info.status
        yield "params", run.data.params
        yield "tags", {key: value for key, value in run.data.tags.items() if key not in OF_THE_CALL}
        yield "inputs", sorted((each.dataset.name, each.dataset.digest) for each in run.inputs.dataset_inputs)
        for key in run.data.metrics:
            if not key.startswith("system/"):
                history = client.get_metric_history(run_id, key)
                yield key, [(metric.step, _value(key, metric.value)) for metric in history]
        yield from _files("artifact", Path(client.download_artifacts(run_id, "")), OF_THE_MACHINE)
        models = client.search_logged_models([run.info.experiment_id], f"source_run_id = '{run_id}'")
        yield "models", [model.status == LoggedModelStatus.READY for model in models]
        yield "output", [each.model_id for each in run.outputs.model_outputs] == [each.model_id for each in models]
        for model in models:
            yield from _facts_of_model(model)


def _facts_of_model(model: LoggedModel) -> Iterator[tuple[str, object]]:
    yield "model", (model.name, model.params)
    yield "model's metrics", sorted((each.key, each.step, _value(each.key, each.value)) for each in model.metrics or ())
    folder = Path(urlsplit(model.artifact_location).path, "artifacts", "bundle")
    yield from _files("model", folder, {"README.md"})  # its card tells the time that the training took


def _files(what: str, folder: Path, but: set[str]) -> Iterator[tuple[str, object]]:
    """The hash of each file; of some their presence alone."""
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.is_file():
            yield f"{what} {name}", "there" if name in but else hashlib.sha256(path.read_bytes()).hexdigest()


def _value(key: str, value: float) -> float | str:
    """The value; of times and memory only that there is one."""
    return "some" if "seconds" in key or "memory" in key else value


def differences(ours: dict[str, object], theirs: dict[str, object]) -> list[str]:
    return [
        f"{key}: {ours.get(key)!r} and not {theirs.get(key)!r}"
        for key in sorted(ours.keys() | theirs.keys())
        if ours.get(key) != theirs.get(key)
    ]
