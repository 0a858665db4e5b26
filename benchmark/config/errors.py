"""Pydantic's complaints as lines that a person can act on: where, what is wrong, what was meant."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from data_pipeline.errors import InputError, did_you_mean, one_line

B = TypeVar("B", bound=BaseModel)
KEY = "[key]"  # the last part of the place where pydantic means a name and not what stands under it
# Where pydantic speaks of Python's types, which the file knows nothing of.
PLAIN_WORDS = {
    **dict.fromkeys(("model_type", "dict_type"), "should be a mapping of keys to values"),
    **dict.fromkeys(("tuple_type", "list_type"), "should be a list"),
    "too_short": "should not be empty",
}
QUOTED = 100  # characters of a wrong value, name or option that a message quotes
LONGEST_LINE = 2000  # characters of a message, lists of all that is known included


class ConfigError(InputError):
    """Settings that cannot be run.

    Args:
        lines: one for each fault; it names the file or option, the key path and the fault.

    Attributes:
        lines: the same, each of them in one line of a bounded length, whatever names and values stand in it.
    """

    def __init__(self, *lines: str) -> None:
        self.lines = tuple(_without_middle(one_line(line)) for line in lines)
        super().__init__("\n".join(self.lines))


def _without_middle(line: str) -> str:
    """The line, or its beginning, which says where, and its end, which says what."""
    half = (LONGEST_LINE - 3) // 2
    return line if len(line) <= LONGEST_LINE else f"{line[:half]} … {line[-half:]}"


def shortened(text: str) -> str:
    """The text, cut where it is longer than anybody would read in a message."""
    return text if len(text) <= QUOTED else f"{text[:QUOTED]}…"


def quoted(value: Any) -> str:
    """A wrong value or name as a message quotes it."""
    return shortened(repr(value))


def key_path(parts: Iterable[int | str]) -> str:
    """`published[0].source` for ("published", 0, "source")."""
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{shortened(part)}" for part in parts)
    return path.removeprefix(".")


def validated(schema: type[B], raw: Any, where: str, prefix: tuple[str | int, ...]) -> B:
    """`raw` as `schema`, or a ConfigError with a line for each fault."""
    try:
        return schema.model_validate(raw)
    except ValidationError as error:
        raise ConfigError(
            *(_explain(schema, detail, where, prefix) for detail in _own_faults(error.errors()))
        ) from None


def _own_faults(details: list[ErrorDetails]) -> list[ErrorDetails]:
    """Without `too short` where that only follows from a fault of an entry, which pydantic leaves out."""
    places = [detail["loc"] for detail in details]

    def follows(detail: ErrorDetails) -> bool:
        own = detail["loc"]
        return detail["type"] == "too_short" and any(place != own and place[: len(own)] == own for place in places)

    return [detail for detail in details if not follows(detail)]


def _explain(schema: type[BaseModel], detail: ErrorDetails, where: str, prefix: tuple[str | int, ...]) -> str:
    location = detail["loc"]
    if location[-1:] == (KEY,) or detail["type"] == "invalid_key":
        above = key_path((*prefix, *location[: -2 if location[-1] == KEY else -1]))
        return f"{where}: {f'{above}: ' if above else ''}{quoted(detail['input'])} is no name; put it in quotes"
    path = key_path((*prefix, *location))
    place = f"{where}: {path}" if path else where
    if detail["type"] == "extra_forbidden":
        key = str(location[-1])
        return f"{place}: unknown key{did_you_mean(key, _keys_at(schema, location[:-1]))}"
    if detail["type"] == "missing":
        return f"{place}: is missing"
    message = PLAIN_WORDS.get(detail["type"]) or detail["msg"].removeprefix("Value error, ").removeprefix("Input ")
    found = "" if isinstance(detail["input"], (dict, list, tuple)) else f", found {quoted(detail['input'])}"
    return f"{place}: {message}{found}"


def _keys_at(schema: Any, location: Iterable[int | str]) -> list[str]:
    """The keys that the schema knows at a place of the file."""
    for part in location:
        if isinstance(schema, type) and issubclass(schema, BaseModel) and part in schema.model_fields:
            schema = schema.model_fields[str(part)].annotation
        else:  # an entry of a dict or tuple: its last type argument that is a schema
            schema = next((a for a in reversed(get_args(schema)) if isinstance(a, type)), None)
    return list(schema.model_fields) if isinstance(schema, type) and issubclass(schema, BaseModel) else []
