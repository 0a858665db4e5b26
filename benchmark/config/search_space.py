"""What `tune` searches, as experiments.yaml states it: a range or choices per setting. Imports no Optuna."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import Field, PlainValidator, RootModel, model_validator

from benchmark.config.errors import ConfigError, Settings, parse, quoted
from benchmark.output import flattened, spell_value
from data_pipeline.errors import did_you_mean

Value = bool | int | float | str | None
"""One value of a setting."""


class _Parameter(Settings):
    when: dict[str, Annotated[tuple[Value, ...], Field(min_length=1, strict=False)]] = Field(default_factory=dict)
    """Searched only where these settings, which are listed above it and have choices, have one of these values."""


class _Range(_Parameter):
    low: float = Field(allow_inf_nan=False)
    """The smallest value."""
    high: float = Field(allow_inf_nan=False)
    """The largest value."""

    @model_validator(mode="after")
    def _is_not_empty(self) -> Self:
        if self.low >= self.high:
            raise ValueError("`low` should be below `high`")
        return self

    def values(self) -> tuple[Any, ...]:
        """Return the ends of the range."""
        return self.low, self.high

    def holds(self, value: Any) -> bool:
        """Return whether a trial can have this value."""
        return type(value) in {int, float} and self.low <= value <= self.high


class FloatParameter(_Range):
    """A real number."""

    type: Literal["float"]
    log: bool = False
    """As many trials between 1e-4 and 1e-3 as between 1e-3 and 1e-2."""

    @model_validator(mode="after")
    def _has_a_logarithm(self) -> Self:
        if self.log and self.low <= 0:
            raise ValueError("`log: true` needs `low` above 0")
        return self

    def spell(self) -> str:
        """Return the range for a reader."""
        return f"{self.low:g} to {self.high:g}{', log' if self.log else ''}"


class IntParameter(_Range):
    """A whole number."""

    type: Literal["int"]
    low: int
    high: int
    step: int = Field(default=1, ge=1)
    """Between two values; the range is a whole number of steps."""

    @model_validator(mode="after")
    def _has_whole_steps(self) -> Self:
        if (self.high - self.low) % self.step:
            raise ValueError(f"`high` should be a whole number of steps of {self.step} above `low`")
        return self

    def holds(self, value: Any) -> bool:
        """Return whether a trial can have this value."""
        return super().holds(value) and (value - self.low) % self.step == 0

    def spell(self) -> str:
        """Return the range for a reader."""
        return f"{self.low} to {self.high}{f', steps of {self.step}' if self.step > 1 else ''}"


class CategoricalParameter(_Parameter):
    """One of several values, between which there is no order."""

    type: Literal["categorical"]
    choices: Annotated[tuple[Value, ...], Field(min_length=2, strict=False)]
    """The values."""

    @model_validator(mode="after")
    def _are_different(self) -> Self:
        if any(_same(one, other) for i, one in enumerate(self.choices) for other in self.choices[:i]):
            raise ValueError("duplicate choice")
        return self

    def values(self) -> tuple[Any, ...]:
        """Return all choices."""
        return self.choices

    def holds(self, value: Any) -> bool:
        """Return whether a trial can have this value."""
        return any(_same(value, choice) for choice in self.choices)

    def spell(self) -> str:
        """Return the choices for a reader."""
        return ", ".join("null" if choice is None else str(choice) for choice in self.choices)


def _same(one: Any, other: Any) -> bool:
    """Return whether two values are equal, as 1 and 1.0 are, and True and 1 are not."""
    return bool(one == other) and isinstance(one, bool) == isinstance(other, bool)


Parameter = FloatParameter | IntParameter | CategoricalParameter
KINDS: dict[str, type[Parameter]] = {
    "float": FloatParameter,
    "int": IntParameter,
    "categorical": CategoricalParameter,
}


def _parameter(raw: Any) -> Any:
    kind = raw.get("type") if isinstance(raw, dict) else None
    if not isinstance(kind, str) or kind not in KINDS:
        raise ValueError(f"unknown type {quoted(kind)}{did_you_mean(str(kind), KINDS)}")
    return parse(KINDS[kind], raw)


class SearchSpace(
    RootModel[Annotated[dict[str, Annotated[Any, PlainValidator(_parameter)]], Field(min_length=1)]], frozen=True
):
    """The parameters of one experiment by key path of the setting, in the order in which a trial chooses them."""

    @property
    def parameters(self) -> dict[str, Parameter]:
        """The parameters by key path."""
        return self.root

    def is_active(self, key: str, values: Mapping[str, Any]) -> bool:
        """Return whether the parameter's conditions are met by the values of those above it."""
        return all(
            name in values and any(_same(values[name], value) for value in wanted)
            for name, wanted in self.root[key].when.items()
        )

    def values_in(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        """Return the values that an experiment's settings give to the active parameters."""
        flat = dict(flattened(settings))
        found: dict[str, Any] = {}
        for key in self.root:
            if self.is_active(key, found):
                found[key] = flat[key]
        return found

    def widest(self) -> dict[str, Any]:
        """Return the largest value of each parameter that every trial has: what the machine must bear.

        A parameter with a condition is left out: where that is not met, trials have the experiment's own value.
        """
        values = {key: parameter.values() for key, parameter in self.root.items() if not parameter.when}
        numeric = {key for key, some in values.items() if all(type(value) in {int, float} for value in some)}
        return {key: max(some) if key in numeric else some[0] for key, some in values.items()}

    def faults(self, settings: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        """Yield key path and fault of each parameter that does not fit these settings of its experiment."""
        known = [key for key, _ in flattened(settings) if key != "model.name" and not key.startswith("model.encoder")]
        above: dict[str, Parameter] = {}
        for key, parameter in self.root.items():
            if key not in known:
                yield key, f"not a setting that can be searched{did_you_mean(key, known)}"
                continue
            for name, wanted in parameter.when.items():
                other = above.get(name)
                if not isinstance(other, CategoricalParameter):
                    yield key, f"`when` names {name}, which is not a parameter with choices above this one"
                elif not all(other.holds(value) for value in wanted):
                    yield key, f"`when` wants {name} to be {wanted}, which has the choices {other.spell()}"
            above[key] = parameter

    def check_start(self, settings: Mapping[str, Any], where: str) -> None:
        """Check that an experiment's own settings can be the first trial.

        Raises:
            ConfigError: one line per value that no trial can have.
        """
        lines = [
            f"{where}: {key}: the experiment's own value, where the search starts, is not in the search space "
            f"(got {spell_value(value)}, expected {self.root[key].spell()})"
            for key, value in self.values_in(settings).items()
            if not self.root[key].holds(value)
        ]
        if lines:
            raise ConfigError(*lines)
