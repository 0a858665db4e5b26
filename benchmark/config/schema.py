"""What experiments.yaml says, typed. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Generic, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from benchmark.config.errors import ConfigError, validated
from benchmark.config.search_space import SearchSpace
from benchmark.config.tuned import TunedSettings
from benchmark.training.config import TrainingConfig
from data_pipeline.config import DEFAULT_TRAIN_SIZE, DataConfig, DataSettings, Size, TokensConfig
from models.plugins import PluginError, load_plugin
from models.registry import ModelConfig, UnknownModelError, get_model_spec, model_names

M = TypeVar("M", bound=ModelConfig)
EXPERIMENT_SECTIONS = ("model", "tokens", "training")
PROFILE_SECTIONS = ("data", "seeds")
LISTS = ("seeds", "data.train_size")  # settings of a profile of which each value makes runs of its own


def _all_different(values: tuple[Any, ...]) -> tuple[Any, ...]:
    twice = sorted({str(value) for value in values if values.count(value) > 1})
    if twice:
        raise ValueError(f"{', '.join(twice)} stands here twice")
    return values


class _Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class ExperimentConfig(_Settings, Generic[M]):
    """One entry of `experiments`: a registered model with its tokens and training."""

    model: M
    """The registered model and its settings."""
    tokens: TokensConfig = TokensConfig()
    """How reviews become token ids."""
    training: TrainingConfig = TrainingConfig()
    """How the trainer trains it."""

    def plain(self) -> dict[str, Any]:
        """Plain nested values, as YAML and JSON have them."""
        return self.model_dump(mode="json", serialize_as_any=True)


class ProfileData(DataSettings):
    """The reviews of a profile; each size of the train part makes runs of its own, with the same val and test."""

    train_size: Annotated[
        tuple[Size, ...],
        BeforeValidator(lambda value: value if isinstance(value, (list, tuple)) else (value,)),
        Field(min_length=1, strict=False),
        AfterValidator(_all_different),
    ] = (DEFAULT_TRAIN_SIZE,)
    """Reviews trained on, one number or a list; `all`: what test and val leave."""

    def each(self) -> tuple[DataConfig, ...]:
        """The settings with one size of the train part at a time."""
        return tuple(DataConfig(**{**self.model_dump(), "train_size": size}) for size in self.train_size)


class ProfileConfig(_Settings):
    """One entry of `profiles`: a named size of the whole suite."""

    description: str = ""
    """What it is for, in one line."""
    seeds: Annotated[
        tuple[Annotated[int, Field(ge=0, lt=2**63)], ...],
        Field(min_length=1, strict=False),
        AfterValidator(_all_different),
    ] = (2077,)
    """One run of every experiment for each seed."""
    data: ProfileData = ProfileData()
    """The reviews and their split, the same for every experiment."""
    experiments: Annotated[tuple[str, ...], Field(min_length=1, strict=False), AfterValidator(_all_different)]
    """Experiments of the profile, in the order of the table."""
    overrides: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """Settings that this profile changes, by experiment."""


class PublishedFigure(_Settings):
    """A figure from elsewhere to set beside ours, and under what conditions it was obtained."""

    experiment: str
    """The experiment beside which it stands."""
    test_accuracy: float = Field(ge=0, le=100)
    """In percent."""
    corpus: str
    """The reviews it was obtained on, by the name that our reports give them."""
    encoder: str | None = None
    """The pre-trained encoder, where there was one."""
    source: str
    """Where the figure stands."""
    setup: str | None = None
    """How it was obtained, in one line; null: the source does not say."""
    train_size: int | None = Field(default=None, ge=1)
    """Reviews that it was trained on."""


class FileShape(_Settings):
    """The sections of the file; their entries are typed one by one, so that all faults are told at once."""

    profiles: dict[str, dict[str, Any]] = Field(min_length=1)
    experiments: dict[str, dict[str, Any]] = Field(min_length=1)
    search: dict[str, dict[str, Any]] = Field(default_factory=dict)
    published: list[dict[str, Any]] = Field(default_factory=list)
    plugin: Path | None = Field(default=None, strict=False)
    """A Python file that registers models of your own; a relative path starts at this file's folder."""


@dataclass(frozen=True, slots=True)
class Suite:
    """One profile with all overrides applied: what `run all` runs."""

    profile: str
    description: str
    seeds: tuple[int, ...]
    data: tuple[DataConfig, ...]
    experiments: Mapping[str, ExperimentConfig[Any]]
    published: tuple[PublishedFigure, ...]
    plugin: Path | None = None
    search: Mapping[str, SearchSpace] = field(default_factory=dict)
    tuned: Mapping[str, TunedSettings] = field(default_factory=dict)

    def runs(self) -> tuple[RunConfig, ...]:
        """Every experiment with every train size and seed; all of the first seed come first."""
        return tuple(
            RunConfig(self.profile, name, experiment, data, seed, self.plugin)
            for seed in self.seeds
            for data in self.data
            for name, experiment in self.experiments.items()
        )


@dataclass(frozen=True, slots=True)
class RunConfig:
    """Everything that one run is made from: experiment x seed."""

    profile: str
    experiment_name: str
    experiment: ExperimentConfig[Any]
    data: DataConfig
    seed: int
    plugin: Path | None = None

    @property
    def name(self) -> str:
        """What people call the run, e.g. `lstm seed 2077`."""
        return f"{self.experiment_name} seed {self.seed}"

    def settings(self) -> dict[str, Any]:
        """All settings as plain nested values, for YAML, JSON and MLflow params."""
        return {
            "profile": self.profile,
            "experiment": self.experiment_name,
            "seed": self.seed,
            "data": self.data.model_dump(mode="json"),
            **self.experiment.plain(),
            **({"plugin": str(self.plugin)} if self.plugin else {}),
        }


class _RecordedRun(_Settings):
    """What `RunConfig.settings()` gives."""

    profile: str
    experiment: str
    seed: int = Field(ge=0)
    data: DataConfig
    model: dict[str, Any]
    tokens: dict[str, Any]
    training: dict[str, Any]
    plugin: Path | None = Field(default=None, strict=False)


def run_from_settings(settings: Mapping[str, Any]) -> RunConfig:
    """The run whose `settings()` these are.

    Raises:
        ConfigError: they are not valid settings of this version.
    """
    where = "recorded settings"
    recorded = validated(_RecordedRun, settings, where, ())
    use_plugin(recorded.plugin, where)
    raw = recorded.model_dump(include=set(EXPERIMENT_SECTIONS))
    experiment = experiment_config(raw, where, (recorded.experiment,))
    return RunConfig(recorded.profile, recorded.experiment, experiment, recorded.data, recorded.seed, recorded.plugin)


def use_plugin(path: Path | None, where: str) -> None:
    """Register the models of installed packages, and of a plugin if there is one.

    Raises:
        ConfigError: they cannot be loaded.
    """
    try:
        model_names()
    except PluginError as error:
        raise ConfigError(str(error)) from None
    if path is not None:
        try:
            load_plugin(path)
        except (PluginError, OSError) as error:  # the latter where the name is longer than a file's can be
            raise ConfigError(f"{where}: plugin: {error}") from None


def experiment_config(raw: dict[str, Any], where: str, prefix: tuple[str, ...]) -> ExperimentConfig[Any]:
    """One experiment, typed by the model that it names.

    Args:
        raw: the entry as YAML gives it.
        where: the file or option, for the error's words.
        prefix: key path of the entry, for the same.

    Raises:
        ConfigError: there is no such model, or its settings are wrong.
    """
    model = raw.get("model")
    place = f"{where}: {'.'.join(prefix)}.model"
    if not isinstance(model, dict) or not isinstance(model.get("name"), str):
        raise ConfigError(f"{place}: wants the name of a registered model, as in `model: {{name: lstm}}`")
    try:
        spec = get_model_spec(model["name"])
    except UnknownModelError as error:
        raise ConfigError(f"{place}.name: {error}") from None
    return validated(ExperimentConfig[spec.config_class], raw, where, prefix)  # type: ignore[name-defined]
