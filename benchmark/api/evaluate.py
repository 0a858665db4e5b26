"""Score finished runs on challenge sets."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from benchmark.config.choice import chosen_experiments
from benchmark.config.errors import ConfigError
from benchmark.config.load import challenge_entries, load_suite, locate_config
from benchmark.experiment.challenges import Challenge, challenges_of, score_run
from benchmark.inference.predict import PredictionError
from benchmark.output import say
from benchmark.plan.plan import identity
from benchmark.plan.recorded import ReproductionError, recorded_config
from benchmark.plan.workspace import Workspace
from benchmark.tracking.client import TrackingError, existing_uri
from benchmark.tracking.lock import hold
from benchmark.tracking.plans import choose_plan
from benchmark.tracking.records import RUN, RunRecord, finished_runs
from benchmark.tracking.store import TrackingStore
from benchmark.training.device import DeviceSetting, resolve_device
from benchmark.training.progress import Progress
from data_pipeline.challenge_config import ChallengeConfig
from data_pipeline.corpus import Corpus
from data_pipeline.errors import DataError, did_you_mean
from data_pipeline.load import load_corpus
from data_pipeline.paths import located
from data_pipeline.sources import Place


def evaluate(
    names: str | Sequence[str] = "all",
    *,
    on: str | Path | Sequence[str | Path] = (),
    profile: str = "quick",
    plan: str | None = None,
    config: str | Path | None = None,
    device: DeviceSetting = "auto",
    data: str | Path | None = None,
    data_dir: str | Path | None = None,
    tracking_uri: str | None = None,
    cache_dir: str | Path | None = None,
    say: Callable[[str], None] = say,
) -> dict[str, str]:
    """Score the finished runs of a plan on the challenge sets that they were not scored on; `load_results` reads it.

    Args:
        names: experiments of the plan; "all" is every one.
        on: sets of experiments.yaml, or tables of reviews with text, label and, where rows belong together, group;
            none: the profile's sets.
        profile: a profile of experiments.yaml.
        plan: name of the plan, or the beginning of its fingerprint; None: the one that `load_results` reads.
        config: the YAML file; None: ./experiments.yaml, else the copy in the package.
        device: auto, cpu, cuda or mps.
        data: folder or archive of the official reviews; None: BENCHMARK_DATA, else the cache, else a download.
        data_dir: folder with the publishers' files of challenge sets; None: BENCHMARK_DATA_DIR, else the cache, else a
            download.
        tracking_uri: MLflow's store; None: MLFLOW_TRACKING_URI, else mlflow.db in the working directory.
        cache_dir: None: BENCHMARK_CACHE, else .benchmark in the working directory.
        say: receives one line per run and set.

    Returns:
        What could not be scored: the reason by name of the run.

    Raises:
        InputError: there is no such set, plan or finished run, or a set or the store cannot be read.
        KeyboardInterrupt: interrupted; the same call resumes.
    """
    configs = _chosen_sets(
        [on] if isinstance(on, str | Path) else on, profile, locate_config(Path(config) if config else None)
    )
    workspace = Workspace.locate(
        tracking_uri=tracking_uri, cache_dir=cache_dir, device=device, data=data, data_dir=data_dir
    )
    store = TrackingStore(existing_uri(tracking_uri), workspace.cache_dir)
    _, record, known = choose_plan(store, profile, plan)
    chosen = chosen_experiments([names] if isinstance(names, str) else names, record.models)
    runs = [run for run in finished_runs(record, known) if run.experiment in chosen]
    if not runs:
        raise PredictionError(f"{', '.join(chosen)}: no run of the plan is finished. Finish one by `run`.")
    splits = {row.fingerprint: row.split_fingerprint for row in record.rows}
    challenges: dict[str, tuple[Challenge, ...]] = {}
    failed: dict[str, str] = {}
    for run in runs:
        split = splits[run.fingerprint]
        try:
            if split not in challenges:
                corpus = _corpus(store, run, workspace.place, split)
                challenges[split] = challenges_of(configs, workspace.place, corpus)
            found = _score(store, run, challenges[split], workspace, say)
        except (TrackingError, PredictionError, ReproductionError, ConfigError) as error:
            failed[run.name] = str(error)
            say(f"{run.name}: {error}")
            continue
        for name in configs:
            say(f"{run.name}: {name} " + (f"{100 * found[name]:.2f} %" if name in found else "already scored, skipped"))
    return failed


def _chosen_sets(on: Sequence[str | Path], profile: str, config: Path) -> Mapping[str, ChallengeConfig]:
    """Return the named sets of the file, and the named tables by a name made of theirs; without any, the profile's."""
    if not on:
        found = load_suite(config, profile).challenges
        if not found:
            raise ConfigError(f"profile {profile!r} scores no challenge set. Name some by `--on`.")
        return found
    entries, chosen = challenge_entries(config), dict[str, ChallengeConfig]()
    for each in map(str, on):
        if each in entries:
            chosen[each] = entries[each]
        elif "." in each or "/" in each:  # no name of a set has them
            name = re.sub(r"[^a-z0-9]+", "-", Path(each).name.partition(".")[0].lower()).strip("-")
            if not name or name in entries or name in chosen:
                raise ConfigError(f"--on {each}: another set is called {name!r}. Give the file another name.")
            chosen[name] = ChallengeConfig(source="table", path=located(each))
        else:
            raise ConfigError(f"--on {each}: is no challenge set of {config}, and no file{did_you_mean(each, entries)}")
    return chosen


def _corpus(store: TrackingStore, run: RunRecord, place: Place, split: str) -> Corpus:
    """Return the reviews that the run was made of; raise DataError where those here are others."""
    config = recorded_config(store, run)
    corpus = load_corpus(config.data, place, config.challenges)
    if corpus.split_fingerprint != split:
        raise DataError(
            f"{run.name}: was trained on other reviews (split {split[:16]}, here {corpus.split_fingerprint[:16]})"
        )
    return corpus


def _score(
    store: TrackingStore,
    run: RunRecord,
    challenges: Sequence[Challenge],
    workspace: Workspace,
    say: Callable[[str], None],
) -> dict[str, float]:
    lock, device = workspace.lock(identity(RUN, run.fingerprint, run.seed)), resolve_device(workspace.device)
    with hold(lock, on_wait=lambda: say(f"{run.name}: another process is scoring it; waiting")):
        return score_run(store, store.run(run.run_id), challenges, device, Progress(sys.stderr))
