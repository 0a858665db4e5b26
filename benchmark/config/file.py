"""The whole of experiments.yaml as one model: all faults are reported at once."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo, field_validator

from benchmark.config.errors import Fault, Settings, find_faults, parse, quoted, refusal
from benchmark.config.nested import merge, override
from benchmark.config.schema import ChallengeName, ExperimentConfig, ExperimentName, PublishedFigure
from benchmark.config.search_space import SearchSpace
from data_pipeline.challenge_config import ChallengeConfig
from data_pipeline.config import DEFAULT_TRAIN_SIZE, DataConfig, DataSettings, Size
from data_pipeline.errors import Line, did_you_mean
from data_pipeline.paths import LocatedPath

EXPERIMENT_SECTIONS = ("model", "tokens", "training")
PROFILE_SECTIONS = ("data", "seeds", "challenges")
LISTS = ("seeds", "data.train_size", "challenges")  # settings of a profile that may have several values
RESERVED_NAMES = (*EXPERIMENT_SECTIONS, *PROFILE_SECTIONS, "all")
LONGEST_NAME = 64  # characters: names become those of folders, and MLflow's


def _all_different(values: tuple[Any, ...]) -> tuple[Any, ...]:
    if twice := sorted({str(value) for value in values if values.count(value) > 1}):
        raise ValueError(f"duplicate {', '.join(twice)}")
    return values


def _listed(value: Any) -> Any:
    return value if isinstance(value, (list, tuple)) else (value,)


def is_name(name: str, reserved: Sequence[str] = ()) -> str:
    """Check that a name can be part of an option, of a file's name, and of MLflow's."""
    if not re.fullmatch(r"[a-z0-9][a-z0-9_-]*", name) or name in reserved or len(name) > LONGEST_NAME:
        others = f", but not {', '.join(reserved)}" if reserved else ""
        raise ValueError(
            f"{quoted(name)} cannot be a name; use small letters, digits, - and _, "
            f"{LONGEST_NAME} characters at most{others}"
        )
    return name


def _experiments(info: ValidationInfo) -> dict[str, Any]:
    found: dict[str, Any] = (info.context or {}).get("experiments") or {}
    return found


def _is_experiment(raw: dict[str, Any], info: ValidationInfo) -> dict[str, Any]:
    parse(ExperimentConfig, raw, info.context)
    return raw  # as it is written: profiles and options change it


class ProfileData(DataSettings):
    """The reviews of a profile; each size of the train part makes its own runs, with the same val and test."""

    train_size: Annotated[
        tuple[Size, ...],
        BeforeValidator(_listed),
        Field(min_length=1, strict=False),
        AfterValidator(_all_different),
    ] = (DEFAULT_TRAIN_SIZE,)
    """Reviews trained on, one number or a list; `all`: what test and val leave."""

    def each(self) -> tuple[DataConfig, ...]:
        """Return the settings with one size of the train part at a time."""
        return tuple(DataConfig(**{**self.model_dump(), "train_size": size}) for size in self.train_size)


Seeds = Annotated[
    tuple[Annotated[int, Field(ge=0, lt=2**63)], ...],
    Field(min_length=1, strict=False),
    AfterValidator(_all_different),
]


class OverriddenExperiment(ExperimentConfig):
    """An experiment as a profile changes it."""

    seeds: Seeds = ()
    """Seeds in place of the profile's; empty: the profile's."""


class ProfileConfig(Settings):
    """One entry of `profiles`: a named size of the whole suite."""

    description: Line = ""
    """What it is for, in one line."""
    seeds: Seeds = (2077,)
    """One run per seed of every experiment that has no seeds of its own."""
    data: ProfileData = ProfileData()
    """The reviews and their split, the same for every experiment."""
    experiments: Annotated[
        tuple[ExperimentName, ...], Field(min_length=1, strict=False), AfterValidator(_all_different)
    ]
    """Experiments of the profile, in the order of the table."""
    challenges: Annotated[
        tuple[ChallengeName, ...], BeforeValidator(_listed), Field(strict=False), AfterValidator(_all_different)
    ] = ()
    """Challenge sets that each finished run is scored on; their texts are held out of train and val."""
    overrides: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """Settings that this profile changes, by experiment, and its own seeds."""

    @field_validator("overrides")
    @classmethod
    def _are_valid(cls, overrides: dict[str, dict[str, Any]], info: ValidationInfo) -> dict[str, dict[str, Any]]:
        every = _experiments(info)
        known = info.data.get("experiments", every)
        faults: list[Fault] = []
        for name, changes in overrides.items():
            if name not in known:
                faults.append(((), f"{quoted(name)} is not an experiment of this profile{did_you_mean(name, known)}"))
            elif not find_faults(ExperimentConfig, every.get(name), context=info.context):  # else these are enough
                faults += find_faults(OverriddenExperiment, merge(every[name], changes), name, context=info.context)
        if faults:
            raise refusal(*faults)
        return overrides


def _one_per_experiment(figures: tuple[PublishedFigure, ...]) -> tuple[PublishedFigure, ...]:
    names = [figure.experiment for figure in figures]
    twice = [index for index, name in enumerate(names) if name in names[:index]]
    if twice:
        raise refusal(
            *(((index, "experiment"), f"{names[index]!r} has a figure already; give it one") for index in twice)
        )
    return figures


class File(Settings):
    """The file.

    The context of its validation has its `folder` and, where they are mappings, its raw `experiments` and `challenges`.
    """

    profiles: Annotated[dict[Annotated[str, AfterValidator(is_name)], ProfileConfig], Field(min_length=1)]
    experiments: Annotated[
        dict[
            Annotated[str, AfterValidator(lambda name: is_name(name, RESERVED_NAMES))],
            Annotated[dict[str, Any], AfterValidator(_is_experiment)],
        ],
        Field(min_length=1),
    ]
    challenges: dict[Annotated[str, AfterValidator(is_name)], ChallengeConfig] = Field(default_factory=dict)
    """Reviews beyond the test part, on which the profiles that name them score each finished run."""
    search: dict[ExperimentName, SearchSpace] = Field(default_factory=dict)
    published: Annotated[tuple[PublishedFigure, ...], Field(strict=False), AfterValidator(_one_per_experiment)] = ()
    plugin: LocatedPath | None = None
    """A Python file that registers models of your own. A relative path in this file starts at the file's folder."""

    @field_validator("search")
    @classmethod
    def _fits(cls, search: dict[str, SearchSpace], info: ValidationInfo) -> dict[str, SearchSpace]:
        every = _experiments(info)
        sound = [name for name in search if not find_faults(ExperimentConfig, every.get(name))]
        faults = [((name, key), text) for name in sound for key, text in _misfits(search[name], every[name])]
        if faults:
            raise refusal(*faults)
        return search


def _misfits(space: SearchSpace, raw: dict[str, Any]) -> list[tuple[str, str]]:
    """Return key path and fault of each parameter that has a value which the experiment does not take."""
    faults = list(space.faults(parse(ExperimentConfig, raw).plain()))
    return faults or [
        (key, f"{quoted(value)}: {text}")
        for key, parameter in space.parameters.items()
        for value in parameter.values()
        for _, text in find_faults(ExperimentConfig, override(raw, [(key, value)]))
    ]
