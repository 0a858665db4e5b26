"""Models from outside: a file of the user's own, or an installed package's entry point."""

from __future__ import annotations

import importlib.util
import sys
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path

ENTRY_POINTS = "imdb_sentiment_benchmark.models"  # each names a module that registers models when it is imported


class PluginError(ValueError):
    """A plugin that cannot be loaded."""


def load_plugin(path: Path) -> None:
    """Run a file that registers models; where it has been run already, it is left alone.

    The file is Python and is run as such: it can do whatever its author likes.

    Raises:
        PluginError: there is no such file, or it ends in an error.
    """
    file, name = path.resolve(), f"benchmark_plugin_{path.stem}"
    if name in sys.modules and sys.modules[name].__file__ == str(file):
        return
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None or not file.is_file():
        raise PluginError(f"there is no Python file {path}; its name should end in .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # pydantic looks up there what a class's annotations mean
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        raise PluginError(f"{path} cannot be loaded: {type(error).__name__}: {error}") from error


@cache
def load_entry_points() -> None:
    """Import the modules that installed packages announce.

    Raises:
        PluginError: one of them ends in an error.
    """
    for entry in entry_points(group=ENTRY_POINTS):
        try:
            entry.load()
        except Exception as error:
            raise PluginError(
                f"entry point {entry.name} of an installed package cannot be loaded: {type(error).__name__}: {error}; "
                "mend or uninstall it"
            ) from error
