"""What has won a search, written to `tuned/<profile>/<experiment>.yaml`."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import UTC
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark.files import write_whole
from benchmark.records import flattened
from benchmark.tuned import Provenance, TunedSettings, read_tuned, tuned_file, tuned_text
from benchmark.tuning.outcome import Outcome, best_trial
from benchmark.tuning.planned_study import PlannedStudy
from benchmark.tuning.study import CODE, FACTS
from benchmark.validation import ConfigError

if TYPE_CHECKING:
    from optuna import Study


def write_winner(study: Study, planned: PlannedStudy, found: Outcome, say: Callable[[str], None]) -> Path:
    """Write the file; its path.

    Args:
        study: Optuna's.
        planned: the same, as it was planned.
        found: the same, as it stands; a trial of it is complete.
        say: is given each line for the reader.
    """
    path = tuned_file(found.profile, found.experiment)
    _tell_of_another(path, found, say)
    write_whole(path, tuned_text(_tuned_settings(study, planned, found)))
    say(f"wrote {path}")
    return path


def _tell_of_another(path: Path, found: Outcome, say: Callable[[str], None]) -> None:
    """Say whose winner was in the file: a search of other reviews, settings, seed or metric writes there too."""
    with suppress(ConfigError):  # a damaged file is nobody's winner
        before = read_tuned(found.profile, found.experiment)
        if before is not None and before.provenance.study != found.name:
            say(f"{path} had the winner of study {before.provenance.study}; the call of that search writes it again")


def _tuned_settings(study: Study, planned: PlannedStudy, found: Outcome) -> TunedSettings:
    winner, trial = found.best[0], best_trial(study)
    assert trial is not None
    assert trial.datetime_complete is not None
    assert winner.value is not None  # it is complete
    experiment = planned.with_values(winner.settings).experiment.plain()
    return TunedSettings(
        profile=found.profile,
        experiment=found.experiment,
        settings=dict(winner.settings),
        provenance=Provenance(
            study=found.name,
            trial=winner.number,
            metric=found.metric,
            value=winner.value,
            before=found.before,
            complete=found.counts.get("complete", 0),
            pruned=found.counts.get("pruned", 0),
            seconds=round(found.seconds, 1),
            code=trial.user_attrs.get(CODE, {}),
            finished=trial.datetime_complete.astimezone(UTC).isoformat(timespec="seconds"),
            unsearched={key: value for key, value in flattened(experiment) if key not in winner.settings},
            **study.user_attrs[FACTS],
        ),
    )
