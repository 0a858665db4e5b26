"""Whether the entries of experiments.yaml fit together; all that is wrong with a file is told at once."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, ParamSpec, TypeVar

from benchmark.config.errors import ConfigError, key_path, quoted
from benchmark.config.schema import (
    EXPERIMENT_SECTIONS,
    PROFILE_SECTIONS,
    ExperimentConfig,
    FileShape,
    ProfileConfig,
    PublishedFigure,
    experiment_config,
)
from benchmark.config.search_space import SearchSpace
from benchmark.search_reader import check_space, read_space
from data_pipeline.errors import did_you_mean

LONGEST_NAME = 64  # characters: names become those of folders, and MLflow's
RESERVED_NAMES = (*EXPERIMENT_SECTIONS, *PROFILE_SECTIONS, "all")

T = TypeVar("T")
P = ParamSpec("P")


def read_spaces(
    shape: FileShape, sound: Mapping[str, ExperimentConfig[Any]], where: str, faults: Faults
) -> dict[str, SearchSpace]:
    """The search spaces that are valid, those of unsound experiments left out."""
    spaces = {}
    for name, raw in shape.search.items():
        if name not in shape.experiments:
            suggestion = did_you_mean(name, shape.experiments)
            faults.add(f"{where}: search: there is no experiment {quoted(name)}{suggestion}")
            continue
        space = faults.collect(read_space, raw, where, ("search", name))
        if space is not None and name in sound:
            faults.collect(check_space, space, shape.experiments[name], sound[name], where, ("search", name))
            spaces[name] = space
    return spaces


def check_profile(
    name: str,
    profile: ProfileConfig,
    shape: FileShape,
    where: str,
    *,
    faults: Faults,
    sound: Collection[str],
) -> None:
    """Its experiments exist, and the sound ones are still valid as it changes them."""
    place = f"{where}: {key_path(('profiles', name))}"
    for experiment in profile.experiments:
        if experiment not in shape.experiments:
            suggestion = did_you_mean(experiment, shape.experiments)
            faults.add(f"{place}.experiments: there is no experiment {quoted(experiment)}{suggestion}")
    for experiment, changes in profile.overrides.items():
        if experiment not in profile.experiments:
            suggestion = did_you_mean(experiment, profile.experiments)
            faults.add(f"{place}.overrides: {quoted(experiment)} is not an experiment of this profile{suggestion}")
        elif experiment in sound:
            raw = merged(shape.experiments[experiment], changes)
            prefix = ("profiles", name, "overrides", experiment)
            faults.collect(experiment_config, raw, where, prefix)


def check_published(figures: Sequence[PublishedFigure | None], shape: FileShape, where: str, faults: Faults) -> None:
    """Each stands beside an experiment that exists, and has it for itself."""
    seen: set[str] = set()
    for index, figure in enumerate(figures):
        if figure is None:
            continue
        place = f"{where}: published[{index}].experiment"
        if figure.experiment not in shape.experiments:
            suggestion = did_you_mean(figure.experiment, shape.experiments)
            faults.add(f"{place}: there is no experiment {quoted(figure.experiment)}{suggestion}")
        elif figure.experiment in seen:
            faults.add(f"{place}: {figure.experiment!r} has a published figure already; the table has room for one")
        seen.add(figure.experiment)


class Faults:
    """All that is wrong with a file, told at once."""

    def __init__(self) -> None:
        self._lines: list[str] = []

    def add(self, line: str) -> None:
        """One more."""
        self._lines.append(line)

    def collect(self, check: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T | None:
        """What `check` returns; None where it refuses, which is a fault."""
        try:
            return check(*args, **kwargs)
        except ConfigError as error:
            self._lines += error.lines
            return None

    def refuse(self) -> None:
        """Raise when there is any fault."""
        if self._lines:
            raise ConfigError(*self._lines)


def check_name(name: str, place: str, reserved: Sequence[str]) -> None:
    """It can be part of an option, of a file's name, and of MLflow's."""
    if not re.fullmatch(r"[a-z0-9][a-z0-9_-]*", name) or name in reserved or len(name) > LONGEST_NAME:
        others = f", and none of {', '.join(reserved)}" if reserved else ""
        raise ConfigError(
            f"{place}: {quoted(name)} cannot be a name; use small letters, digits, - and _{others}, "
            f"{LONGEST_NAME} characters at most"
        )


def merged(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """`base` with `changes` laid over it, mapping by mapping."""
    result = dict(base)
    for key, value in changes.items():
        below = result.get(key)
        result[key] = merged(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return result
