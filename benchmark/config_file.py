"""Reading experiments.yaml: validated whole, then one profile of it, with the options laid over it, is a Suite."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmark.config import (
    EXPERIMENT_SECTIONS,
    PROFILE_SECTIONS,
    ConfigFile,
    ProfileConfig,
    Suite,
    experiment_config,
)
from benchmark.validation import ConfigError, validated
from benchmark.yaml_reader import parse_scalar, read_yaml
from models.registry import did_you_mean


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
        seeds: instead of the profile's seeds, where given.

    Raises:
        ConfigError: a line for each fault.
        YamlError: the file is not YAML.
    """
    file = _read(path)
    if profile not in file.profiles:
        raise ConfigError(f"{path}: there is no profile {profile!r}{did_you_mean(profile, file.profiles)}")
    chosen = file.profiles[profile]
    raw = {name: _merge(file.experiments[name], chosen.overrides.get(name, {})) for name in chosen.experiments}
    raw_profile = chosen.model_dump(include=set(PROFILE_SECTIONS))
    for assignment in assignments:
        raw, raw_profile = _assign(assignment, raw, raw_profile)
    settings = validated(ProfileConfig, {**raw_profile, "experiments": list(raw)}, str(path), ())
    suite = Suite(
        profile=profile,
        description=chosen.description,
        seeds=settings.seeds,
        data=settings.data,
        experiments={name: experiment_config(value, str(path), ("experiments", name)) for name, value in raw.items()},
        published=file.published,
    )
    if seeds:
        wanted = validated(ProfileConfig, {"seeds": list(seeds), "experiments": list(raw)}, "--seed", ())
        suite = replace(suite, seeds=wanted.seeds)
    return suite


def _read(path: Path) -> ConfigFile:
    """The file, validated whole: every experiment, and every experiment as each profile changes it."""
    content = read_yaml(path)
    if not isinstance(content, dict):
        found = "nothing" if content is None else f"a {type(content).__name__}"
        raise ConfigError(f"{path}: wants the keys {', '.join(ConfigFile.model_fields)}, found {found}")
    file = validated(ConfigFile, content, str(path), ())
    faults = _Faults()
    for name, raw in file.experiments.items():
        faults.collect(_check_name, name, str(path))
        faults.collect(experiment_config, raw, str(path), ("experiments", name))
    faults.refuse()
    for profile_name, profile in file.profiles.items():
        _check_profile(profile_name, profile, file, path, faults)
    for index, figure in enumerate(file.published):
        if figure.experiment not in file.experiments:
            faults.add(
                f"{path}: published[{index}].experiment: there is no experiment {figure.experiment!r}"
                f"{did_you_mean(figure.experiment, file.experiments)}"
            )
    faults.refuse()
    return file


def _check_profile(name: str, profile: ProfileConfig, file: ConfigFile, path: Path, faults: _Faults) -> None:
    """Its experiments exist, and are still valid as it changes them."""
    place = f"{path}: profiles.{name}"
    for experiment in profile.experiments:
        if experiment not in file.experiments:
            faults.add(
                f"{place}.experiments: there is no experiment {experiment!r}"
                f"{did_you_mean(experiment, file.experiments)}"
            )
    for experiment, changes in profile.overrides.items():
        if experiment not in profile.experiments:
            faults.add(
                f"{place}.overrides: {experiment!r} is not an experiment of this profile"
                f"{did_you_mean(experiment, profile.experiments)}"
            )
        elif experiment in file.experiments:
            merged = _merge(file.experiments[experiment], changes)
            faults.collect(experiment_config, merged, str(path), ("profiles", name, "overrides", experiment))


class _Faults:
    """All that is wrong with a file, told at once."""

    def __init__(self) -> None:
        self._lines: list[str] = []

    def add(self, line: str) -> None:
        self._lines.append(line)

    def collect(self, check: Callable[..., object], *arguments: object) -> None:
        """Call `check`; what it refuses is a fault."""
        try:
            check(*arguments)
        except ConfigError as error:
            self.add(str(error))

    def refuse(self) -> None:
        """Raise when there is any fault."""
        if self._lines:
            raise ConfigError("\n".join(self._lines))


def _check_name(name: str, where: str) -> None:
    reserved = (*EXPERIMENT_SECTIONS, *PROFILE_SECTIONS, "all")
    if not re.fullmatch(r"[a-z0-9][a-z0-9_-]*", name) or name in reserved:
        raise ConfigError(
            f"{where}: experiments: {name!r} cannot be a name; use small letters, digits, - and _, "
            f"and none of {', '.join(reserved)}"
        )


def _merge(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """`base` with `changes` laid over it, mapping by mapping."""
    merged = dict(base)
    for key, value in changes.items():
        below = merged.get(key)
        merged[key] = _merge(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return merged


def _assign(
    assignment: str, experiments: dict[str, dict[str, Any]], profile: dict[str, Any]
) -> tuple[dict[str, dict[str, Any]], dict[str, Any]]:
    """Both with one `--set` applied, and validated, so that a fault is told of the option that made it."""
    where = f"--set {assignment}"
    key, sign, text = assignment.partition("=")
    parts = tuple(key.strip().split("."))
    if not sign or not all(parts):
        raise ConfigError(f"{where}: wants KEY=VALUE, as in --set lstm.training.batch_size=32")
    value = parse_scalar(text, where)
    if parts[0] in PROFILE_SECTIONS:
        changed = _merge(profile, _nested(parts, value))
        validated(ProfileConfig, {**changed, "experiments": list(experiments)}, where, ())
        return experiments, changed
    targets = [parts[0]] if parts[0] in experiments else list(experiments)
    path = parts[1:] if parts[0] in experiments else parts
    if not path or path[0] not in EXPERIMENT_SECTIONS:
        known = (
            EXPERIMENT_SECTIONS if parts[0] in experiments else (*experiments, *EXPERIMENT_SECTIONS, *PROFILE_SECTIONS)
        )
        word = path[0] if path else ""
        raise ConfigError(f"{where}: {key!r} is no setting{did_you_mean(word, known)}")
    experiments = dict(experiments)
    for name in targets:
        experiments[name] = _merge(experiments[name], _nested(path, value))
        experiment_config(experiments[name], where, (name,))
    return experiments, profile


def _nested(parts: Sequence[str], value: Any) -> dict[str, Any]:
    for part in reversed(parts):
        value = {part: value}
    return value  # type: ignore[no-any-return]
