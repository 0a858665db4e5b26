"""Paths that a user names: where a relative one starts, and `~`. Imports no torch."""

import os
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field, ValidationInfo


def at_home(path: str | Path) -> Path:
    """Return the path with `~` or `~user` expanded, as by a shell; of an unknown user it stays as it is."""
    return Path(os.path.expanduser(path))  # noqa: PTH111 - Path's own fails without a home


def located(path: str | Path, folder: Path | None = None) -> Path:
    """Return the path absolute: from the home folder for `~`, else from the folder, by default the working folder."""
    return Path(folder or "", at_home(path)).absolute()


def locate(path: Path, info: ValidationInfo) -> Path:
    """Return the path from the `folder` of the validation's context, where the file that says it lies."""
    return located(path, (info.context or {}).get("folder"))


LocatedPath = Annotated[Path, Field(strict=False), AfterValidator(locate)]
