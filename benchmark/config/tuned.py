"""What a search has won: a file of settings for each experiment, with where they come from. Imports no Optuna."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field

from benchmark.config.errors import ConfigError, validated
from benchmark.config.search_space import Value
from benchmark.config.yaml_file import read_yaml
from benchmark.output import flattened

FOLDER = Path("tuned")  # in the working directory, as mlflow.db is


class _Content(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Provenance(_Content):
    """Where tuned settings come from and what finding them cost."""

    study: str
    """Optuna's study."""
    trial: int = Field(ge=0)
    """Number of the trial that won."""
    metric: str
    """What was lowest or highest, on the val part."""
    value: float = Field(allow_inf_nan=False)
    """Of the trial that won."""
    before: float | None = Field(allow_inf_nan=False)
    """Of the settings that stood in experiments.yaml; null: they were not tried to the end."""
    complete: int = Field(ge=0)
    """Trials with a result: trained to their end, or with the settings of one that was."""
    pruned: int = Field(ge=0)
    """Trials that were ended early: others were better, the training diverged, or the settings do not go together."""
    seconds: float = Field(ge=0, allow_inf_nan=False)
    """Wall time of all trials, failed ones too."""
    corpus_fingerprint: str
    """Hash of all reviews of the source."""
    split_fingerprint: str
    """Hash of which reviews stand in which part."""
    data: dict[str, Any]
    """The reviews and their split, as experiments.yaml says it."""
    code: dict[str, str]
    """Commit of our code when the trial began and a hash of what was changed since, where git knows."""
    finished: str
    """When the trial ended, in UTC."""
    unsearched: dict[str, Any] = {}
    """The trial's other settings, which the search did not choose."""


class TunedSettings(_Content):
    """One file: settings of an experiment, by key path."""

    profile: str
    experiment: str
    settings: dict[str, Value]
    provenance: Provenance

    def changed(self, settings: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
        """What is not as it was when these won, by key path: the value then and the one in an experiment's settings."""
        now = dict(flattened(settings))
        then = self.provenance.unsearched | self.settings
        return {key: (value, now.get(key)) for key, value in then.items() if value != now.get(key)}

    def record(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        """What a plan keeps of it, so that a report can count what it cost, and tell what else an experiment has."""
        names = ("study", "trial", "metric", "value", "before", "complete", "pruned", "seconds")
        return {name: getattr(self.provenance, name) for name in names} | {"changed": sorted(self.changed(settings))}


def tuned_file(profile: str, experiment: str) -> Path:
    """Where the settings of an experiment lie."""
    return FOLDER / profile / f"{experiment}.yaml"


def read_tuned(profile: str, experiment: str) -> TunedSettings | None:
    """The experiment's tuned settings, None where there is no file.

    Raises:
        ConfigError: the file is damaged, or is another experiment's.
    """
    path = tuned_file(profile, experiment)
    if not path.exists():
        return None
    found = validated(TunedSettings, read_yaml(path), str(path), ())
    if (found.profile, found.experiment) != (profile, experiment):
        raise ConfigError(
            f"{path}: says that it is of experiment {found.experiment} in profile {found.profile}; "
            f"put it where it belongs, or remove it: `python -m benchmark tune {experiment}` makes it anew"
        )
    return found


def tuned_text(tuned: TunedSettings) -> str:
    """The file's content."""
    header = (
        f"# Found by `python -m benchmark tune {tuned.experiment} --profile {tuned.profile}`, on train and val alone.\n"
        f"# `python -m benchmark run {tuned.experiment} --profile {tuned.profile} --tuned` uses it.\n"
    )
    return header + yaml.safe_dump(tuned.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
