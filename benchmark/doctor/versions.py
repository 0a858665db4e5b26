"""Python and packages, compared with the set that the tests passed with and with what our package asks for."""

from __future__ import annotations

import platform
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

from packaging.requirements import Requirement

from benchmark.doctor.finding import Finding, note, ok, problem
from data_pipeline.files import try_read

OURS = "imdb-sentiment-benchmark"
SHOWN = 5  # packages that a line names


@dataclass(frozen=True, slots=True)
class Constraints:
    """What constraints.txt says: the versions that the tests passed with.

    Attributes:
        path: of the file.
        python: major and minor version of CPython, such as `3.11`.
        packages: version of each package.
    """

    path: Path
    python: str
    packages: Mapping[str, str]


def version_findings() -> Iterator[Finding]:
    """Of Python and of the packages.

    Raises:
        DataError: the file that names the versions is not there.
    """
    tested = read_constraints(constraints_file())
    yield python_finding(tested)
    yield from package_findings(tested)


def constraints_file() -> Path:
    """An installed wheel carries the file inside the package; a checkout has it one folder up."""
    package = Path(__file__).parents[1]
    inside = package / "constraints.txt"
    return inside if inside.exists() else package.parent / inside.name


def read_constraints(path: Path) -> Constraints:
    """What the file says.

    Raises:
        DataError: it cannot be read.
    """
    text = try_read(path, Path.read_bytes).decode()
    python = re.search(r"CPython (\d+\.\d+)", text)
    return Constraints(path, python[1] if python else "", dict(re.findall(r"^([^#\s=]+)==(\S+)", text, re.MULTILINE)))


def python_finding(tested: Constraints) -> Finding:
    """Which Python runs this."""
    here = f"{platform.python_implementation()} {platform.python_version()}"
    if here.startswith(f"CPython {tested.python}."):
        return ok(f"{here}, as tested")
    return note(
        f"{here}; the tests passed with CPython {tested.python}, and figures may differ in their last digits "
        f"(`make clean`, then `make run PYTHON=python{tested.python}` takes that one)"
    )


def package_findings(tested: Constraints) -> Iterator[Finding]:
    """Packages that are missing, do not do, or are of another version than tested."""
    try:
        unfit = unfit_packages(requires(OURS) or [])
    except PackageNotFoundError:
        yield problem(f"{OURS} is not installed, and every run records its version", "`pip install --editable .`")
        return
    install = f"pip install --constraint {tested.path}"
    if unfit:
        yield problem(", ".join(unfit.values()), f"`{install} {' '.join(unfit)}`")
    other = other_packages({name: pin for name, pin in tested.packages.items() if name.lower() not in unfit})
    if other:
        more = f" and {len(other) - SHOWN} more" if len(other) > SHOWN else ""
        yield note(
            f"of another version than tested: {', '.join(other[:SHOWN])}{more}; figures may differ in their last "
            f"digits (`{install} NAME...` takes the tested one)"
        )
    if not unfit and not other:
        yield ok("packages are of the versions that the tests passed with")


def unfit_packages(needed: Sequence[str]) -> dict[str, str]:
    """What is wrong with each package that is missing, or of a version that does not do, by name in small letters.

    Args:
        needed: what a package asks for, as its metadata says it.
    """
    unfit = {}
    for requirement in map(Requirement, needed):
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
            continue  # for development, or for another system
        here = _installed(requirement.name)
        if here is None:
            unfit[requirement.name.lower()] = f"{requirement.name} is missing"
        elif not requirement.specifier.contains(here, prereleases=True):
            unfit[requirement.name.lower()] = f"{requirement.name} is {here}, and {requirement.specifier} is needed"
    return unfit


def other_packages(pins: Mapping[str, str]) -> list[str]:
    """Those that are here in another version; the part behind a plus names a build, such as torch's for the CPU."""
    here = {name: _installed(name) for name in pins}
    return [
        f"{name} {found} (tested: {pins[name]})"
        for name, found in here.items()
        if found is not None and found.partition("+")[0] != pins[name]
    ]


def _installed(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
