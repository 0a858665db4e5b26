"""Choose from a suite what the user named."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmark.config.errors import ConfigError
from benchmark.config.schema import Suite
from data_pipeline.errors import did_you_mean


def chosen_experiments(names: Sequence[str], known: Sequence[str]) -> list[str]:
    """Return the named experiments in the order of `known`; "all" names every one.

    Raises:
        ConfigError: there is no such experiment.
    """
    for name in names:
        if name != "all" and name not in known:
            raise ConfigError(f"there is no experiment {name!r} in this profile{did_you_mean(name, [*known, 'all'])}")
    return [name for name in known if "all" in names or name in names]


def refuse_unused_data(suite: Suite, data: str | Path | None) -> None:
    """Raise ConfigError if the user names the official reviews and the profile reads others."""
    if data and suite.data[0].source != "aclimdb":
        raise ConfigError(
            f"--data: profile {suite.profile} reads source `{suite.data[0].source}`. Choose a profile of source "
            "`aclimdb`, or add --set data.source=aclimdb"
        )
