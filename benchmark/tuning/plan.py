"""A search before it begins: what is searched, on which reviews, and the name by which it is found again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from benchmark.config.errors import ConfigError, validated
from benchmark.config.nested import override
from benchmark.config.schema import ExperimentConfig, RunConfig, Suite, run_from_settings
from benchmark.config.search_space import SearchSpace
from benchmark.plan.plan import make_plan
from benchmark.plan.workspace import Workspace

Metric = Literal["val/loss", "val/accuracy"]


@dataclass(frozen=True, slots=True)
class Budget:
    """When a search ends: whichever is reached first, counted over all calls and workers.

    Attributes:
        trials: finished ones, complete or pruned; None: as many as the time allows.
        minutes: that all trials together have taken; the one at hand is finished.
    """

    trials: int | None
    minutes: float | None


@dataclass(frozen=True, slots=True)
class SearchOptions:
    """How one call searches; none of it changes which study it is.

    Attributes:
        storage: Optuna's.
        budget: when it ends.
        sampler: chooses the next trial's settings.
        pruner: ends trials that others were better than.
    """

    storage: str
    budget: Budget
    sampler: Literal["tpe", "random", "grid"] = "tpe"
    pruner: Literal["median", "hyperband", "none"] = "median"

    def to_json(self) -> dict[str, Any]:
        """Plain values for the process that will search."""
        return asdict(self)

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> SearchOptions:
        """The options out of `to_json`'s values."""
        return cls(**{**content, "budget": Budget(**content["budget"])})


@dataclass(frozen=True, slots=True)
class PlannedStudy:
    """One experiment's search.

    Attributes:
        name: Optuna's name of the study; another for other reviews, settings, parameters, seed or metric.
        own: the experiment as experiments.yaml has it; the first trial.
        space: what is searched.
        metric: what is to be lowest or highest, of the epoch that is chosen.
    """

    name: str
    own: RunConfig
    space: SearchSpace
    metric: Metric

    @property
    def own_values(self) -> dict[str, Any]:
        """The experiment's own values of the parameters."""
        return self.space.values_in(self.own.experiment.plain())

    def with_values(self, values: Mapping[str, Any]) -> RunConfig:
        """The experiment with the values of a trial.

        Raises:
            ConfigError: together they are no valid settings.
        """
        raw = self.own.experiment.plain()
        experiment = validated(ExperimentConfig, override(raw, values.items()), "trial", (self.own.experiment_name,))
        return replace(self.own, experiment=experiment)

    def to_json(self) -> dict[str, Any]:
        """Plain values for the process that will search."""
        return {
            "name": self.name,
            "settings": self.own.settings(),
            "space": self.space.model_dump(mode="json"),
            "metric": self.metric,
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> PlannedStudy:
        """The study out of `to_json`'s values."""
        own, space = run_from_settings(content["settings"]), SearchSpace.model_validate(content["space"])
        return cls(content["name"], own, space, content["metric"])


def plan_study(suite: Suite, name: str, workspace: Workspace, metric: Metric) -> PlannedStudy:
    """The search of one experiment of the suite, with the suite's first seed.

    Raises:
        ConfigError: the experiment has no search space, or its settings lie outside of it; or the suite has several
            train sizes.
        DataError, DeviceError: as of `make_plan`.
    """
    if name not in suite.search:
        raise ConfigError(f"experiment {name}: has no search space; state one in experiments.yaml under search.{name}")
    if len(suite.data) > 1:
        raise ConfigError("data.train_size: a search wants one size; give --set data.train_size=N")
    space, experiment = suite.search[name], suite.experiments[name]
    raw = experiment.plain()
    space.check_start(raw, f"search.{name} in profile {suite.profile}")
    # The own values of what every trial chooses are no part of the study's name: what was adopted is searched on.
    widest = validated(ExperimentConfig, override(raw, space.widest().items()), f"search.{name}", (name,))
    seeds = suite.seeds[:1]
    plan = make_plan(replace(suite, seeds=seeds, experiments={name: widest}, tuned={}), workspace)
    own = replace(plan.runs[0].config, experiment=experiment)
    identity = json.dumps([plan.runs[0].fingerprint, seeds, space.model_dump(mode="json"), metric], sort_keys=True)
    digest = hashlib.sha256(identity.encode()).hexdigest()[:12]
    return PlannedStudy(f"{suite.profile}-{name}-{digest}", own, space, metric)
