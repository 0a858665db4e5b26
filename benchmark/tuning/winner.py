"""What has won a search, written to `tuned/<profile>/<experiment>.yaml`."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import UTC
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark.config.errors import ConfigError
from benchmark.config.tuned import Provenance, TunedSettings, read_tuned, tuned_file, tuned_text
from benchmark.output import flattened, write_whole
from benchmark.tuning.outcome import Outcome, outcome
from benchmark.tuning.plan import PlannedStudy
from benchmark.tuning.study import CODE, FACTS

if TYPE_CHECKING:
    from optuna import Study


def write_winner(
    study: Study, planned: PlannedStudy, say: Callable[[str], None], *, ended_early: bool = False
) -> Outcome:
    """Write the file, unless no trial is complete; the study as it stands.

    A search that was ended early leaves another's winner alone: it may have tried no more than the own settings.
    Two calls at once may write what is older over what is newer; hold a lock.

    Args:
        study: Optuna's.
        planned: the same, as it was planned.
        say: is given each line for the reader.
        ended_early: its budget is not spent.

    Raises:
        OutputError: the file cannot be written.
    """
    found = outcome(study)
    if not found.best:
        return found
    path = tuned_file(found.profile, found.experiment)
    another = _another(path, found)
    if another and ended_early:
        say(f"{path} keeps the winner of study {another}; this one's is written when its search is done")
        return found
    if another:
        say(f"{path} had the winner of study {another}; the call of that search writes it again")
    write_whole(path, tuned_text(_tuned_settings(study, planned, found)))
    say(f"wrote {path}")
    return found


def _another(path: Path, found: Outcome) -> str:
    """The study whose winner is in the file: a search of other reviews, settings, seed or metric writes there too."""
    with suppress(ConfigError):  # a damaged file is nobody's winner
        before = read_tuned(found.profile, found.experiment)
        if before is not None and before.provenance.study != found.name:
            return before.provenance.study
    return ""


def _tuned_settings(study: Study, planned: PlannedStudy, found: Outcome) -> TunedSettings:
    winner = found.best[0]
    trial = study.get_trials(deepcopy=False)[winner.number]
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
