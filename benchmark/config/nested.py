"""Nested settings: merged, or overridden by key path."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def merged(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """`base` with `changes` laid over it, mapping by mapping."""
    result = dict(base)
    for key, value in changes.items():
        below = result.get(key)
        result[key] = merged(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return result


def laid_over(raw: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """An experiment's settings, as YAML gives them, with others by key path in their places."""
    changed = {section: dict(entry) if isinstance(entry, Mapping) else entry for section, entry in raw.items()}
    for key, value in values.items():
        section, _, name = key.partition(".")
        changed.setdefault(section, {})[name] = value
    return changed
