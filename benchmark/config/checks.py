"""Whether the entries of experiments.yaml fit together; all that is wrong with a file is told at once."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, ParamSpec, TypeVar

from benchmark.config.errors import ConfigError, key_path, quoted, validated
from benchmark.config.nested import laid_over, merged
from benchmark.config.schema import (
    EXPERIMENT_SECTIONS,
    PROFILE_SECTIONS,
    ExperimentConfig,
    FileShape,
    ProfileConfig,
    PublishedFigure,
    experiment_config,
)
from benchmark.config.search_space import KINDS, Parameter, SearchSpace
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


def read_space(raw: Mapping[str, Any], where: str, prefix: tuple[str, ...]) -> SearchSpace:
    """One entry of `search`, typed.

    Args:
        raw: the entry as YAML gives it: a parameter by key path of the setting.
        where: the file, for the error's words.
        prefix: key path of the entry, for the same.

    Raises:
        ConfigError: a line for each fault.
    """
    if not raw:
        raise ConfigError(f"{where}: {key_path(prefix)}: should not be empty")
    parameters: dict[str, Parameter] = {}
    lines: list[str] = []
    for key, entry in raw.items():
        try:
            parameters[key] = _parameter(entry, where, (*prefix, key))
        except ConfigError as error:
            lines += error.lines
    if lines:
        raise ConfigError(*lines)
    return SearchSpace(parameters)


def check_space(
    space: SearchSpace, raw: Mapping[str, Any], experiment: ExperimentConfig[Any], where: str, prefix: tuple[str, ...]
) -> None:
    """Every value that a trial could get is one that the experiment takes.

    Args:
        space: what is searched.
        raw: the experiment's settings as YAML gives them.
        experiment: the same, typed.
        where: the file or option, for the error's words.
        prefix: key path of the space, for the same.

    Raises:
        ConfigError: a line for each fault.
    """
    faults = list(space.faults(experiment.plain()))
    if not faults:
        faults = [(key, fault) for key in space.parameters for fault in _refused_values(space, key, raw)]
    if faults:
        raise ConfigError(*(f"{where}: {key_path((*prefix, key))}: {fault}" for key, fault in faults))


def check_own(space: SearchSpace, experiment: ExperimentConfig[Any], where: str) -> None:
    """The experiment's own settings are those of a trial: the first one.

    Raises:
        ConfigError: a line for each that is not.
    """
    faults = list(space.outside(experiment.plain()))
    if faults:
        raise ConfigError(*(f"{where}: {key}: {fault}" for key, fault in faults))


def _parameter(raw: Any, where: str, prefix: tuple[str, ...]) -> Parameter:
    kind = raw.get("type") if isinstance(raw, dict) else None
    if not isinstance(kind, str) or kind not in KINDS:
        suggestion = did_you_mean(kind, KINDS) if isinstance(kind, str) else f"; known: {', '.join(KINDS)}"
        found = "" if kind is None else f" {quoted(kind)}"
        raise ConfigError(f"{where}: {key_path(prefix)}: wants a type{', not' + found if found else ''}{suggestion}")
    return validated(KINDS[kind], raw, where, prefix)


def _refused_values(space: SearchSpace, key: str, raw: Mapping[str, Any]) -> Iterator[str]:
    """Why the experiment would not take the ends of the range, or a choice."""
    for value in space.parameters[key].values():
        try:
            experiment_config(laid_over(raw, {key: value}), "", ())
        except ConfigError as error:
            # Each line begins with the place, which is told already.
            yield from (f"{quoted(value)}: {line.partition(': ')[2].rpartition(': ')[2]}" for line in error.lines)
