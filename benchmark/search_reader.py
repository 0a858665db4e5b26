"""The search spaces of experiments.yaml, checked against the settings that they search."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from benchmark.config.errors import ConfigError, key_path, quoted, validated
from benchmark.config.schema import ExperimentConfig, experiment_config
from benchmark.config.search_space import KINDS, Parameter, SearchSpace, laid_over
from data_pipeline.errors import did_you_mean


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
