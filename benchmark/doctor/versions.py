"""Check Python and packages against the versions that the tests passed with, and with `pip check`."""

from __future__ import annotations

import platform
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from benchmark.doctor.finding import Finding, note, ok, problem
from data_pipeline.files import try_read

OURS = "imdb-sentiment-benchmark"
NAMED = 5  # packages that a line names


def version_findings() -> Iterator[Finding]:
    """Check Python and packages.

    Raises:
        DataError: constraints.txt, which names the tested versions, cannot be read.
    """
    path = constraints_file()
    tested = try_read(path, Path.read_bytes).decode()
    python = re.search(r"CPython (\d+\.\d+)", tested)
    yield python_finding(python[1] if python else "")
    if installed(OURS) is None:
        yield problem(f"{OURS} is not installed, and every run records its version", "`pip install --editable .`")
    yield pip_finding(path)
    yield packages_finding(path, dict(re.findall(r"^([^#\s=]+)==(\S+)", tested, re.MULTILINE)))


def constraints_file() -> Path:
    """Return the file's path: an installed wheel has it inside the package, a checkout one folder up."""
    package = Path(__file__).parents[1]
    inside = package / "constraints.txt"
    return inside if inside.exists() else package.parent / inside.name


def python_finding(tested: str) -> Finding:
    """Compare this Python with the tested one, such as `3.11`."""
    here = f"{platform.python_implementation()} {platform.python_version()}"
    if here.startswith(f"CPython {tested}."):
        return ok(f"{here}, as tested")
    return note(
        f"{here}; the tests passed with CPython {tested}, and figures may differ in their last digits "
        f"(`make clean`, then `make run PYTHON=python{tested}` uses that one)"
    )


def pip_finding(constraints: Path) -> Finding:
    """Ask pip whether a package is missing, or has a version that another one does not allow."""
    answer = subprocess.run([sys.executable, "-P", "-m", "pip", "check"], capture_output=True, text=True, check=False)
    if answer.returncode and not answer.stdout:
        return note("`pip check` cannot be called here, so nothing is known of missing packages")
    if answer.returncode:
        faults = ", ".join(line.rstrip(".") for line in answer.stdout.splitlines()[:NAMED])
        return problem(f"`pip check`: {faults}", f"`pip install --constraint {constraints} NAME...` for each")
    return ok("packages have all that they require")


def packages_finding(constraints: Path, tested: dict[str, str]) -> Finding:
    """Compare installed packages with the tested versions; what follows a plus names a build, as in 2.13.0+cpu."""
    here = {name: installed(name) for name in tested}
    other = [
        f"{name} {found} (tested: {tested[name]})"
        for name, found in here.items()
        if found is not None and found.partition("+")[0] != tested[name]
    ]
    if not other:
        return ok("packages have the versions that the tests passed with")
    more = f" and {len(other) - NAMED} more" if len(other) > NAMED else ""
    return note(
        f"other versions than tested: {', '.join(other[:NAMED])}{more}; figures may differ in their last digits "
        f"(`pip install --constraint {constraints} NAME...` installs the tested one)"
    )


def installed(name: str) -> str | None:
    """Return the package's version, None where it is not installed."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None
