"""Reading experiments.yaml: validated whole, then one profile of it, with the options laid over it, is a Suite."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from benchmark.config.checks import RESERVED_NAMES, Faults, check_name, check_profile, check_published, read_spaces
from benchmark.config.errors import ConfigError, quoted, shortened, validated
from benchmark.config.nested import laid_over, merged
from benchmark.config.schema import (
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
from benchmark.config.search_space import SearchSpace
from benchmark.config.tuned import TunedSettings, read_tuned, tuned_file
from benchmark.config.yaml_file import parse_scalar, read_yaml
from benchmark.output import spell_value
from data_pipeline.errors import did_you_mean

DEEPEST_KEY = 16  # parts of a `--set` option's key


def locate_config(option: Path | None) -> Path:
    """The file to read: the option's, else ./experiments.yaml, else the copy that ships with the package."""
    if option is not None:
        return option
    package = Path(__file__).parents[1]
    # An installed wheel carries the copy inside the package; a checkout has it one folder up.
    candidates = [Path("experiments.yaml"), package / "experiments.yaml", package.parent / "experiments.yaml"]
    for path in candidates:
        if path.exists():
            return path
    raise ConfigError("there is no experiments.yaml here nor in the package; name one with --config FILE")


def profile_names(path: Path) -> list[str]:
    """The profiles of the file, in its order; the file is validated whole."""
    return list(_read(path).profiles)


def load_suite(
    path: Path,
    profile: str = "quick",
    settings: Mapping[str, Any] = MappingProxyType({}),
    seeds: Sequence[int] = (),
    *,
    tuned: bool = False,
) -> Suite:
    """Read and validate the whole file, then pick `profile` and apply the options.

    Precedence: option, tuned, profile, experiment, default.

    Args:
        path: the YAML file.
        profile: one of its profiles.
        settings: values by key path, which begins with an experiment's name (that experiment alone), or with
            `model`, `tokens`, `training` (every experiment), `data` or `seeds` (the profile).
        seeds: instead of the profile's seeds, where given.
        tuned: use what searches have won, for the experiments that have it.

    Raises:
        ConfigError: a line for each fault; or `tuned`, and no experiment has tuned settings.
        YamlError: the file is not YAML.
    """
    file = _read(path)
    if profile not in file.profiles:
        raise ConfigError(f"{path}: there is no profile {profile!r}{did_you_mean(profile, file.profiles)}")
    chosen = file.profiles[profile]
    changes = [_change(key, value, list(chosen.experiments)) for key, value in settings.items()]
    found = _tuned(profile, chosen.experiments) if tuned else {}
    experiments = {}
    for name in chosen.experiments:
        raw = merged(file.experiments[name], chosen.overrides.get(name, {}))
        if name in found:
            raw = laid_over(raw, found[name].settings)
            experiment_config(raw, str(tuned_file(profile, name)), (name,))
        raw, where = _with_changes(raw, [change for change in changes if name in change.targets], str(path))
        experiments[name] = experiment_config(raw, where, (name,))
    raw = {**chosen.model_dump(include=set(PROFILE_SECTIONS)), "experiments": chosen.experiments}
    raw, where = _with_changes(raw, [change for change in changes if not change.targets], str(path))
    if seeds:
        raw, where = {**raw, "seeds": list(seeds)}, "--seed" if where == str(path) else f"{where}, --seed"
    wanted = validated(ProfileConfig, raw, where, ())
    return Suite(
        profile=profile,
        description=chosen.description,
        seeds=wanted.seeds,
        data=wanted.data.each(),
        experiments=experiments,
        published=file.published,
        plugin=file.plugin,
        search={name: file.search[name] for name in chosen.experiments if name in file.search},
        tuned=found,
    )


def _tuned(profile: str, names: Sequence[str]) -> dict[str, TunedSettings]:
    """The tuned settings that there are, by experiment."""
    found = {name: settings for name in names if (settings := read_tuned(profile, name)) is not None}
    if not found:
        places = ", ".join(str(tuned_file(profile, name)) for name in names)
        raise ConfigError(f"--tuned: there is none of {places}; `python -m benchmark tune all` makes them")
    return found


def parse_assignments(texts: Sequence[str]) -> dict[str, Any]:
    """Return the settings of `--set KEY=VALUE` options, by key path; of a key given twice, the last.

    `seeds` and `data.train_size` take several values with commas between them.

    Raises:
        ConfigError: an option has no KEY or no VALUE.
        YamlError: a value is not YAML.
    """
    settings: dict[str, Any] = {}
    for text in texts:
        where = f"--set {shortened(text)}"
        key, sign, value_text = text.partition("=")
        key = key.strip()
        if not sign or not key:
            raise ConfigError(f"{where}: wants KEY=VALUE, as in --set lstm.training.batch_size=32")
        value = parse_scalar(value_text, where)
        if key in LISTS and isinstance(value, str) and "," in value:
            value = [parse_scalar(each, where) for each in value.split(",")]
        settings.pop(key, None)  # `settings` keeps the order of the options: a later one wins
        settings[key] = value
    return settings


@dataclass(frozen=True, slots=True)
class _Change:
    """One setting laid over the file's: as a message names it, the experiments it changes (none: the profile)."""

    text: str
    targets: tuple[str, ...]
    change: dict[str, Any]


def _change(key: str, value: Any, experiments: Sequence[str]) -> _Change:
    where = f"--set {shortened(f'{key}={spell_value(value)}')}"
    parts = tuple(key.split("."))
    if not all(parts) or len(parts) > DEEPEST_KEY or not key.isprintable():
        raise ConfigError(f"{where}: wants KEY=VALUE, as in --set lstm.training.batch_size=32")
    if parts[0] in PROFILE_SECTIONS:
        return _Change(where, (), _nested(parts, value))
    named = parts[0] in experiments
    path = parts[1:] if named else parts
    if not path or path[0] not in EXPERIMENT_SECTIONS:
        known = EXPERIMENT_SECTIONS if named else (*experiments, *EXPERIMENT_SECTIONS, *PROFILE_SECTIONS)
        raise ConfigError(f"{where}: {quoted(key)} is no setting{did_you_mean(path[0] if path else '', known)}")
    return _Change(where, (parts[0],) if named else tuple(experiments), _nested(path, value))


def _with_changes(raw: dict[str, Any], changes: Sequence[_Change], where: str) -> tuple[dict[str, Any], str]:
    """Return `raw` with the changes laid over it, and whom to name if the result is not valid.

    The changes are checked together: two may be valid only together, as `data.source=table` and `data.path=...`.
    """
    for change in changes:
        raw = merged(raw, change.change)
    return raw, ", ".join(change.text for change in changes) or where


@dataclass(frozen=True, slots=True)
class _File:
    """The whole file, valid: experiments as they were written, for a profile is laid over them."""

    profiles: dict[str, ProfileConfig]
    experiments: dict[str, dict[str, Any]]
    published: tuple[PublishedFigure, ...]
    search: dict[str, SearchSpace]
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
    faults = Faults()
    sound = {}
    for name in shape.profiles:
        faults.collect(check_name, name, f"{where}: profiles", reserved=())
    for name, raw in shape.experiments.items():
        faults.collect(check_name, name, f"{where}: experiments", RESERVED_NAMES)
        if (experiment := faults.collect(experiment_config, raw, where, ("experiments", name))) is not None:
            sound[name] = experiment
    profiles = {
        name: faults.collect(validated, ProfileConfig, raw, where, ("profiles", name))
        for name, raw in shape.profiles.items()
    }
    published = [
        faults.collect(validated, PublishedFigure, raw, where, ("published", index))
        for index, raw in enumerate(shape.published)
    ]
    check_published(published, shape, where, faults)
    spaces = read_spaces(shape, sound, where, faults)
    for name, profile in profiles.items():
        if profile is not None:
            check_profile(name, profile, shape, where, faults=faults, sound=sound)
    faults.refuse()
    return _File(
        {name: profile for name, profile in profiles.items() if profile is not None},
        shape.experiments,
        tuple(figure for figure in published if figure is not None),
        spaces,
        plugin,
    )


def _nested(parts: Sequence[str], value: Any) -> dict[str, Any]:
    for part in reversed(parts):
        value = {part: value}
    return value  # type: ignore[no-any-return]
