"""Experiments, suites and runs, typed. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, Field, PlainValidator, ValidationInfo

from benchmark.config.errors import ConfigError, Settings, parse, quoted, refusal, validated
from benchmark.config.search_space import SearchSpace
from benchmark.config.tuned import TunedSettings
from benchmark.output import clip, spell_value
from benchmark.training.config import TrainingConfig
from data_pipeline.challenge_config import ChallengeConfig
from data_pipeline.config import DataConfig, TokensConfig
from data_pipeline.errors import Line, did_you_mean
from models.plugins import PluginError, load_plugin
from models.registry import ModelConfig, UnknownModelError, get_model_spec, model_names


def _registered_model(value: Any, info: ValidationInfo) -> ModelConfig:
    if isinstance(value, ModelConfig):
        return value
    name = value.get("name") if isinstance(value, dict) else None
    if not isinstance(name, str):
        raise ValueError("needs the name of a registered model, as in `model: {name: lstm}`")
    try:
        spec = get_model_spec(name)
    except UnknownModelError as error:
        raise refusal((("name",), str(error))) from None
    return parse(spec.config_class, value, info.context)


class ExperimentConfig(Settings):
    """One entry of `experiments`: a registered model with its tokens and training."""

    model: Annotated[Any, PlainValidator(_registered_model)]
    """The registered model and its settings."""
    tokens: TokensConfig = TokensConfig()
    """How reviews become token ids."""
    training: TrainingConfig = TrainingConfig()
    """How the trainer trains it."""

    def plain(self, *, written_only: bool = False) -> dict[str, Any]:
        """Return plain nested values, as YAML and JSON have them; `written_only`: without defaults."""
        return self.model_dump(mode="json", serialize_as_any=True, exclude_unset=written_only)


def _exists(name: str, info: ValidationInfo, section: str, kind: str) -> str:
    """Check the name against a section of the file, which is in the context of its validation."""
    every = (info.context or {}).get(section)
    if every is not None and name not in every:
        raise refusal(((), f"there is no {kind} {quoted(name)}{did_you_mean(name, every)}"))
    return name


ExperimentName = Annotated[str, AfterValidator(lambda name, info: _exists(name, info, "experiments", "experiment"))]
ChallengeName = Annotated[str, AfterValidator(lambda name, info: _exists(name, info, "challenges", "challenge set"))]


class PublishedFigure(Settings):
    """A figure from elsewhere to set beside ours, and under what conditions it was obtained."""

    experiment: ExperimentName
    """The experiment beside which it is shown."""
    test_accuracy: float = Field(ge=0, le=100)
    """In percent."""
    corpus: Line
    """The reviews it was obtained on, by the name that our reports give them; beside others it is not shown."""
    encoder: Line | None = None
    """The pre-trained encoder, if there was one."""
    source: Line
    """Where the figure was published."""
    setup: Line | None = None
    """How it was obtained, in one line; null: the source does not say."""
    train_size: int | None = Field(default=None, ge=1)
    """Reviews that it was trained on."""


NAME_WIDTH, VALUE_WIDTH = 160, 40  # characters; MLflow's names have 250 at most


@dataclass(frozen=True, slots=True)
class Suite:
    """One profile with all overrides applied: what `run all` runs.

    Attributes:
        seeds: by experiment.
        options: what the call changed against the profile, by key path.
        challenges: sets that each finished run is scored on, by name.
    """

    profile: str
    description: str
    seeds: Mapping[str, tuple[int, ...]]
    data: tuple[DataConfig, ...]
    experiments: Mapping[str, ExperimentConfig]
    published: tuple[PublishedFigure, ...] = ()
    plugin: Path | None = None
    search: Mapping[str, SearchSpace] = field(default_factory=dict)
    tuned: Mapping[str, TunedSettings] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    challenges: Mapping[str, ChallengeConfig] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Return the plan's name: what the call changed, as in `train_size=300, lstm.epochs=3`, else the profile's."""
        return self._changes() or self.profile

    @property
    def title(self) -> str:
        """Return the profile with its description, and what the call changed of it."""
        changed = f"; changed: {self.name}" if self._changes() else ""
        return f"profile {self.profile}: {self.description}{changed}"

    def runs(self) -> tuple[RunConfig, ...]:
        """Return every experiment with every train size and seed; every first seed comes before any second one."""
        return tuple(
            RunConfig(
                self.profile, name, experiment, data, seed, self.plugin, self._changes(name, data), self.challenges
            )
            for turn in range(max(map(len, self.seeds.values())))
            for data in self.data
            for name, experiment in self.experiments.items()
            for seed in self.seeds[name][turn : turn + 1]
        )

    def _changes(self, experiment: str = "", data: DataConfig | None = None) -> str:
        """Spell what the call changed: all of it, or what this experiment on these reviews has of it."""
        found: dict[str, Any] = {}
        for key, value in self.options.items():
            owner, _, setting = key.partition(".")
            if owner in self.experiments:
                short = setting.partition(".")[2] or setting
                if experiment in ("", owner):
                    found[short if experiment else f"{owner}.{short}"] = value
            elif not experiment or owner not in {"seeds", "challenges"}:  # neither changes what a run is
                found[setting or owner] = value
        if data is not None and len(self.data) > 1:
            found["train_size"] = data.train_size
        if "train_size" in found:  # first: what differs most often, and MLflow's page cuts long names
            found = {"train_size": found.pop("train_size"), **found}
        tuned = ["tuned"] if (experiment in self.tuned if experiment else self.tuned) else []
        return clip(", ".join([*tuned, *(_spell_change(key, value) for key, value in found.items())]), NAME_WIDTH)


def _spell_change(key: str, value: Any) -> str:
    if key.rpartition(".")[2] == "path":
        value = Path(str(value)).name
    values = value if isinstance(value, (list, tuple)) else [value]
    return f"{key}={clip(' '.join(map(spell_value, values)) or 'none', VALUE_WIDTH)}"


@dataclass(frozen=True, slots=True)
class RunConfig:
    """Everything that one run is made from: experiment x train size x seed.

    Attributes:
        changes: what the call changed against the profile, for names alone.
        challenges: sets whose texts are held out of train and val, and that the finished run is scored on.
    """

    profile: str
    experiment_name: str
    experiment: ExperimentConfig
    data: DataConfig
    seed: int
    plugin: Path | None = None
    changes: str = field(default="", compare=False)
    challenges: Mapping[str, ChallengeConfig] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Return the run's name in MLflow, such as `lstm seed 2077` or `lstm seed 2077, train_size=300`."""
        return f"{self.experiment_name} seed {self.seed}{f', {self.changes}' if self.changes else ''}"

    def settings(self) -> dict[str, Any]:
        """Return all settings as plain nested values, for YAML, JSON and MLflow params."""
        return {
            "profile": self.profile,
            "experiment": self.experiment_name,
            "seed": self.seed,
            "data": self.data.model_dump(mode="json"),
            **self.experiment.plain(),
            **({"plugin": str(self.plugin)} if self.plugin else {}),
            **({"challenges": self._plain_challenges()} if self.challenges else {}),
        }

    def _plain_challenges(self) -> dict[str, Any]:
        return {name: each.model_dump(mode="json", exclude_defaults=True) for name, each in self.challenges.items()}


class _RecordedRun(ExperimentConfig):
    """What `RunConfig.settings()` gives."""

    profile: str
    experiment: str
    seed: int = Field(ge=0)
    data: DataConfig
    plugin: Path | None = Field(default=None, strict=False)
    challenges: dict[str, ChallengeConfig] = Field(default_factory=dict)


def run_from_settings(settings: Mapping[str, Any]) -> RunConfig:
    """Return the run whose `settings()` these are.

    Raises:
        ConfigError: they are not valid settings of this version.
    """
    where = f"recorded settings of {settings.get('experiment')}"
    plugin = settings.get("plugin")
    use_plugin(Path(plugin) if plugin and isinstance(plugin, str) else None, where)
    found = validated(_RecordedRun, settings, where)
    experiment = ExperimentConfig(model=found.model, tokens=found.tokens, training=found.training)
    return RunConfig(
        found.profile, found.experiment, experiment, found.data, found.seed, found.plugin, challenges=found.challenges
    )


def use_plugin(path: Path | None, where: str) -> None:
    """Register the models of installed packages, and of a plugin if there is one.

    Raises:
        ConfigError: they cannot be loaded.
    """
    place = ""
    try:
        model_names()
        if path is not None:
            place = f"{where}: plugin: "
            load_plugin(path)
    except (PluginError, OSError) as error:  # OSError: the name is longer than a file's can be
        raise ConfigError(f"{place}{error}") from None
