"""Turn pydantic's complaints into one line per fault: where, what is wrong, what was meant."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails, InitErrorDetails, PydanticCustomError

from data_pipeline.errors import InputError, did_you_mean, one_line

B = TypeVar("B", bound=BaseModel)
Place = tuple[str | int, ...]  # keys and indices that lead to a value
Fault = tuple[Place, str]  # where, what is wrong
KEY = "[key]"  # the last part of pydantic's place where the key itself is wrong
PLAIN_WORDS = {  # where pydantic speaks of Python's types, which YAML does not have
    **dict.fromkeys(("model_type", "dict_type"), "should be a mapping of keys to values"),
    **dict.fromkeys(("tuple_type", "list_type", "set_type", "frozen_set_type"), "should be a list"),
    "too_short": "should not be empty",
    "missing": "is missing",
}
QUOTED = 100  # characters of a wrong value, name or option that a message quotes
LONGEST_LINE = 2000  # characters of a message, lists of all known names included


class Settings(BaseModel):
    """Base of what a file says: unknown keys and wrong types are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class ConfigError(InputError):
    """Settings that cannot be run: one line per fault names the file or option, the key path and the fault."""

    def __init__(self, *lines: str) -> None:
        self.lines = tuple(one_line(line)[:LONGEST_LINE] for line in lines)
        super().__init__("\n".join(self.lines))


def shortened(text: str) -> str:
    """Cut the text to what a message quotes."""
    return text if len(text) <= QUOTED else f"{text[:QUOTED]}…"


def quoted(value: Any) -> str:
    """Return a wrong value or name as a message quotes it."""
    return shortened(repr(value))


def key_path(parts: Iterable[int | str]) -> str:
    """Return `published[0].source` for ("published", 0, "source")."""
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{shortened(part)}" for part in parts)
    return path.removeprefix(".")


def refusal(*faults: Fault) -> ValidationError:
    """Return the error by which a pydantic validator reports several faults, each at a place below its own value."""
    details = [
        InitErrorDetails(type=PydanticCustomError("fault", "{text}", {"text": text}), loc=place, input={})
        for place, text in faults
    ]
    return ValidationError.from_exception_data("settings", details)


def parse(schema: type[B], raw: Any, context: Any = None) -> B:
    """Return `raw` as `schema`; a validator may call this for a part of its value.

    A schema with `from_plain` reads plain values by itself.

    Raises:
        ValidationError: all faults, in our words.
    """
    try:
        read: Callable[..., B] = getattr(schema, "from_plain", schema.model_validate)
        return read(raw, context=context)
    except ValidationError as error:
        raise refusal(*(_fault(schema, detail) for detail in _causes(error.errors()))) from None


def find_faults(schema: type[BaseModel], raw: Any, *prefix: str, context: Any = None) -> list[Fault]:
    """Return what is wrong with `raw` as `schema`, with places that begin with `prefix`."""
    try:
        parse(schema, raw, context)
    except ValidationError as error:
        return [((*prefix, *detail["loc"]), detail["msg"]) for detail in error.errors()]
    return []


def validated(schema: type[B], raw: Any, where: str, prefix: Place = (), context: Any = None) -> B:
    """Return `raw` as `schema`.

    Raises:
        ConfigError: one line per fault: `where`, the key path, which begins with `prefix`, and the fault.
    """
    try:
        return parse(schema, raw, context)
    except ValidationError as error:
        faults = [(key_path((*prefix, *detail["loc"])), detail["msg"]) for detail in error.errors()]
        raise ConfigError(*(f"{where}: {f'{path}: ' if path else ''}{text}" for path, text in faults)) from None


def _causes(details: list[ErrorDetails]) -> list[ErrorDetails]:
    """Leave out `too short` where it only follows from a faulty entry, which pydantic does not count."""
    places = [detail["loc"] for detail in details]

    def has_faulty_entry(above: Place) -> bool:
        return any(place != above and place[: len(above)] == above for place in places)

    return [detail for detail in details if detail["type"] != "too_short" or not has_faulty_entry(detail["loc"])]


def _fault(schema: type[BaseModel], detail: ErrorDetails) -> Fault:
    place, kind, value = detail["loc"], detail["type"], detail["input"]
    message = PLAIN_WORDS.get(kind) or detail["msg"].removeprefix("Value error, ").removeprefix("Input ")
    if kind == "invalid_key":
        return place[:-1], f"{quoted(value)} is not a name; put it in quotes"
    if place[-1:] == (KEY,):
        return place[:-2], f"{quoted(value)} is not a name; put it in quotes" if kind == "string_type" else message
    if kind == "extra_forbidden":
        return place, f"unknown key{did_you_mean(str(place[-1]), _keys_at(schema, place[:-1]))}"
    says_all = kind in {"fault", "missing"} or isinstance(value, (dict, list, tuple))
    return place, message if says_all else f"{message}, found {quoted(value)}"


def _keys_at(schema: Any, place: Place) -> list[str]:
    """Return the keys that the schema knows at a place of the file."""
    for part in place:
        if isinstance(schema, type) and issubclass(schema, BaseModel) and part in schema.model_fields:
            schema = schema.model_fields[str(part)].annotation
            schema = get_args(schema)[0] if type(None) in get_args(schema) else schema  # `X | None`
        else:  # an entry of a dict or tuple: its last type argument that is a schema
            schema = next((a for a in reversed(get_args(schema)) if isinstance(a, type)), None)
    return list(schema.model_fields) if isinstance(schema, type) and issubclass(schema, BaseModel) else []
