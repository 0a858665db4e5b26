"""Options that several commands share, and what they mean."""

from __future__ import annotations

import argparse
import math
import signal
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, TypeVar

from benchmark.config.choice import refuse_unused_data
from benchmark.config.load import load_suite, locate_config, parse_assignments
from benchmark.config.schema import Suite
from benchmark.tracking.client import existing_uri
from benchmark.tracking.store import TrackingStore
from data_pipeline.sources import Place

if TYPE_CHECKING:
    from benchmark.plan.workspace import Workspace

Number = TypeVar("Number", int, float)

OPTIONS: dict[str, dict[str, Any]] = {
    "profile": {"default": "quick", "help": "a profile of experiments.yaml (default: quick)"},
    "plan": {
        "metavar": "PLAN",
        "help": "a plan of the profile, by its name or the beginning of its fingerprint, as `list` shows them "
        "(default: of the complete ones the one used last, else the one used last)",
    },
    "config": {
        "type": Path,
        "metavar": "FILE",
        "help": "default: ./experiments.yaml, else the copy that ships with the package",
    },
    "set": {
        "action": "append",
        "default": [],
        "metavar": "KEY=VALUE",
        "help": "change a setting, as in lstm.training.batch_size=32; repeat it for several",
    },
    "seed": {
        "type": int,
        "nargs": "+",
        "default": [],
        "metavar": "N",
        "help": "seeds in place of the profile's; `tune` and `throughput` take the first",
    },
    "device": {"choices": ["auto", "cpu", "cuda", "mps"], "default": "auto", "help": "what computes (default: auto)"},
    "data": {
        "type": Path,
        "metavar": "PATH",
        "help": "the official reviews, for profiles of source aclimdb: folder aclImdb or archive aclImdb_v1.tar.gz "
        "(default: BENCHMARK_DATA, else the copy in the cache, which `run` downloads)",
    },
    "data-dir": {
        "type": Path,
        "metavar": "DIR",
        "help": "folder with the publishers' files of challenge sets, as test_paired.tsv "
        "(default: BENCHMARK_DATA_DIR, else the copies in the cache, which `run` downloads)",
    },
    "tuned": {
        "action": "store_true",
        "help": "use the settings that `tune` found (tuned/PROFILE/NAME.yaml), where there are any",
    },
    "tracking-uri": {
        "metavar": "URI",
        "help": "MLflow store (default: MLFLOW_TRACKING_URI, else sqlite:///mlflow.db here)",
    },
    "cache-dir": {
        "type": Path,
        "metavar": "DIR",
        "help": "tokens, features, checkpoints (default: BENCHMARK_CACHE, else .benchmark here)",
    },
    "storage": {
        "metavar": "URL",
        "help": "Optuna's storage (default: OPTUNA_STORAGE, else sqlite:///optuna.db here)",
    },
}
STORE = ("tracking-uri", "cache-dir")
SUITE = ("profile", "config", "set", "seed", "device", "data", "data-dir", *STORE)


def add_shared_options(parser: argparse.ArgumentParser, *names: str) -> None:
    """Add options that several commands share, by their names in OPTIONS."""
    for name in names:
        parser.add_argument(f"--{name}", **OPTIONS[name])


def chosen_suite(arguments: argparse.Namespace, *, tuned: bool = False) -> Suite:
    """Return the suite that the SUITE options choose; with `tuned`, with tuned settings.

    Raises:
        ConfigError: the file or an option is wrong.
    """
    settings = parse_assignments(arguments.set)
    suite = load_suite(locate_config(arguments.config), arguments.profile, settings, arguments.seed, tuned=tuned)
    refuse_unused_data(suite, arguments.data)
    return suite


def workspace(arguments: argparse.Namespace) -> Workspace:
    """Return where the options say that state and reviews are, and what computes."""
    from benchmark.plan.workspace import Workspace  # imports torch

    return Workspace.locate(
        tracking_uri=arguments.tracking_uri,
        cache_dir=arguments.cache_dir,
        device=arguments.device,
        data=arguments.data,
        data_dir=arguments.data_dir,
    )


def cache_dir(arguments: argparse.Namespace) -> Path:
    """Return the cache's folder: the option's, else BENCHMARK_CACHE's, else .benchmark here."""
    return Place.locate(cache_dir=arguments.cache_dir).cache_dir


def existing_store(arguments: argparse.Namespace) -> TrackingStore:
    """Return the store to read; none is made.

    Raises:
        TrackingError: there is none, or it cannot be opened.
    """
    return TrackingStore(existing_uri(arguments.tracking_uri), cache_dir(arguments))


def positive(kind: Callable[[str], Number]) -> Callable[[str], Number]:
    """Return a reader of a number for argparse, which refuses 0, negative and infinite ones."""

    def read(text: str) -> Number:
        wanted = f"{text!r} is not a positive {'integer' if kind is int else 'number'}"
        try:
            value = kind(text)
        except ValueError:
            raise argparse.ArgumentTypeError(wanted) from None
        if not 0 < value < math.inf:
            raise argparse.ArgumentTypeError(wanted)
        return value

    return read


def interrupt_on_termination() -> None:
    """SIGTERM, and SIGHUP of a terminal that is closed, end the command as Ctrl-C does, so that it tidies up."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # as under nohup
            signal.signal(number, _interrupt)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
