"""Text files written whole or not at all."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from data_pipeline.errors import InputError


class OutputError(InputError):
    """A file that cannot be written."""


def write_whole(path: Path, text: str) -> None:
    """Write the file, its folder made if it is missing; a reader sees the old content or the new.

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
