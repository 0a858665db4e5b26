"""Check who starts our processes and where: user, home, and files that Python would take for ours."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

from benchmark.doctor.finding import Finding, note, ok, problem
from benchmark.startup import ROOT
from benchmark.tracking.tags import user_name

OURS = {"benchmark", "models", "data_pipeline"}


def user_findings() -> Iterator[Finding]:
    """Name the user as runs record it, and the home folder, where libraries keep their caches."""
    name, home = user_name(), Path.home()
    text = f"{name}, home folder {home}"
    if name.isdecimal():
        text += "; this user id has no name here, and runs are recorded under its number"
    if not os.access(home, os.W_OK | os.X_OK):
        yield note(f"{text}; it cannot be written, so libraries keep no caches there")
    else:
        yield (note if name.isdecimal() else ok)(text)


def folder_findings(folder: Path) -> Iterator[Finding]:
    """Name the modules of the working folder that Python may import in place of ours or of its own."""
    names = {path.stem for path in folder.glob("*.py")} | {path.parent.name for path in folder.glob("*/__init__.py")}
    found = sorted(names & (OURS | sys.stdlib_module_names)) if folder.resolve() != Path(ROOT).resolve() else []
    if "benchmark" in found:
        yield problem(
            f"{folder} has a module benchmark, which `python -m benchmark` runs in place of ours",
            "call `imdb-benchmark` instead, or rename it",
        )
    if others := [name for name in found if name != "benchmark"]:
        yield note(
            f"{folder} has modules named {', '.join(others)}: our commands do not import them, but `import benchmark` "
            "in a script or notebook there may fail"
        )
    if not found:
        yield ok(f"{folder} has no module that Python would take for another")
