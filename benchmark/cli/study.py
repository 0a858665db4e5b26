"""`study`: show what a search has found so far."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
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
from benchmark.output import spell_seconds, spell_value, spell_values

if TYPE_CHECKING:
    from benchmark.tuning.outcome import Outcome

ROWS = 10
FEW = 10  # TPE draws its first ten trials at random


def add(commands: Commands[argparse.ArgumentParser]) -> None:
    """Add the command and its options."""
    parser = add_command(commands, "study", study, "show a search: best trials, importance, pruned trials")
    parser.add_argument("name", metavar="NAME", help="an experiment, or the full name of a study")
    add_profile_option(parser, "whose study")
    add_storage_option(parser)
    add_cache_option(parser)


def study(arguments: argparse.Namespace) -> int:
    """Print a study's text."""
    from benchmark.tuning.outcome import importance, read_outcome
    from benchmark.tuning.storage import find_study, open_storage, storage_uri

    lock = cache_dir(arguments) / "locks" / "optuna.lock"
    storage = open_storage(storage_uri(arguments.storage), lock, create=False)
    found, others = find_study(storage, arguments.profile, arguments.name)
    print(study_text(read_outcome(found), importance(found)))
    if others:
        print(f"\nolder studies of {arguments.name}: {', '.join(others)}")
    return EXIT_DONE


def study_text(found: Outcome, importance: Mapping[str, float]) -> str:
    """Return the text about a study: its ten best trials, importance of its parameters, the ten newest pruned ones."""
    from benchmark.tuning.study import REASON

    states = ", ".join(f"{count} {state}" for state, count in sorted(found.counts.items()))
    before = "not complete" if found.before is None else f"{found.before:.4f}"
    parts = [
        f"study {found.name}: {states or 'no trial yet'}; {spell_seconds(found.seconds)}\n"
        f"{found.metric} of the settings in experiments.yaml: {before}",
    ]
    if found.best:
        parts.append(f"best trials\n{_best_trials(found)}")
        parts.append("\n".join(found.edges) or "the best values are inside the search ranges")
    if importance:
        shares = "\n".join(f"  {key}: {100 * share:.0f} %" for key, share in importance.items())
        doubt = f"; {len(found.best)} trials are too few to trust it" if len(found.best) < FEW else ""
        parts.append(
            f"importance: share of the variance in {found.metric} explained by each parameter (fANOVA{doubt})\n{shares}"
        )
    if found.pruned:
        few = len(found.pruned) <= ROWS
        title = "pruned" if few else f"pruned: {len(found.pruned)}, of which the newest are"
        lines = (
            f"  trial {trial.number} {trial.user_attrs.get(REASON, '')}: {spell_values(trial.params)}"
            for trial in found.pruned[-ROWS:]
        )
        parts.append("\n".join([title, *lines]))
    return "\n\n".join(parts)


def _best_trials(found: Outcome) -> str:
    from tabulate import tabulate

    from benchmark.tuning.study import trial_seconds

    trials = found.best[:ROWS]
    keys = list(dict.fromkeys(key for trial in trials for key in trial.params))
    rows = [
        [
            trial.number,
            f"{trial.value:.4f}",
            *(spell_value(trial.params[key]) if key in trial.params else "" for key in keys),
            spell_seconds(trial_seconds(trial)),
        ]
        for trial in trials
    ]
    return tabulate(rows, ["trial", found.metric, *keys, "took"], tablefmt="simple", disable_numparse=True)
