"""Which study is meant."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from benchmark.tuning.storage import StorageError
from benchmark.tuning.study import EXPERIMENT, PROFILE
from data_pipeline.errors import did_you_mean

if TYPE_CHECKING:
    from optuna import Study
    from optuna.storages import RDBStorage


def find_study(storage: RDBStorage, profile: str, name: str) -> tuple[Study, list[str]]:
    """The newest study of the experiment in the profile, or the one of that full name; and the names of older ones.

    Raises:
        StorageError: there is none.
    """
    from optuna import get_all_study_summaries, load_study

    ours = [summary for summary in get_all_study_summaries(storage) if EXPERIMENT in summary.user_attrs]
    named = [summary for summary in ours if summary.study_name == name]
    found = named or [
        summary for summary in ours if (summary.user_attrs[PROFILE], summary.user_attrs[EXPERIMENT]) == (profile, name)
    ]
    if not found:
        known = [f"{summary.user_attrs[EXPERIMENT]}" for summary in ours if summary.user_attrs[PROFILE] == profile]
        advice = did_you_mean(name, dict.fromkeys(known)) if known else ""
        raise StorageError(
            f"there is no study of {name!r} in profile {profile!r}{advice}; `python -m benchmark tune {name} "
            f"--profile {profile}` makes one"
        )
    newest, *older = sorted(found, key=lambda summary: summary.datetime_start or datetime.min, reverse=True)
    return load_study(study_name=newest.study_name, storage=storage), [summary.study_name for summary in older]
