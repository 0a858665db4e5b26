"""Read experiments.yaml: the whole file is validated, then one profile of it with the options is a Suite."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from benchmark.config.errors import ConfigError, parse, quoted, shortened, validated
from benchmark.config.file import (
    EXPERIMENT_SECTIONS,
    LISTS,
    PROFILE_SECTIONS,
    File,
    OverriddenExperiment,
    ProfileConfig,
)
from benchmark.config.nested import merge, override
from benchmark.config.schema import ExperimentConfig, Suite, use_plugin
from benchmark.config.tuned import TunedSettings, read_tuned, tuned_file
from benchmark.config.yaml_file import parse_yaml, read_yaml
from benchmark.output import spell_value
from data_pipeline.challenge_config import ChallengeConfig
from data_pipeline.config import TABLE_SIZES
from data_pipeline.errors import did_you_mean
from data_pipeline.paths import at_home, located

DEEPEST_KEY = 16  # parts of a setting's key


def locate_config(option: Path | None) -> Path:
    """Return the file to read: the option's, else ./experiments.yaml, else the copy that ships with the package."""
    if option is not None:
        return at_home(option)
    package = Path(__file__).parents[1]
    # An installed wheel carries the copy inside the package; a checkout has it one folder up.
    for path in (Path("experiments.yaml"), package / "experiments.yaml", package.parent / "experiments.yaml"):
        if path.exists():
            return path
    raise ConfigError("there is no experiments.yaml here nor in the package; name one with `--config FILE`")


def profile_names(path: Path) -> list[str]:
    """Return the profiles of the file, in its order; the file is validated whole."""
    return list(_read(path).profiles)


def challenge_entries(path: Path) -> Mapping[str, ChallengeConfig]:
    """Return the challenge sets of the file, whether a profile names them or not; the file is validated whole."""
    return _read(path).challenges


def load_suite(
    path: Path,
    profile: str = "quick",
    settings: Mapping[str, Any] = MappingProxyType({}),
    seeds: Sequence[int] = (),
    *,
    tuned: bool = False,
) -> Suite:
    """Read and validate the whole file, then pick `profile` and apply the options.

    A key of `settings` begins with an experiment's name (that experiment alone), or with `model`, `tokens`, `training`
    (every experiment), `data`, `seeds` or `challenges` (the profile). `seeds` replaces those of the profile and of its
    experiments, `tuned` takes what searches found. Precedence: option (a later one wins), tuned, profile, experiment,
    default.

    Raises:
        ConfigError: one line per fault; or `tuned`, and no experiment has tuned settings.
        YamlError: the file is not YAML.
    """
    file = _read(path)
    if profile not in file.profiles:
        raise ConfigError(f"{path}: there is no profile {profile!r}{did_you_mean(profile, file.profiles)}")
    chosen = file.profiles[profile]
    names = chosen.experiments
    targets = {key: _targets(key, value, names) for key, value in settings.items()}
    found = _tuned(profile, names) if tuned else {}

    def changed(raw: dict[str, Any], target: str) -> tuple[dict[str, Any], str]:
        """Apply the options together: two may be valid only together, as `data.source=table` and `data.path=...`."""
        options = {key: value for key, value in settings.items() if target in targets[key]}
        raw = override(raw, [(key.removeprefix(f"{target}."), value) for key, value in options.items()])
        return raw, ", ".join(_spell(key, value) for key, value in options.items()) or str(path)

    experiments, own_seeds = {}, {}
    for name in names:
        raw = merge(file.experiments[name], chosen.overrides.get(name, {}))
        # Here, while the file's relative paths can be known from those of the options.
        raw = parse(OverriddenExperiment, raw, {"folder": _folder(path)}).plain(written_only=True)
        own_seeds[name] = tuple(raw.pop("seeds", ()))
        if name in found:
            raw = override(raw, found[name].settings.items())
            validated(ExperimentConfig, raw, str(tuned_file(profile, name)), (name,))
        raw, where = changed(raw, name)
        experiments[name] = validated(ExperimentConfig, raw, where, (name,))
    written = {**chosen.model_dump(include=set(PROFILE_SECTIONS)), "experiments": names}
    raw, where = changed(written, "")
    if chosen.data.source != "table" and isinstance(raw["data"], dict) and raw["data"].get("source") == "table":
        written["data"] = {key: value for key, value in written["data"].items() if key not in TABLE_SIZES}
        raw, where = changed(written, "")  # the profile's sizes are those of other reviews
    if seeds:
        raw, where = {**raw, "seeds": list(seeds)}, "--seed" if where == str(path) else f"{where}, --seed"
    wanted = validated(ProfileConfig, raw, where, context={"challenges": file.challenges})
    replaced = bool(seeds) or "seeds" in settings
    return Suite(
        profile=profile,
        description=chosen.description,
        seeds={name: wanted.seeds if replaced else own_seeds[name] or wanted.seeds for name in names},
        data=wanted.data.each(),
        experiments=experiments,
        published=file.published,
        plugin=file.plugin,
        search={name: file.search[name] for name in names if name in file.search},
        tuned=found,
        challenges={name: file.challenges[name] for name in wanted.challenges},
        options={**settings, **({"seeds": seeds} if seeds else {})},
    )


def parse_assignments(texts: Sequence[str]) -> dict[str, Any]:
    """Return the settings of `--set KEY=VALUE` options, by key path; of a key given twice, the last.

    `seeds`, `data.train_size` and `challenges` take several values with commas between them.

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
            raise ConfigError(f"{where}: needs KEY=VALUE, as in `--set lstm.training.batch_size=32`")
        value = parse_yaml(value_text, where)
        if key in LISTS and isinstance(value, str) and "," in value:
            value = [parse_yaml(each, where) for each in value.split(",")]
        settings.pop(key, None)  # `settings` keeps the order of the options: a later one wins
        settings[key] = value
    return settings


def _spell(key: str, value: Any) -> str:
    return f"--set {shortened(f'{key}={spell_value(value)}')}"


def _targets(key: str, value: Any, experiments: Sequence[str]) -> tuple[str, ...]:
    """Return the experiments that the setting of this key changes; "" is the profile."""
    where, parts = _spell(key, value), key.split(".")
    if not all(parts) or len(parts) > DEEPEST_KEY or not key.isprintable():
        raise ConfigError(f"{where}: needs KEY=VALUE, as in `--set lstm.training.batch_size=32`")
    if parts[0] in PROFILE_SECTIONS:
        return ("",)
    named = parts[0] in experiments
    section = parts[1:2] if named else parts[:1]
    if not section or section[0] not in EXPERIMENT_SECTIONS:
        known = EXPERIMENT_SECTIONS if named else (*experiments, *EXPERIMENT_SECTIONS, *PROFILE_SECTIONS)
        raise ConfigError(f"{where}: {quoted(key)} is not a setting{did_you_mean(''.join(section), known)}")
    return (parts[0],) if named else tuple(experiments)


def _tuned(profile: str, names: Sequence[str]) -> dict[str, TunedSettings]:
    """Return the tuned settings that there are, by experiment."""
    found = {name: settings for name in names if (settings := read_tuned(profile, name)) is not None}
    if not found:
        places = ", ".join(str(tuned_file(profile, name)) for name in names)
        raise ConfigError(f"--tuned: there is none of {places}; `python -m benchmark tune all` makes them")
    return found


def _read(path: Path) -> File:
    """Return the file, validated whole: every experiment, and every experiment as each profile changes it."""
    content = read_yaml(path)
    where = str(path)
    if not isinstance(content, dict):
        found = "nothing" if content is None else f"a {type(content).__name__}"
        raise ConfigError(f"{where}: needs the keys {', '.join(File.model_fields)}, found {found}")
    plugin = content.get("plugin")
    use_plugin(located(plugin, _folder(path)) if plugin and isinstance(plugin, str) else None, where)
    sections = {"challenges": {}, **content}
    known = {key: sections[key] for key in ("experiments", "challenges") if isinstance(sections.get(key), dict)}
    return validated(File, content, where, context={"folder": _folder(path), **known})


def _folder(path: Path) -> Path:
    """Return where the relative paths of the file start."""
    return path.resolve().parent
