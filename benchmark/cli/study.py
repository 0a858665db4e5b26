"""`study`: what a search has found so far."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from benchmark.cli.options import (
    Commands,
    add_cache_option,
    add_command,
    add_profile_option,
    add_storage_option,
    cache_dir,
)
from benchmark.launch.process import EXIT_DONE

if TYPE_CHECKING:
    from benchmark.tuning.outcome import Outcome, Tried

SHOWN = 10  # trials in a table
FEW = 10  # trials are what TPE draws at random before it has a model of the space


def add(commands: Commands[argparse.ArgumentParser]) -> None:
    """The command and its options."""
    parser = add_command(commands, "study", study, "show a search: best trials, what mattered, what was pruned")
    parser.add_argument("name", metavar="NAME", help="an experiment, or the full name of a study")
    add_profile_option(parser, "whose study")
    add_storage_option(parser)
    add_cache_option(parser)


def study(arguments: argparse.Namespace) -> int:
    """Print it."""
    from benchmark.tuning.outcome import importance, outcome
    from benchmark.tuning.storage import open_storage, storage_uri
    from benchmark.tuning.study import find_study

    lock = cache_dir(arguments) / "locks" / "optuna.lock"
    storage = open_storage(storage_uri(arguments.storage), lock, create=False)
    found, others = find_study(storage, arguments.profile, arguments.name)
    print(study_text(outcome(found), importance(found)))
    if others:
        print(f"\nolder studies of {arguments.name}: {', '.join(others)}")
    return EXIT_DONE


def study_text(found: Outcome, importance: Mapping[str, float]) -> str:
    """What is printed of a study; of the trials the ten best, and of those that were ended early the ten newest.

    Args:
        found: the study as it stands.
        importance: of its parameters, together 1; empty: nothing is said of it.
    """
    from benchmark.output import spell_seconds

    states = ", ".join(f"{count} {state}" for state, count in sorted(found.counts.items()))
    before = "not trained to their end" if found.before is None else f"{found.before:.4f}"
    parts = [
        f"study {found.name}: {states or 'no trial yet'}; {spell_seconds(found.seconds)}\n"
        f"{found.metric} of the settings in experiments.yaml: {before}",
    ]
    if found.best:
        parts.append(f"best trials\n{_trials(found.best[:SHOWN], found.metric)}")
        parts.append("\n".join(found.edges) or "the best lies on no edge of what was searched")
    if importance:
        shares = "\n".join(f"  {key}: {100 * share:.0f} %" for key, share in importance.items())
        doubt = f"; {len(found.best)} trials are too few to trust it" if len(found.best) < FEW else ""
        parts.append(f"importance of the parameters that all trials have (fANOVA{doubt})\n{shares}")
    if found.pruned:
        few = len(found.pruned) <= SHOWN
        title = "pruned" if few else f"pruned: {len(found.pruned)}, of which the newest are"
        parts.append(f"{title}\n{_pruned(found.pruned[-SHOWN:])}")
    return "\n\n".join(parts)


def _trials(trials: Sequence[Tried], metric: str) -> str:
    from tabulate import tabulate

    from benchmark.output import spell_seconds, spell_value

    keys = list(dict.fromkeys(key for trial in trials for key in trial.settings))
    rows = [
        [
            trial.number,
            f"{trial.value:.4f}",
            *(spell_value(trial.settings[key]) if key in trial.settings else "" for key in keys),
            spell_seconds(trial.seconds),
        ]
        for trial in trials
    ]
    return tabulate(rows, ["trial", metric, *keys, "took"], tablefmt="simple", disable_numparse=True)


def _pruned(trials: Sequence[Tried]) -> str:
    from benchmark.output import spell_values

    return "\n".join(f"  trial {trial.number} {trial.reason}: {spell_values(trial.settings)}" for trial in trials)
