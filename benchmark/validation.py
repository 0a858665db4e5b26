"""Pydantic's complaints as lines that a person can act on: where, what is wrong, what was meant."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from data_pipeline.errors import InputError
from models.registry import did_you_mean

B = TypeVar("B", bound=BaseModel)


class ConfigError(InputError):
    """Settings that cannot be run; each line of the message names the file or option, the key path and the fault."""


def validated(schema: type[B], raw: Any, where: str, prefix: tuple[str, ...]) -> B:
    """`raw` as `schema`, or a ConfigError with a line for each fault."""
    try:
        return schema.model_validate(raw)
    except ValidationError as error:
        lines = [_explain(schema, detail, where, prefix) for detail in error.errors()]
        raise ConfigError("\n".join(lines)) from None


def _explain(schema: type[BaseModel], detail: ErrorDetails, where: str, prefix: tuple[str, ...]) -> str:
    path = ".".join(str(part) for part in (*prefix, *detail["loc"]))
    place = f"{where}: {path}" if path else where
    if detail["type"] == "extra_forbidden":
        key = str(detail["loc"][-1])
        return f"{place}: unknown key{did_you_mean(key, _keys_at(schema, detail['loc'][:-1]))}"
    if detail["type"] == "missing":
        return f"{place}: is missing"
    message = detail["msg"].removeprefix("Value error, ").removeprefix("Input ")
    found = "" if isinstance(detail["input"], (dict, list, tuple)) else f", found {detail['input']!r}"
    return f"{place}: {message}{found}"


def _keys_at(schema: Any, location: Iterable[int | str]) -> list[str]:
    """The keys that the schema knows at a place of the file."""
    for part in location:
        if isinstance(schema, type) and issubclass(schema, BaseModel) and part in schema.model_fields:
            schema = schema.model_fields[str(part)].annotation
        else:  # an entry of a dict or tuple: its last type argument that is a schema
            schema = next((a for a in reversed(get_args(schema)) if isinstance(a, type)), None)
    return list(schema.model_fields) if isinstance(schema, type) and issubclass(schema, BaseModel) else []
