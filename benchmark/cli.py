"""The command line: parsing and printing only. What a command needs is imported by the command."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from types import FrameType

from data_pipeline.errors import InputError

EXIT_DONE, EXIT_FAILED, EXIT_USAGE, EXIT_INTERRUPTED = 0, 1, 2, 130
SUFFIXES = {".md": "markdown", ".csv": "csv", ".tex": "latex", ".txt": "terminal"}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status: 0 done, 1 something ran and failed, 2 wrong use, 130 interrupted."""
    arguments = _parser().parse_args(argv)
    command: Callable[[argparse.Namespace], int] = arguments.command
    try:
        return command(arguments)
    except KeyboardInterrupt:
        print("interrupted; the same command goes on with what is missing", file=sys.stderr)
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # The reader of our output has gone, as in `... | head`; Python would complain once more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_DONE
    except InputError as error:
        for line in str(error).splitlines():
            print(f"error: {line}", file=sys.stderr)
        return EXIT_USAGE


class OutputError(InputError):
    """A file that cannot be written."""


def _run(arguments: argparse.Namespace) -> int:
    from benchmark.config_file import load_suite, locate_config

    suite = load_suite(locate_config(arguments.config), arguments.profile, arguments.set, arguments.seed)
    names = _chosen(arguments.names, list(suite.experiments))
    signal.signal(signal.SIGTERM, _as_interrupt)

    from benchmark.plan import Workspace, make_plan
    from benchmark.suite import run_plan
    from benchmark.tracking import tracking_uri

    plan = make_plan(suite, arguments.device)
    workspace = Workspace(tracking_uri(arguments.tracking_uri), _cache_dir(arguments), arguments.device)
    sizes = ", ".join(f"{count:,} {part}" for part, count in plan.record.sizes.items())
    _say(f"profile {suite.profile}: {plan.record.corpus}, {sizes}")
    outcome = run_plan(plan, names, workspace, _say)
    _say(f"{outcome.finished} finished, {outcome.skipped} skipped, {outcome.failed} failed\n")
    status = _print_report(arguments, suite.profile, [])
    return EXIT_FAILED if outcome.failed else status


def _report(arguments: argparse.Namespace) -> int:
    return _print_report(arguments, arguments.profile, arguments.output)


def _print_report(arguments: argparse.Namespace, profile: str, outputs: Sequence[Path]) -> int:
    from benchmark.report.table import make_report
    from benchmark.tracking import TrackingError, TrackingStore, tracking_uri

    for path in outputs:
        if path.suffix not in SUFFIXES:
            raise OutputError(f"--output {path}: the ending says the form; one of {', '.join(SUFFIXES)}")
    store = TrackingStore.existing(tracking_uri(arguments.tracking_uri), _cache_dir(arguments))
    plan = store.latest_plan(profile) if store else None
    if store is None or plan is None:
        raise TrackingError(
            f"no run of profile {profile!r} is recorded here; `python -m benchmark run all "
            f"--profile {profile}` makes them"
        )
    report = make_report(plan, store.runs(profile))
    for path in outputs:
        _write(path, report.render(SUFFIXES[path.suffix]))
    if not outputs:
        print(report.render(getattr(arguments, "format", "terminal")), end="")
    return EXIT_DONE


def _list(arguments: argparse.Namespace) -> int:
    from tabulate import tabulate

    from benchmark.config_file import load_suite, locate_config
    from benchmark.plan import make_plan
    from benchmark.records import best_run
    from benchmark.tracking import TrackingStore, tracking_uri
    from models.registry import model_names

    suite = load_suite(locate_config(arguments.config), arguments.profile, arguments.set, arguments.seed)
    plan = make_plan(suite, arguments.device)
    store = TrackingStore.existing(tracking_uri(arguments.tracking_uri), _cache_dir(arguments))
    runs = store.runs(suite.profile) if store else []
    rows = []
    for planned in plan.runs:
        run = best_run(runs, planned.fingerprint, planned.config.seed)
        rows.append(
            [
                planned.config.experiment_name,
                planned.config.experiment.model.name,
                planned.config.seed,
                run.status.value.lower() if run else "missing",
                run.run_id if run else "",
                run.error if run else "",
            ]
        )
    print(f"profile {suite.profile}: {suite.description}")
    headers = ["experiment", "model", "seed", "state", "MLflow run", "why"]
    print(tabulate(rows, headers, tablefmt="simple", disable_numparse=True))
    print(f"\nregistered models: {', '.join(model_names())}")
    return EXIT_DONE


def _validate(arguments: argparse.Namespace) -> int:
    from benchmark.config_file import locate_config, profile_names

    path = locate_config(arguments.file)
    print(f"{path}: valid; profiles: {', '.join(profile_names(path))}")
    return EXIT_DONE


def _chosen(names: Sequence[str], known: Sequence[str]) -> list[str]:
    """The experiments named, in the order of the profile; `all` is every one."""
    from benchmark.validation import ConfigError
    from models.registry import did_you_mean

    for name in names:
        if name != "all" and name not in known:
            raise ConfigError(f"there is no experiment {name!r} in this profile{did_you_mean(name, [*known, 'all'])}")
    return [name for name in known if "all" in names or name in names]


def _cache_dir(arguments: argparse.Namespace) -> Path:
    return arguments.cache_dir or Path(os.environ.get("BENCHMARK_CACHE") or ".benchmark")


def _write(path: Path, text: str) -> None:
    """Write the file whole or not at all."""
    partial = path.with_name(f".{path.name}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(text, encoding="utf-8")
        partial.replace(path)
    except OSError as error:
        with suppress(OSError):
            partial.unlink()
        raise OutputError(f"--output {path}: cannot be written: {error.strerror}") from None
    print(f"wrote {path}")


def _say(line: str) -> None:
    """A line about the work, kept apart from the results on standard output."""
    print(line, file=sys.stderr, flush=True)


def _as_interrupt(signum: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmark",
        description="Compares RNN, LSTM, frozen BERT and fine-tuned BERT on IMDB reviews; every run is kept in MLflow.",
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    run = _command(commands, "run", _run, "do the runs that are missing, then print the table")
    run.add_argument("names", nargs="+", metavar="NAME", help="experiments of the profile, or `all`")
    _add_suite_options(run)

    report = _command(commands, "report", _report, "print the table from the recorded runs")
    report.add_argument("--profile", default="quick", help="whose latest plan (default: quick)")
    report.add_argument("--format", choices=sorted(SUFFIXES.values()), default="terminal", help="form of the table")
    report.add_argument(
        "--output",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help=f"write it to a file instead ({', '.join(SUFFIXES)}); may be given several times",
    )
    _add_store_options(report)

    _add_suite_options(_command(commands, "list", _list, "show the experiments of a profile and how their runs stand"))

    validate = _command(commands, "validate", _validate, "check an experiments.yaml without running anything")
    validate.add_argument("file", nargs="?", type=Path, metavar="FILE", help="default: the one that `run` would use")
    return parser


def _command(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    function: Callable[[argparse.Namespace], int],
    text: str,
) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
    parser.set_defaults(command=function)
    return parser


def _add_suite_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--profile", default="quick", help="size of the whole suite (default: quick)")
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
    parser.add_argument("--seed", type=int, nargs="+", default=[], metavar="N", help="instead of the profile's seeds")
    parser.add_argument("--device", choices=["auto", "cpu", "cuda", "mps"], default="auto", help="what computes")
    _add_store_options(parser)


def _add_store_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--tracking-uri",
        metavar="URI",
        help="MLflow store (default: MLFLOW_TRACKING_URI, else sqlite:///mlflow.db here)",
    )
    parser.add_argument(
        "--cache-dir",
        type=Path,
        metavar="DIR",
        help="tokens and features (default: BENCHMARK_CACHE, else .benchmark here)",
    )
