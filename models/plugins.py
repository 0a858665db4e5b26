"""Models of a user's own: in a file, or in an installed package's entry point."""

from __future__ import annotations

import importlib.util
import sys
import sysconfig
import traceback
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path

ENTRY_POINTS = "imdb_sentiment_benchmark.models"  # each names a module that registers models when it is imported


class PluginError(ValueError):
    """A plugin that cannot be loaded."""


def load_plugin(path: Path) -> None:
    """Run a Python file that registers models, unless it has been run before.

    The file can do whatever its author likes: run only files that you trust.

    Raises:
        PluginError: the file is missing or raises an error.
    """
    file = path.resolve()
    name = f"{__name__}:{file}"
    if name in sys.modules:
        return
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None or not file.is_file():
        raise PluginError(f"{path}: no such Python file (expected a name that ends in .py)")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # where pydantic resolves the annotations of a class
    vars(module)["__builtins__"] = __builtins__  # in a served model they import the model's own code
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        where = last_user_frame(error)
        raise PluginError(f"{path} cannot be loaded: {type(error).__name__}: {error}{where}") from error


@cache
def load_entry_points() -> None:
    """Import the modules that installed packages announce.

    Raises:
        PluginError: one of them raises an error.
    """
    for entry in entry_points(group=ENTRY_POINTS):
        try:
            entry.load()
        except Exception as error:
            raise PluginError(
                f"entry point {entry.name} of an installed package cannot be loaded: {type(error).__name__}: {error}"
                f"{last_user_frame(error)}. Repair or uninstall the package."
            ) from error


def user_frames(error: BaseException) -> list[str]:
    """Return file, line, function and code of each frame in a file that is neither ours nor installed."""
    suite = Path(__file__).parents[1]
    others = [suite / each for each in ("benchmark", "data_pipeline", "models")]
    others += [Path(sysconfig.get_path(each)) for each in ("stdlib", "purelib", "platlib")]
    return [
        f"{frame.filename}, line {frame.lineno}, in {frame.name}: {frame.line}"
        for frame in traceback.extract_tb(error.__traceback__)
        if Path(frame.filename).is_file() and not any(Path(frame.filename).is_relative_to(each) for each in others)
    ]


def last_user_frame(error: BaseException) -> str:
    """Return the innermost frame of the user's code in brackets, nothing without one."""
    frames = user_frames(error)
    return f" ({frames[-1]})" if frames else ""
