"""Start a process of ours: the command line, or as a program of its own a worker: `python -P startup.py MODULE`.

The standard library alone is imported here, and nothing here is called in a user's own process but `refuse_shadowing`.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from importlib import import_module, util

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
STDERR = 2


def worker_command(module: str) -> list[str]:
    """Return the command of a process that calls `main` of one of our modules; the working folder shadows nothing."""
    return [sys.executable, "-P", os.path.abspath(__file__), module]


def prepare_process() -> None:
    """Make this process of ours independent of closed descriptors and of the user's home.

    Raises:
        ImportError: another `models` or `data_pipeline` would be imported in place of ours.
        FileNotFoundError: the working folder was deleted.
    """
    _open_descriptors()
    _find_home()
    refuse_shadowing()


def drop_working_folder() -> None:
    """Take the working folder, which `python -m` puts first, out of the import path, unless it is our checkout."""
    with suppress(FileNotFoundError):  # it was deleted, which `prepare_process` reports
        if not sys.flags.safe_path and os.path.realpath(sys.path[0]) != os.path.realpath(ROOT):
            del sys.path[0]


def refuse_shadowing() -> None:
    """Raise ImportError where a file of the user's would be imported in place of our packages."""
    for name in ("models", "data_pipeline"):
        found = util.find_spec(name)
        origin = found.origin if found else None
        if os.path.realpath(origin or "") != os.path.realpath(os.path.join(ROOT, name, "__init__.py")):
            raise ImportError(
                f"{origin or name}: is in the way of our package {name} in {ROOT}. Rename it, or take its folder off "
                "the import path."
            )


def _find_home() -> None:
    """Let libraries keep their caches here where the user has no home, or one that cannot be written."""
    try:
        here = os.getcwd()
    except FileNotFoundError:  # torch would end the process
        raise FileNotFoundError("the working folder: does not exist any more. Change to another one.") from None
    home = os.path.expanduser("~")
    if home == "~":  # no HOME, and no entry in passwd
        os.environ["HOME"] = here
    elif not os.access(home, os.W_OK):  # matplotlib would warn, and look for the machine's fonts in each process
        os.environ.setdefault("MPLCONFIGDIR", os.path.join(here, ".benchmark", "matplotlib"))


def _open_descriptors() -> None:
    """Open those of descriptors 0 to 2 that are closed, or the next files opened, such as locks, would get them."""
    while (lowest := os.open(os.devnull, os.O_RDWR)) <= STDERR:
        os.set_inheritable(lowest, True)
    os.close(lowest)
    for number, (name, mode) in enumerate({"stdin": "r", "stdout": "w", "stderr": "w"}.items()):
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, mode, encoding="utf-8", closefd=False))  # noqa: SIM115


if __name__ == "__main__":
    if ROOT not in sys.path:
        sys.path.insert(0, ROOT)
    prepare_process()
    sys.exit(import_module(sys.argv[1]).main())
