"""Paths in settings: where a relative one starts. Imports no torch."""

import os
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field, ValidationInfo


def located(path: str | Path, folder: Path | None = None) -> Path:
    """Return the path absolute: from the home folder for `~`, else from the folder, by default the working folder."""
    return Path(folder or "", os.path.expanduser(path)).absolute()  # noqa: PTH111 - Path's own fails without a home


def locate(path: Path, info: ValidationInfo) -> Path:
    """Return the path from the `folder` of the validation's context, where the file that says it lies."""
    return located(path, (info.context or {}).get("folder"))


LocatedPath = Annotated[Path, Field(strict=False), AfterValidator(locate)]
