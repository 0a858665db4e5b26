"""Paths that a user names: where a relative one starts, and `~`. Imports no torch."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, Field, ValidationInfo


def at_home(path: str | Path) -> Path:
    """Return the path with `~` or `~user` expanded, as by a shell; of an unknown user it stays as it is."""
    return Path(os.path.expanduser(path))  # noqa: PTH111 - Path's own fails without a home


def located(path: str | Path, folder: Path | None = None) -> Path:
    """Return the path absolute: from the home folder for `~`, else from the folder, by default the working folder."""
    return Path(folder or "", at_home(path)).absolute()


def locate(path: Path, info: ValidationInfo) -> Path:
    """Return the path from the `folder` of the validation's context, where the file that says it lies."""
    return located(path, (info.context or {}).get("folder"))


def map_paths(value: Any, change: Callable[[Path], Path]) -> Any:
    """Return a setting's value with every Path in it changed, however deep in collections and nested settings."""
    if isinstance(value, Path):
        return change(value)
    if type(value) in (list, tuple, set, frozenset):
        return type(value)(map_paths(item, change) for item in value)
    if type(value) is dict:
        return {key: map_paths(item, change) for key, item in value.items()}
    if isinstance(value, BaseModel):
        changed = {key: new for key, item in value if (new := map_paths(item, change)) != item}
        return value.model_copy(update=changed) if changed else value
    return value


LocatedPath = Annotated[Path, Field(strict=False), AfterValidator(locate)]
