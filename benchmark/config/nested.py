"""Change nested settings: by a mapping, or by key path."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any


def merge(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return `base` with `changes` in their places, mapping by mapping."""
    result = dict(base)
    for key, value in changes.items():
        below = result.get(key)
        result[key] = merge(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return result


def override(settings: Mapping[str, Any], values: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """Return `settings` with the values in the places that their key paths name."""
    changed = dict(settings)
    for key, value in values:
        nested = value
        for part in reversed(key.split(".")):
            nested = {part: nested}
        changed = merge(changed, nested)
    return changed
