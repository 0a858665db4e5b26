"""Options that several commands share, and what they mean."""

from __future__ import annotations

import argparse
import math
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, TypeVar

from benchmark.output import write_whole
from data_pipeline.sources import Place

if TYPE_CHECKING:
    from benchmark.config.schema import Suite
    from benchmark.plan.workspace import Workspace
    from benchmark.tracking.store import TrackingStore

Number = TypeVar("Number", int, float)

Commands = argparse._SubParsersAction  # what add_subparsers gives; argparse has no public name for it


def add_command(
    commands: Commands[argparse.ArgumentParser],
    name: str,
    function: Callable[[argparse.Namespace], int],
    text: str,
) -> argparse.ArgumentParser:
    """A command that calls `function` with its arguments."""
    parser = commands.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
    parser.set_defaults(command=function)
    return parser


def add_suite_options(
    parser: argparse.ArgumentParser, *, seeds: str = "instead of the profile's seeds", downloads: bool = True
) -> None:
    """What chooses the runs.

    Args:
        parser: of the command.
        seeds: what `--seed` says.
        downloads: whether the command fetches reviews that are not here.
    """
    add_profile_option(parser, "size of the whole suite")
    parser.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help="default: ./experiments.yaml, else the copy that ships with the package",
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="change a setting, as in lstm.training.batch_size=32; may be given several times",
    )
    parser.add_argument("--seed", type=int, nargs="+", default=[], metavar="N", help=seeds)
    add_device_option(parser)
    add_data_option(parser, downloads=downloads)
    add_store_options(parser)


def add_profile_option(parser: argparse.ArgumentParser, text: str) -> None:
    """Which profile."""
    parser.add_argument("--profile", default="quick", help=f"{text} (default: quick)")


def add_device_option(parser: argparse.ArgumentParser) -> None:
    """What computes."""
    parser.add_argument("--device", choices=["auto", "cpu", "cuda", "mps"], default="auto", help="what computes")


def add_data_option(parser: argparse.ArgumentParser, *, downloads: bool = True) -> None:
    """Where the official reviews are."""
    otherwise = "it is downloaded into the cache" if downloads else "the cache's copy if there is one"
    parser.add_argument(
        "--data",
        type=Path,
        metavar="PATH",
        help="folder aclImdb or archive aclImdb_v1.tar.gz for profiles of source aclimdb (default: BENCHMARK_DATA, "
        f"else {otherwise})",
    )


def add_tuned_option(parser: argparse.ArgumentParser) -> None:
    """Whose settings."""
    parser.add_argument(
        "--tuned",
        action="store_true",
        help="use the settings that `tune` has found (tuned/PROFILE/NAME.yaml) where there are any",
    )


def add_store_options(parser: argparse.ArgumentParser) -> None:
    """Where the record and the cache are."""
    parser.add_argument(
        "--tracking-uri",
        metavar="URI",
        help="MLflow store (default: MLFLOW_TRACKING_URI, else sqlite:///mlflow.db here)",
    )
    add_cache_option(parser)


def add_cache_option(parser: argparse.ArgumentParser) -> None:
    """Where the cache is."""
    parser.add_argument(
        "--cache-dir",
        type=Path,
        metavar="DIR",
        help="tokens, features, checkpoints (default: BENCHMARK_CACHE, else .benchmark here)",
    )


def add_storage_option(parser: argparse.ArgumentParser) -> None:
    """Where Optuna keeps its studies."""
    parser.add_argument(
        "--storage",
        metavar="URL",
        help="Optuna's storage (default: OPTUNA_STORAGE, else sqlite:///optuna.db here)",
    )


def chosen_suite(arguments: argparse.Namespace, *, tuned: bool = False) -> Suite:
    """Return the suite that the options of `add_suite_options` choose; with `tuned`, with tuned settings.

    Raises:
        ConfigError: the file or an option is wrong.
    """
    from benchmark.config.choice import refuse_unused_data
    from benchmark.config.load import load_suite, locate_config, parse_assignments

    settings = parse_assignments(arguments.set)
    suite = load_suite(locate_config(arguments.config), arguments.profile, settings, arguments.seed, tuned=tuned)
    refuse_unused_data(suite, arguments.data)
    return suite


def chosen_names(names: Sequence[str], known: Sequence[str]) -> list[str]:
    """Return the named experiments in the order of `known`; `all` names every one.

    Raises:
        ConfigError: there is no such experiment.
    """
    from benchmark.config.choice import chosen_experiments

    return chosen_experiments(names, known)


def workspace(arguments: argparse.Namespace) -> Workspace:
    """Return where the options say that state and reviews are, and what computes."""
    from benchmark.plan.workspace import Workspace

    return Workspace.locate(
        tracking_uri=arguments.tracking_uri,
        cache_dir=arguments.cache_dir,
        device=arguments.device,
        data=arguments.data,
    )


def cache_dir(arguments: argparse.Namespace) -> Path:
    """Return the cache's folder: the option's, else BENCHMARK_CACHE's, else .benchmark here."""
    return Place.locate(cache_dir=arguments.cache_dir).cache_dir


def existing_store(arguments: argparse.Namespace) -> TrackingStore:
    """Return the store to read; none is made.

    Raises:
        TrackingError: there is none, or it cannot be opened.
    """
    from benchmark.tracking.client import existing_uri
    from benchmark.tracking.store import TrackingStore

    return TrackingStore(existing_uri(arguments.tracking_uri), cache_dir(arguments))


def existing_uri(arguments: argparse.Namespace) -> str:
    """Return the tracking URI of the store to read, which is not opened yet."""
    from benchmark.tracking.client import existing_uri as checked

    return checked(arguments.tracking_uri)


def positive(kind: Callable[[str], Number]) -> Callable[[str], Number]:
    """A reader of an option's number, for argparse, that takes none that is 0, negative or not finite."""

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


def write_output(path: Path, text: str) -> None:
    """Write what `--output` asks for, whole or not at all, and say so.

    Raises:
        OutputError: it cannot be written.
    """
    write_whole(path, text)
    say(f"wrote {path}")


def say(line: str) -> None:
    """A line about the work, kept apart from the results on standard output."""
    print(line, file=sys.stderr, flush=True)
