"""Read YAML strictly: a duplicate key is an error, 1e-5 is a number, and no value is without end."""

import math
import re
from pathlib import Path
from typing import Any

import yaml

from benchmark.config.errors import ConfigError, quoted

MOST_MERGED = 10_000  # names that `<<` may bring into one mapping: ten lines that merge each other make billions
INTEGERS = range(-(2**63), 2**63)  # what torch, numpy and SQL can hold
_NO_TEXT = re.compile("[\0\ud800-\udfff]")  # cannot be part of a file's name, or be written in UTF-8


class YamlError(ConfigError):
    """A text that is not YAML, or has a duplicate key; the message names file, line and column."""


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader, with 1e-5 a float (YAML 1.1 wants a dot there).

    Duplicate keys are refused, and what PyYAML or a later reader cannot bear: values that contain themselves or
    multiply without bound, numbers of more than 64 bits, text that UTF-8 cannot write.
    """

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        # Not where the mapping is made: by then `<<` has merged others in, which may be overridden.
        node = super().compose_mapping_node(anchor)
        seen: set[str] = set()
        for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
            if key.value in seen:
                raise _refused(key, f"duplicate key {quoted(key.value)}; remove or rename one")
            seen.add(key.value)
        return node

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        before = len(node.value)
        super().flatten_mapping(node)
        if len(node.value) > max(before, MOST_MERGED):
            raise _refused(node, f"`<<` brings in more than {MOST_MERGED:,} names")

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        shown = quoted(node.value) if isinstance(node, yaml.ScalarNode) else "this"
        try:
            value = super().construct_object(node, deep=True)  # deep: refuses a value that contains itself
        except (ValueError, LookupError, AttributeError, OverflowError):  # as of `2020-13-45`, `!!int ""`, `!!bool x`
            raise _refused(node, f"{shown} is not of type {node.tag.rpartition(':')[2]}") from None
        if (isinstance(value, int) and value not in INTEGERS) or (isinstance(value, float) and math.isinf(value)):
            raise _refused(node, f"{shown} is too large a number")
        if isinstance(value, str) and (found := _NO_TEXT.search(value)):
            raise _refused(node, f"{shown} contains {found[0]!r}, which cannot be written in UTF-8 or a file's name")
        return value


def _refused(node: yaml.Node, why: str) -> yaml.MarkedYAMLError:
    return yaml.constructor.ConstructorError(None, None, why, node.start_mark)


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(?:\d[\d_]*\.?[\d_]*|\.\d[\d_]*)[eE][-+]?\d+$"),
    list("-+0123456789."),
)


def read_yaml(path: Path) -> Any:
    """Return the file's content as plain Python values.

    Raises:
        YamlError: the file cannot be read, is not UTF-8 or YAML, or has a duplicate key.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise YamlError(f"{path}: not UTF-8 text ({error.reason} at byte {error.start})") from None
    except OSError as error:
        raise YamlError(f"{path}: cannot be read: {error.strerror}") from None
    return parse_yaml(text, str(path))


def parse_yaml(text: str, where: str) -> Any:
    """Return the text's value; `where` names the text in an error."""
    try:
        return yaml.load(text, Loader=_Loader)  # noqa: S506 - a SafeLoader, see above
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise YamlError(f"{where}{place}: {error.problem or error.context}") from None
    except (yaml.YAMLError, ValueError, OverflowError, RecursionError) as error:
        raise YamlError(f"{where}: not YAML: {' '.join(str(error).split())}") from None
