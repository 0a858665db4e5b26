"""What `tune` searches, as experiments.yaml states it: a range or choices for each setting. Imports no Optuna."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictFloat, StrictInt, StrictStr, model_validator

from benchmark.output import flattened
from data_pipeline.errors import did_you_mean

Value = StrictBool | StrictInt | StrictFloat | StrictStr | None
"""One value of a setting."""


class _Parameter(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    when: dict[str, Annotated[tuple[Value, ...], Field(min_length=1, strict=False)]] = Field(default_factory=dict)
    """Searched only where these settings, which stand above it and have choices, have one of these values."""


class FloatParameter(_Parameter):
    """A real number."""

    type: Literal["float"]
    low: float = Field(allow_inf_nan=False)
    """The smallest value."""
    high: float = Field(allow_inf_nan=False)
    """The largest value."""
    log: bool = False
    """As many trials between 1e-4 and 1e-3 as between 1e-3 and 1e-2."""

    @model_validator(mode="after")
    def _is_a_range(self) -> Self:
        _refuse_empty(self.low, self.high)
        if self.log and self.low <= 0:
            raise ValueError("`log: true` needs `low` above 0")
        return self

    def values(self) -> tuple[float, ...]:
        """The ends of the range."""
        return self.low, self.high

    def holds(self, value: Any) -> bool:
        """Whether a trial can have this value."""
        return type(value) in {int, float} and self.low <= value <= self.high

    def spell(self) -> str:
        """As a reader is told it."""
        return f"{self.low:g} to {self.high:g}{', log' if self.log else ''}"


class IntParameter(_Parameter):
    """A whole number."""

    type: Literal["int"]
    low: int
    """The smallest value."""
    high: int
    """The largest value; a whole number of steps above `low`."""
    step: int = Field(default=1, ge=1)
    """Between two values."""

    @model_validator(mode="after")
    def _is_a_range(self) -> Self:
        _refuse_empty(self.low, self.high)
        if (self.high - self.low) % self.step:
            raise ValueError(f"`high` should be a whole number of steps of {self.step} above `low`")
        return self

    def values(self) -> tuple[int, ...]:
        """The ends of the range."""
        return self.low, self.high

    def holds(self, value: Any) -> bool:
        """Whether a trial can have this value."""
        return type(value) in {int, float} and self.low <= value <= self.high and (value - self.low) % self.step == 0

    def spell(self) -> str:
        """As a reader is told it."""
        return f"{self.low} to {self.high}{f', steps of {self.step}' if self.step > 1 else ''}"


class CategoricalParameter(_Parameter):
    """One of several values, between which there is no order."""

    type: Literal["categorical"]
    choices: Annotated[tuple[Value, ...], Field(min_length=2, strict=False)]
    """The values."""

    @model_validator(mode="after")
    def _are_different(self) -> Self:
        seen = {(isinstance(choice, bool), choice) for choice in self.choices}  # see _same
        if len(seen) < len(self.choices):
            raise ValueError("a choice stands here twice")
        return self

    def values(self) -> tuple[Any, ...]:
        """All choices."""
        return self.choices

    def holds(self, value: Any) -> bool:
        """Whether a trial can have this value."""
        return any(_same(value, choice) for choice in self.choices)

    def spell(self) -> str:
        """As a reader is told it."""
        return ", ".join("null" if choice is None else str(choice) for choice in self.choices)


def _same(one: Any, other: Any) -> bool:
    """Equal, as 1 and 1.0 are, and True and 1 are not."""
    return bool(one == other) and isinstance(one, bool) == isinstance(other, bool)


def _refuse_empty(low: float, high: float) -> None:
    if low >= high:
        raise ValueError("`low` should be below `high`")


Parameter = FloatParameter | IntParameter | CategoricalParameter
KINDS: dict[str, type[Parameter]] = {
    "float": FloatParameter,
    "int": IntParameter,
    "categorical": CategoricalParameter,
}


@dataclass(frozen=True, slots=True)
class SearchSpace:
    """The parameters of one experiment.

    Attributes:
        parameters: by key path of the setting, such as `training.learning_rate`, in the order in which a trial
            chooses them.
    """

    parameters: Mapping[str, Parameter]

    def is_active(self, key: str, values: Mapping[str, Any]) -> bool:
        """Whether the parameter's conditions are met by the values of those above it."""
        return all(
            name in values and any(_same(values[name], value) for value in wanted)
            for name, wanted in self.parameters[key].when.items()
        )

    def own(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        """The values that an experiment's settings give to the active parameters."""
        flat = dict(flattened(settings))
        own: dict[str, Any] = {}
        for key in self.parameters:
            if self.is_active(key, own):
                own[key] = flat[key]
        return own

    def to_json(self) -> dict[str, Any]:
        """Plain values; `from_json` reads them back."""
        return {key: parameter.model_dump(mode="json") for key, parameter in self.parameters.items()}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> SearchSpace:
        """The space out of `to_json`'s values."""
        return cls({key: KINDS[raw["type"]].model_validate(raw) for key, raw in content.items()})

    def widest(self) -> dict[str, Any]:
        """One value of each parameter that every trial has, the largest of numbers: what the machine must bear.

        A parameter with a condition is left out: where that is not met, trials have the experiment's own value.
        """
        return {key: _largest(parameter.values()) for key, parameter in self.parameters.items() if not parameter.when}

    def faults(self, settings: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        """What is wrong with it beside these settings of its experiment: key path, and the fault in words."""
        flat = {
            key: value
            for key, value in flattened(settings)
            if key != "model.name" and not key.startswith("model.encoder")
        }
        above: dict[str, Any] = {}
        for key, parameter in self.parameters.items():
            if key not in flat:
                yield key, f"is no setting that can be searched{did_you_mean(key, flat)}"
                continue
            yield from ((key, fault) for fault in _faulty_conditions(parameter, above))
            above[key] = parameter

    def outside(self, settings: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        """Which of these settings no trial could have: key path, and the fault in words."""
        for key, value in self.own(settings).items():
            parameter = self.parameters[key]
            if not parameter.holds(value):
                shown = "null" if value is None else value
                yield (
                    key,
                    (
                        f"the experiment's own {shown} is none of its values ({parameter.spell()}); "
                        "a search begins there, so let it be one"
                    ),
                )


def _faulty_conditions(parameter: _Parameter, above: Mapping[str, Any]) -> Iterator[str]:
    for key, wanted in parameter.when.items():
        other = above.get(key)
        if not isinstance(other, CategoricalParameter):
            yield f"`when` names {key}, which is no parameter with choices that stands above this one"
        elif not all(other.holds(value) for value in wanted):
            yield f"`when` wants {key} to be {wanted}, which has the choices {other.spell()}"


def _largest(values: Sequence[Any]) -> Any:
    numbers = [value for value in values if type(value) in {int, float}]
    return max(numbers) if len(numbers) == len(values) else values[0]
