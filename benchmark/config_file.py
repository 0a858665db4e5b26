"""Reading experiments.yaml: validated whole, then one profile of it, with the options laid over it, is a Suite."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from benchmark.config import (
    EXPERIMENT_SECTIONS,
    LISTS,
    PROFILE_SECTIONS,
    FileShape,
    ProfileConfig,
    PublishedFigure,
    Suite,
    experiment_config,
    use_plugin,
)
from benchmark.validation import ConfigError, key_path, quoted, shortened, validated
from benchmark.yaml_reader import parse_scalar, read_yaml
from models.registry import did_you_mean

LONGEST_NAME = 64  # characters: names become those of folders, and MLflow's
DEEPEST_KEY = 16  # parts of a `--set` option's key


def locate_config(option: Path | None) -> Path:
    """The file to read: the option's, else ./experiments.yaml, else the copy that ships with the package."""
    if option is not None:
        return option
    package = Path(__file__).parent
    # An installed wheel carries the copy inside the package; a checkout has it one folder up.
    candidates = [Path("experiments.yaml"), package / "experiments.yaml", package.parent / "experiments.yaml"]
    for path in candidates:
        if path.exists():
            return path
    raise ConfigError("there is no experiments.yaml here nor in the package; name one with --config FILE")


def profile_names(path: Path) -> list[str]:
    """The profiles of the file, in its order; the file is validated whole."""
    return list(_read(path).profiles)


def load_suite(path: Path, profile: str = "quick", assignments: Sequence[str] = (), seeds: Sequence[int] = ()) -> Suite:
    """Read and validate the whole file, then pick `profile` and apply the options.

    Precedence: option, profile, experiment, default.

    Args:
        path: the YAML file.
        profile: one of its profiles.
        assignments: `--set` options, each `KEY=VALUE`. KEY begins with an experiment's name (that experiment
            alone), or with `model`, `tokens`, `training` (every experiment), `data` or `seeds` (the profile).
            `seeds` and `data.train_size` take several values with commas between them.
        seeds: instead of the profile's seeds, where given.

    Raises:
        ConfigError: a line for each fault.
        YamlError: the file is not YAML.
    """
    file = _read(path)
    if profile not in file.profiles:
        raise ConfigError(f"{path}: there is no profile {profile!r}{did_you_mean(profile, file.profiles)}")
    chosen = file.profiles[profile]
    options = [_parse_option(text, list(chosen.experiments)) for text in assignments]
    experiments = {}
    for name in chosen.experiments:
        raw = _merge(file.experiments[name], chosen.overrides.get(name, {}))
        raw, where = _with_options(raw, [option for option in options if name in option.targets], str(path))
        experiments[name] = experiment_config(raw, where, (name,))
    raw = {**chosen.model_dump(include=set(PROFILE_SECTIONS)), "experiments": chosen.experiments}
    raw, where = _with_options(raw, [option for option in options if not option.targets], str(path))
    if seeds:
        raw, where = {**raw, "seeds": list(seeds)}, "--seed" if where == str(path) else f"{where}, --seed"
    settings = validated(ProfileConfig, raw, where, ())
    return Suite(
        profile, chosen.description, settings.seeds, settings.data.each(), experiments, file.published, file.plugin
    )


@dataclass(frozen=True, slots=True)
class _Option:
    """One `--set`, understood but not yet checked.

    Attributes:
        text: as a message names it.
        targets: experiments that it changes; none: the profile.
        change: laid over the settings.
    """

    text: str
    targets: tuple[str, ...]
    change: dict[str, Any]


def _parse_option(text: str, experiments: Sequence[str]) -> _Option:
    where = f"--set {shortened(text)}"
    key, sign, value_text = text.partition("=")
    parts = tuple(key.strip().split("."))
    if not sign or not all(parts) or len(parts) > DEEPEST_KEY or not key.isprintable():
        raise ConfigError(f"{where}: wants KEY=VALUE, as in --set lstm.training.batch_size=32")
    value = parse_scalar(value_text, where)
    if parts in LISTS and isinstance(value, str) and "," in value:
        value = [parse_scalar(each, where) for each in value.split(",")]
    if parts[0] in PROFILE_SECTIONS:
        return _Option(where, (), _nested(parts, value))
    named = parts[0] in experiments
    path = parts[1:] if named else parts
    if not path or path[0] not in EXPERIMENT_SECTIONS:
        known = EXPERIMENT_SECTIONS if named else (*experiments, *EXPERIMENT_SECTIONS, *PROFILE_SECTIONS)
        raise ConfigError(f"{where}: {quoted(key)} is no setting{did_you_mean(path[0] if path else '', known)}")
    return _Option(where, (parts[0],) if named else tuple(experiments), _nested(path, value))


def _with_options(raw: dict[str, Any], options: Sequence[_Option], where: str) -> tuple[dict[str, Any], str]:
    """`raw` with the options laid over it one after the other, and whom to name if that is not valid.

    They are checked together, since two may be valid only together: `data.source=table` and `data.path=...`.
    """
    for option in options:
        raw = _merge(raw, option.change)
    return raw, ", ".join(option.text for option in options) or where


@dataclass(frozen=True, slots=True)
class _File:
    """The whole file, valid: experiments as they were written, for a profile is laid over them."""

    profiles: dict[str, ProfileConfig]
    experiments: dict[str, dict[str, Any]]
    published: tuple[PublishedFigure, ...]
    plugin: Path | None


def _read(path: Path) -> _File:
    """The file, validated whole: every experiment, and every experiment as each profile changes it."""
    content = read_yaml(path)
    if not isinstance(content, dict):
        found = "nothing" if content is None else f"a {type(content).__name__}"
        raise ConfigError(f"{path}: wants the keys {', '.join(FileShape.model_fields)}, found {found}")
    where = str(path)
    shape = validated(FileShape, content, where, ())
    plugin = path.resolve().parent / shape.plugin if shape.plugin else None
    use_plugin(plugin, where)
    faults = _Faults()
    sound = set()
    for name in shape.profiles:
        faults.collect(_check_name, name, f"{where}: profiles", reserved=())
    for name, raw in shape.experiments.items():
        faults.collect(_check_name, name, f"{where}: experiments", RESERVED_NAMES)
        if faults.collect(experiment_config, raw, where, ("experiments", name)) is not None:
            sound.add(name)
    profiles = {
        name: faults.collect(validated, ProfileConfig, raw, where, ("profiles", name))
        for name, raw in shape.profiles.items()
    }
    published = [
        faults.collect(validated, PublishedFigure, raw, where, ("published", index))
        for index, raw in enumerate(shape.published)
    ]
    _check_published(published, shape, where, faults)
    for name, profile in profiles.items():
        if profile is not None:
            _check_profile(name, profile, shape, where, faults=faults, sound=sound)
    faults.refuse()
    return _File(
        {name: profile for name, profile in profiles.items() if profile is not None},
        shape.experiments,
        tuple(figure for figure in published if figure is not None),
        plugin,
    )


def _check_profile(
    name: str, profile: ProfileConfig, shape: FileShape, where: str, *, faults: _Faults, sound: set[str]
) -> None:
    """Its experiments exist, and the sound ones are still valid as it changes them."""
    place = f"{where}: {key_path(('profiles', name))}"
    for experiment in profile.experiments:
        if experiment not in shape.experiments:
            suggestion = did_you_mean(experiment, shape.experiments)
            faults.add(f"{place}.experiments: there is no experiment {quoted(experiment)}{suggestion}")
    for experiment, changes in profile.overrides.items():
        if experiment not in profile.experiments:
            suggestion = did_you_mean(experiment, profile.experiments)
            faults.add(f"{place}.overrides: {quoted(experiment)} is not an experiment of this profile{suggestion}")
        elif experiment in sound:
            merged = _merge(shape.experiments[experiment], changes)
            faults.collect(experiment_config, merged, where, ("profiles", name, "overrides", experiment))


def _check_published(figures: Sequence[PublishedFigure | None], shape: FileShape, where: str, faults: _Faults) -> None:
    """Each stands beside an experiment that exists, and has it for itself."""
    seen: set[str] = set()
    for index, figure in enumerate(figures):
        if figure is None:
            continue
        place = f"{where}: published[{index}].experiment"
        if figure.experiment not in shape.experiments:
            suggestion = did_you_mean(figure.experiment, shape.experiments)
            faults.add(f"{place}: there is no experiment {quoted(figure.experiment)}{suggestion}")
        elif figure.experiment in seen:
            faults.add(f"{place}: {figure.experiment!r} has a published figure already; the table has room for one")
        seen.add(figure.experiment)


T = TypeVar("T")
P = ParamSpec("P")


class _Faults:
    """All that is wrong with a file, told at once."""

    def __init__(self) -> None:
        self._lines: list[str] = []

    def add(self, line: str) -> None:
        self._lines.append(line)

    def collect(self, check: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T | None:
        """What `check` returns; None where it refuses, which is a fault."""
        try:
            return check(*args, **kwargs)
        except ConfigError as error:
            self._lines += error.lines
            return None

    def refuse(self) -> None:
        """Raise when there is any fault."""
        if self._lines:
            raise ConfigError(*self._lines)


RESERVED_NAMES = (*EXPERIMENT_SECTIONS, *PROFILE_SECTIONS, "all")


def _check_name(name: str, place: str, reserved: Sequence[str]) -> None:
    """It can be part of an option, of a file's name, and of MLflow's."""
    if not re.fullmatch(r"[a-z0-9][a-z0-9_-]*", name) or name in reserved or len(name) > LONGEST_NAME:
        others = f", and none of {', '.join(reserved)}" if reserved else ""
        raise ConfigError(
            f"{place}: {quoted(name)} cannot be a name; use small letters, digits, - and _{others}, "
            f"{LONGEST_NAME} characters at most"
        )


def _merge(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """`base` with `changes` laid over it, mapping by mapping."""
    merged = dict(base)
    for key, value in changes.items():
        below = merged.get(key)
        merged[key] = _merge(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return merged


def _nested(parts: Sequence[str], value: Any) -> dict[str, Any]:
    for part in reversed(parts):
        value = {part: value}
    return value  # type: ignore[no-any-return]
