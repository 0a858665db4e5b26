"""Reading YAML as people mean it: a key given twice is an error, and 1e-5 is a number."""

import re
from pathlib import Path
from typing import Any

import yaml

from data_pipeline.errors import InputError


class YamlError(InputError):
    """A file that is not YAML, or says one thing twice; the message names file, line and column."""


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader, with 1e-5 a float (YAML 1.1 wants a dot there) and duplicate keys refused."""

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        # Here and not where the mapping is made: by then `<<` has merged others in, and they may be overridden.
        node = super().compose_mapping_node(anchor)
        seen: set[str] = set()
        for key_node, _ in node.value:
            key = str(key_node.value)
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the name {key!r} stands here twice; remove or rename one", key_node.start_mark
                )
            seen.add(key)
        return node


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
    return _parse(text, str(path))


def parse_scalar(text: str, where: str) -> Any:
    """The value of an option such as `--set lstm.training.epochs=3`, read as YAML reads it."""
    return _parse(text, where)


def _parse(text: str, where: str) -> Any:
    try:
        return yaml.load(text, Loader=_Loader)  # noqa: S506 - a SafeLoader, see above
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise YamlError(f"{where}{place}: {error.problem or error.context}") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise YamlError(f"{where}: not YAML: {' '.join(str(error).split())}") from None
