"""What a search found: one file of settings per experiment, with their provenance. Imports no Optuna."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import Field

from benchmark.config.errors import ConfigError, Settings, validated
from benchmark.config.search_space import Value
from benchmark.config.yaml_file import read_yaml
from benchmark.output import flattened

FOLDER = Path("tuned")  # in the working directory, as mlflow.db is


class Provenance(Settings):
    """Where tuned settings come from and what finding them cost."""

    study: str
    trial: int = Field(ge=0)
    metric: str
    value: float = Field(allow_inf_nan=False)
    before: float | None = Field(allow_inf_nan=False)
    """The metric of the settings in experiments.yaml; null: they were not tried to the end."""
    complete: int = Field(ge=0)
    """Trials with a result: trained to their end, or with the settings of one that was."""
    pruned: int = Field(ge=0)
    """Trials that were ended early: others were better, the training diverged, or the settings do not go together."""
    seconds: float = Field(ge=0, allow_inf_nan=False)
    """Wall time of all trials, failed ones too."""
    corpus_fingerprint: str
    split_fingerprint: str
    data: dict[str, Any]
    """The reviews and their split, as experiments.yaml says it."""
    code: dict[str, str]
    """Commit of our code when the trial began and a hash of what was changed since, where git knows."""
    finished: str
    """When the trial ended, in UTC."""
    unsearched: dict[str, Any] = Field(default_factory=dict)
    """The trial's other settings, which the search did not choose."""


class TunedSettings(Settings):
    """One file: settings of an experiment, by key path."""

    profile: str
    experiment: str
    settings: dict[str, Value]
    provenance: Provenance

    def changed(self, settings: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
        """Return what an experiment's settings have changed since the search, by key path: value then, value now."""
        now = dict(flattened(settings))
        then = self.provenance.unsearched | self.settings
        return {key: (value, now.get(key)) for key, value in then.items() if value != now.get(key)}

    def record(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        """Return what a plan records of the search, for a report's costs and notes."""
        names = {"study", "trial", "metric", "value", "before", "complete", "pruned", "seconds"}
        return self.provenance.model_dump(include=names) | {"changed": sorted(self.changed(settings))}


def tuned_file(profile: str, experiment: str) -> Path:
    """Return the file of an experiment's tuned settings."""
    return FOLDER / profile / f"{experiment}.yaml"


def read_tuned(profile: str, experiment: str) -> TunedSettings | None:
    """Return the experiment's tuned settings, None where there is no file.

    Raises:
        ConfigError: the file is damaged, or of another experiment.
    """
    path = tuned_file(profile, experiment)
    if not path.exists():
        return None
    found = validated(TunedSettings, read_yaml(path), str(path))
    if (found.profile, found.experiment) != (profile, experiment):
        raise ConfigError(
            f"{path}: holds settings of experiment {found.experiment} in profile {found.profile}. "
            f"`python -m benchmark tune {experiment}` writes it again"
        )
    return found


def tuned_text(tuned: TunedSettings) -> str:
    """Return the file's content."""
    header = (
        f"# Found by `python -m benchmark tune {tuned.experiment} --profile {tuned.profile}`, on train and val alone.\n"
        f"# `python -m benchmark run {tuned.experiment} --profile {tuned.profile} --tuned` uses it.\n"
    )
    return header + yaml.safe_dump(tuned.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
