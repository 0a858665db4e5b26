"""Reading YAML as people mean it: a key given twice is an error, 1e-5 is a number, and a value ends somewhere."""

import math
import re
from pathlib import Path
from typing import Any

import yaml

from benchmark.config.errors import ConfigError, quoted

MOST_MERGED = 10_000  # names that `<<` may bring into one mapping: ten lines that merge each other make billions
INTEGERS = range(-(2**63), 2**63)  # what torch, numpy and SQL can hold; Python itself would take more
_NO_TEXT = re.compile("[\0\ud800-\udfff]")  # cannot be part of a file's name, or be written down in UTF-8


class YamlError(ConfigError):
    """A file that is not YAML, or says one thing twice; the message names file, line and column."""


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader, with 1e-5 a float (YAML 1.1 wants a dot there) and duplicate keys refused.

    What PyYAML would choke on, or what others would choke on later, is refused with its place: values that contain
    themselves or multiply without bound, numbers of more than 64 bits, text that is none.
    """

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        # Here and not where the mapping is made: by then `<<` has merged others in, and they may be overridden.
        node = super().compose_mapping_node(anchor)
        seen: set[str] = set()
        for key_node, _ in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                continue  # a list or mapping is no name, and is refused as such once it is made
            key = key_node.value
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the name {quoted(key)} stands here twice; remove or rename one", key_node.start_mark
                )
            seen.add(key)
        return node

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        before = len(node.value)
        super().flatten_mapping(node)
        if len(node.value) > max(before, MOST_MERGED):
            raise yaml.constructor.ConstructorError(
                None, None, f"`<<` brings in more than {MOST_MERGED:,} names", node.start_mark
            )

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            # Deep: then PyYAML refuses a value that contains itself. To lay one over another would never end.
            value = super().construct_object(node, deep=True)
        except (ValueError, LookupError, AttributeError, OverflowError):  # as of `2020-13-45`, `!!int ""`, `!!bool x`
            raise _refused(node, f"is no {node.tag.rpartition(':')[2]}") from None
        if (isinstance(value, int) and value not in INTEGERS) or (isinstance(value, float) and math.isinf(value)):
            raise _refused(node, "is too large a number")
        if isinstance(value, str) and (found := _NO_TEXT.search(value)):
            raise _refused(node, f"holds {found[0]!r}, which is no character of a text")
        return value


def _refused(node: yaml.Node, why: str) -> yaml.MarkedYAMLError:
    kind = "mapping" if isinstance(node, yaml.MappingNode) else "sequence"
    what = quoted(node.value) if isinstance(node, yaml.ScalarNode) else f"this {kind}"
    return yaml.constructor.ConstructorError(None, None, f"{what} {why}", node.start_mark)


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(?:\d[\d_]*\.?[\d_]*|\.\d[\d_]*)[eE][-+]?\d+$"),
    list("-+0123456789."),
)


def read_yaml(path: Path) -> Any:
    """The file's content as plain Python values.

    Raises:
        YamlError: the file cannot be read, is not UTF-8 or YAML, or has a key twice.
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
