"""Write text files whole or not at all; spell numbers and values for people."""

from __future__ import annotations

import os
import shutil
import stat
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from secrets import token_hex
from typing import Any, TextIO

from data_pipeline.errors import InputError, one_line
from data_pipeline.paths import at_home


class OutputError(InputError):
    """A file that cannot be written."""


def write_whole(path: Path, text: str) -> None:
    """Write the file, and its folder if that is missing; a reader sees the old content or the new.

    A link is followed and a file's mode is kept; devices, pipes and open descriptors are written to.

    Raises:
        OutputError: it cannot be written; nothing is changed.
    """
    path = at_home(path)
    with _refusals(path):
        try:
            there = path.stat()
        except FileNotFoundError:
            there = None
        descriptor = None if there is None else _descriptor(path)
        if there is None or (descriptor is None and stat.S_ISREG(there.st_mode)):
            _replace(Path(os.path.realpath(path)), text, there)
            return
        with open(path if descriptor is None else os.dup(descriptor), "w", encoding="utf-8") as file:  # noqa: PTH123
            file.write(text)


def write_folder(
    folder: Path, fill: Callable[[Path], None], may_replace: Callable[[Path], bool] = lambda _: False
) -> None:
    """Let `fill` write the files of a new or empty folder, or anew those of one that it may replace: all or none.

    Raises:
        OutputError: it cannot be written, or holds something else.
    """
    with _refusals(folder):
        target = Path(os.path.realpath(at_home(folder)))
        if target.exists() and (not target.is_dir() or (any(target.iterdir()) and not may_replace(target))):
            raise OutputError(f"{folder}: exists and is not an empty folder; name another, or remove it")
        if target == Path.cwd():
            raise OutputError(f"{folder}: is the working directory; name a folder in it")
        partial, old = _partial(target), _partial(target)
        try:
            partial.mkdir(parents=True)
            fill(partial)
            if target.exists():
                partial.chmod(stat.S_IMODE(target.stat().st_mode))
                target.replace(old)  # no folder replaces one that is not empty
            partial.replace(target)
        finally:
            if old.exists() and not target.exists():
                old.replace(target)
            for each in (partial, old):
                shutil.rmtree(each, ignore_errors=True)


@contextmanager
def _refusals(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {error.strerror}") from None


def _partial(target: Path) -> Path:
    """Return a name beside the target that nobody can have foreseen."""
    return target.with_name(f".{token_hex(8)}.partial")


def _replace(target: Path, text: str, there: os.stat_result | None) -> None:
    if there is not None:
        target.open("ab").close()  # may it be written? The folder's permission is all that replacing it needs
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = _partial(target)
    try:
        with partial.open("x", encoding="utf-8") as file:  # exclusively: no file is overwritten, no link followed
            if there is not None:
                with suppress(PermissionError):  # root alone may give a file away
                    os.fchown(file.fileno(), there.st_uid, there.st_gid)
                os.fchmod(file.fileno(), stat.S_IMODE(there.st_mode))
            file.write(text)
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)


def _descriptor(path: Path) -> int | None:
    """Return N where the path leads to /dev/fd/N, as /dev/stdout and a shell's `>(command)` do."""
    folders = [os.path.realpath(folder) for folder in ("/dev/fd", "/proc/self/fd")]
    while not (path.name.isdecimal() and os.path.realpath(path.parent) in folders):
        if not path.is_symlink():
            return None
        path = path.parent / path.readlink()
    return int(path.name)


def spell_seconds(seconds: float) -> str:
    """Return e.g. `0.4 s`, `48 s`, `3 min 20 s` or `2 h 05 min`."""
    if 0 < seconds < 0.95:
        return f"{seconds:.1g} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def spell_count(count: float) -> str:
    """Return e.g. `22.6 M`, `17.3 k` or `842`."""
    # Each unit begins where the smaller one would be rounded up to a thousand.
    for begin, size, letter in ((999_950, 1e6, "M"), (999.5, 1e3, "k")):
        if count >= begin:
            return f"{count / size:.1f} {letter}"
    return f"{count:.0f}"


def spell_figure(value: float) -> str:
    """Return e.g. `1,234.5`, `1.2` or `0.034`."""
    return f"{value:,.1f}" if value >= 0.95 else f"{value:.2g}"


def spell_amount(count: float, noun: str) -> str:
    """Return e.g. `1 review` or `2,400 reviews`."""
    return f"{count:,.0f} {noun}{'' if round(count) == 1 else 's'}"


def spell_value(value: object) -> str:
    """Return a setting's value as YAML writes it, numbers with four digits."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def spell_values(values: Mapping[str, object]) -> str:
    """Return e.g. `model.dropout 0.3, training.batch_size 32`."""
    return ", ".join(f"{key} {spell_value(value)}" for key, value in values.items())


def spell_bytes(count: float) -> str:
    """Return e.g. `1.5 GiB`, `12.0 MiB` or `0.5 KiB`."""
    for size, unit in ((2**30, "GiB"), (2**20, "MiB")):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count / 2**10:.1f} KiB"


def clip(text: str, width: int) -> str:
    """Return the text in one line of at most `width` characters, without control characters."""
    safe = one_line(" ".join(text[: 10 * width].split()))
    return safe if len(safe) <= width else f"{safe[: width - 1]}…"


def flattened(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield each value that is no mapping, with the keys that lead to it joined with dots."""
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from flattened(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


class PlainStream:
    """A stream on which nothing but line breaks controls a terminal, whatever names, texts and errors are printed."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write the text with its other control characters escaped."""
        return self._stream.write("\n".join(map(one_line, text.split("\n"))))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def terminal_width(otherwise: int) -> int:
    """Return the characters of a line of the terminal that standard output is, else `otherwise`; or as COLUMNS says."""
    known = sys.stdout.isatty() or "COLUMNS" in os.environ
    return shutil.get_terminal_size().columns if known else otherwise


def say(line: str) -> None:
    """Print a line of progress on standard error, apart from results on standard output."""
    print(line, file=PlainStream(sys.stderr))
    sys.stderr.flush()
