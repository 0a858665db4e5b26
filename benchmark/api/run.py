"""Run experiments."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmark.api.results import Results, load_results
from benchmark.config.choice import chosen_experiments, refuse_unused_data
from benchmark.config.load import load_suite, locate_config
from benchmark.launch.run_plan import run_plan
from benchmark.output import say
from benchmark.plan.plan import make_plan
from benchmark.plan.workspace import Workspace
from benchmark.training.config import CheckpointInterval
from benchmark.training.device import DeviceSetting


def run(
    names: str | Sequence[str] = "all",
    *,
    profile: str = "quick",
    settings: Mapping[str, Any] | None = None,
    seeds: Sequence[int] = (),
    config: str | Path | None = None,
    tuned: bool = False,
    fresh: bool = False,
    device: DeviceSetting = "auto",
    data: str | Path | None = None,
    data_dir: str | Path | None = None,
    tracking_uri: str | None = None,
    cache_dir: str | Path | None = None,
    checkpoint_minutes: float = 2.0,
    checkpoint_steps: int | None = None,
    say: Callable[[str], None] = say,
) -> Results:
    """Do the runs that are missing, each in a process of its own, and return the results of the plan.

    A run that fails does not stop the others: `Results.unfinished` names it with its error. Finished runs are skipped,
    interrupted ones resume from their checkpoint.

    Args:
        names: experiments of the profile; "all" is every one.
        profile: a profile of experiments.yaml.
        settings: settings to change, by key path, as `{"lstm.training.epochs": 3, "data.train_size": 1000}`.
        seeds: seeds in place of the profile's.
        config: the YAML file; None: ./experiments.yaml, else the copy in the package.
        tuned: use the settings that `tune` found, where there are any.
        fresh: start over; earlier records of these runs stay in MLflow as superseded.
        device: auto, cpu, cuda or mps.
        data: folder or archive of the official reviews; None: BENCHMARK_DATA, else the cache, else a download.
        data_dir: folder with the publishers' files of challenge sets; None: BENCHMARK_DATA_DIR, else the cache, else a
            download.
        tracking_uri: MLflow's store; None: MLFLOW_TRACKING_URI, else mlflow.db in the working directory.
        cache_dir: tokens, features and checkpoints; None: BENCHMARK_CACHE, else .benchmark in the working directory.
        checkpoint_minutes: minutes between checkpoints.
        checkpoint_steps: steps between checkpoints; None: by time alone.
        say: receives each line of progress.

    Raises:
        InputError: a setting, a file, the reviews, the encoder or the store cannot be used; one line per fault.
        KeyboardInterrupt: interrupted; the same call resumes.
    """
    suite = load_suite(locate_config(Path(config) if config else None), profile, settings or {}, seeds, tuned=tuned)
    refuse_unused_data(suite, data)
    chosen = chosen_experiments([names] if isinstance(names, str) else names, list(suite.experiments))
    workspace = Workspace.locate(
        tracking_uri=tracking_uri,
        cache_dir=cache_dir,
        device=device,
        data=data,
        data_dir=data_dir,
        interval=CheckpointInterval(60 * checkpoint_minutes, checkpoint_steps),
    )
    plan = make_plan(suite, workspace, chosen)
    say(f"profile {suite.profile}: {plan.record.corpus}, {plan.record.spell_sizes()}")
    for line in plan.record.audit:
        say(f"  {line}")
    outcome = run_plan(plan, chosen, workspace, say, fresh=fresh)
    say(f"{outcome.finished} finished, {outcome.skipped} skipped, {outcome.failed} failed\n")
    wanted = plan.record.fingerprint
    return load_results(profile, plan=wanted, tracking_uri=workspace.tracking_uri, cache_dir=workspace.cache_dir)
