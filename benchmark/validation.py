"""Pydantic's complaints as lines that a person can act on: where, what is wrong, what was meant."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from data_pipeline.errors import InputError
from models.registry import did_you_mean

B = TypeVar("B", bound=BaseModel)
# Where pydantic speaks of Python's types, which the file knows nothing of.
PLAIN_WORDS = {
    **dict.fromkeys(("model_type", "dict_type"), "should be a mapping of keys to values"),
    **dict.fromkeys(("tuple_type", "list_type"), "should be a list"),
    "too_short": "should not be empty",
}


class ConfigError(InputError):
    """Settings that cannot be run; each line of the message names the file or option, the key path and the fault."""


def key_path(parts: Iterable[int | str]) -> str:
    """`published[0].source` for ("published", 0, "source")."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in parts).removeprefix(".")


def validated(schema: type[B], raw: Any, where: str, prefix: tuple[str | int, ...]) -> B:
    """`raw` as `schema`, or a ConfigError with a line for each fault."""
    try:
        return schema.model_validate(raw)
    except ValidationError as error:
        lines = [_explain(schema, detail, where, prefix) for detail in _own_faults(error.errors())]
        raise ConfigError("\n".join(lines)) from None


def _own_faults(details: list[ErrorDetails]) -> list[ErrorDetails]:
    """Without `too short` where that only follows from a fault of an entry, which pydantic leaves out."""
    places = [detail["loc"] for detail in details]

    def follows(detail: ErrorDetails) -> bool:
        own = detail["loc"]
        return detail["type"] == "too_short" and any(place != own and place[: len(own)] == own for place in places)

    return [detail for detail in details if not follows(detail)]


def _explain(schema: type[BaseModel], detail: ErrorDetails, where: str, prefix: tuple[str | int, ...]) -> str:
    path = key_path((*prefix, *detail["loc"]))
    place = f"{where}: {path}" if path else where
    if detail["type"] == "extra_forbidden":
        key = str(detail["loc"][-1])
        return f"{place}: unknown key{did_you_mean(key, _keys_at(schema, detail['loc'][:-1]))}"
    if detail["type"] == "missing":
        return f"{place}: is missing"
    message = PLAIN_WORDS.get(detail["type"]) or detail["msg"].removeprefix("Value error, ").removeprefix("Input ")
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
