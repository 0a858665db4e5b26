"""Write text files whole or not at all; spell numbers and values for people."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from data_pipeline.errors import InputError


class OutputError(InputError):
    """A file that cannot be written."""


def write_whole(path: Path, text: str) -> None:
    """Write the file, and its folder if that is missing; a reader sees the old content or the new.

    Raises:
        OutputError: it cannot be written.
    """
    if not path.name:
        raise OutputError(f"{path}: is a folder; name a file")
    partial = path.with_name(f".{path.name}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(text, encoding="utf-8")
        partial.replace(path)
    except OSError as error:
        with suppress(OSError):
            partial.unlink()
        raise OutputError(f"{path}: cannot be written: {error.strerror}") from None


def spell_seconds(seconds: float) -> str:
    """Return e.g. `48 s`, `3 min 20 s` or `2 h 05 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def spell_value(value: object) -> str:
    """Return a setting's value as YAML writes it, numbers with four digits."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def spell_values(values: Mapping[str, object]) -> str:
    """Return e.g. `model.dropout 0.3, training.batch_size 32`."""
    return ", ".join(f"{key} {spell_value(value)}" for key, value in values.items())


def spell_bytes(count: float) -> str:
    """Return e.g. `1.5 GiB` or `12.0 MiB`."""
    return f"{count / 2**30:.1f} GiB" if count >= 2**30 else f"{count / 2**20:.1f} MiB"


def clip(text: str, width: int) -> str:
    """Return the text in one line of at most `width` characters, without control characters."""
    line = " ".join(text[: 10 * width].split())
    safe = "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in line)
    return safe if len(safe) <= width else f"{safe[: width - 1]}…"


def flattened(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield each value that is no mapping, with the keys that lead to it joined with dots."""
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from flattened(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def say(line: str) -> None:
    """Print a line of progress on standard error, apart from results on standard output."""
    print(line, file=sys.stderr, flush=True)
