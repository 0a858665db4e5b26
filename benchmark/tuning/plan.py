"""Plan a search: its space, its reviews, and the name by which Optuna finds it again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from benchmark.config.errors import ConfigError, validated
from benchmark.config.nested import override
from benchmark.config.schema import ExperimentConfig, RunConfig, Suite, run_from_settings
from benchmark.config.search_space import CategoricalParameter, SearchSpace
from benchmark.plan.plan import make_plan
from benchmark.plan.workspace import Workspace

Metric = Literal["val/loss", "val/accuracy"]


@dataclass(frozen=True, slots=True)
class SearchOptions:
    """Options of one `tune` command; the name of the study does not depend on them.

    Attributes:
        storage: Optuna's, as an SQLAlchemy URL.
        trials: finished ones, complete or pruned, over all calls and workers; None: no limit.
        minutes: wall time of all trials together, after which no trial begins; None: no limit.
    """

    storage: str
    trials: int | None = None
    minutes: float | None = None
    sampler: Literal["tpe", "random", "grid"] = "tpe"
    pruner: Literal["median", "hyperband", "none"] = "median"


@dataclass(frozen=True, slots=True)
class PlannedStudy:
    """One experiment's search.

    Attributes:
        name: Optuna's name of the study; it changes with reviews, settings, space, seed and metric.
        own: the experiment as experiments.yaml has it, which is the first trial.
    """

    name: str
    own: RunConfig
    space: SearchSpace
    metric: Metric

    @property
    def own_values(self) -> dict[str, Any]:
        """The experiment's own value of each parameter."""
        return self.space.values_in(self.own.experiment.plain())

    def with_values(self, values: Mapping[str, Any]) -> RunConfig:
        """Return the experiment with the values of a trial.

        Raises:
            ConfigError: the values do not go together.
        """
        settings = override(self.own.experiment.plain(), values.items())
        experiment = validated(ExperimentConfig, settings, "trial", (self.own.experiment_name,))
        return replace(self.own, experiment=experiment)

    def to_json(self) -> dict[str, Any]:
        """Return plain values, which `from_json` reads back."""
        settings = self.own.settings()
        return {
            "name": self.name,
            "settings": settings,
            "space": self.space.model_dump(mode="json"),
            "metric": self.metric,
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> PlannedStudy:
        """Read what `to_json` returned."""
        own, space = run_from_settings(content["settings"]), SearchSpace.model_validate(content["space"])
        return cls(content["name"], own, space, content["metric"])


def plan_study(suite: Suite, name: str, workspace: Workspace, metric: Metric) -> PlannedStudy:
    """Plan the search of one experiment, with its first seed.

    Raises:
        ConfigError: the experiment has no search space, or its own settings are outside of it; or the suite has
            several train sizes.
        DataError, DeviceError: see `make_plan`.
    """
    if name not in suite.search:
        raise ConfigError(f"experiment {name}: no search space. Add search.{name} to experiments.yaml.")
    if len(suite.data) > 1:
        raise ConfigError("data.train_size: a search needs one size. Choose it with `--set data.train_size=N`.")
    space, experiment = suite.search[name], suite.experiments[name]
    space.check_start(experiment.plain(), f"search.{name} in profile {suite.profile}")
    # Own values of what every trial chooses are not part of the name: adopting a winner resumes the same study.
    widest = validated(
        ExperimentConfig, override(experiment.plain(), space.widest().items()), f"search.{name}", (name,)
    )
    seeds = suite.seeds[name][:1]
    planned = make_plan(replace(suite, seeds={name: seeds}, experiments={name: widest}, tuned={}), workspace).runs[0]
    identity = json.dumps([planned.fingerprint, seeds, space.model_dump(mode="json"), metric], sort_keys=True)
    digest = hashlib.sha256(identity.encode()).hexdigest()[:12]
    own = replace(planned.config, experiment=experiment)
    return PlannedStudy(f"{suite.profile}-{name}-{digest}", own, space, metric)


def check_grid(space: SearchSpace) -> None:
    """Raise ConfigError unless every parameter has choices and no condition."""
    for key, parameter in space.parameters.items():
        if not isinstance(parameter, CategoricalParameter) or parameter.when:
            raise ConfigError(
                f"--sampler grid: {key} has a range or a condition (got {parameter.spell()}"
                f"{', `when`' if parameter.when else ''}, expected choices). Use `--sampler tpe`."
            )
