"""Generated configurations: each is accepted whole or refused in words, and neither leaves anything behind.

Every test run tries the same few hundred. Ten thousand files and ten thousand lists of options, other ones each time:

    HYPOTHESIS_PROFILE=thorough .venv/bin/python -m pytest -n0 tests/benchmark/config/test_fuzz.py
"""

import copy
import json
import os
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchmark.config.errors import LONGEST_LINE
from benchmark.config.load import load_suite, profile_names
from benchmark.config.schema import Suite, run_from_settings
from benchmark.config.yaml_file import read_yaml
from data_pipeline.errors import one_line
from tests.helpers.facts import assert_names

pytestmark = pytest.mark.process

COMMON = {"deadline": None, "database": None, "suppress_health_check": list(HealthCheck)}
settings.register_profile("short", max_examples=150, derandomize=True, **COMMON)
settings.register_profile("thorough", max_examples=10_000, derandomize=False, **COMMON)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "short"))

SHIPPED_FILE = Path(__file__).parents[3] / "experiments.yaml"
SHIPPED_TEXT = SHIPPED_FILE.read_text(encoding="utf-8")
SHIPPED: dict[str, Any] = read_yaml(SHIPPED_FILE)


# What is generated


# Values as YAML spells them: of every type, out of every range, and such as a reader may choke on.
ODD = [
    *("", "null", "~", "true", "no", "0", "1", "-1", "2", "3.0", "0.5", "1e-5", "all", "lstm", "rnn", "cls", "fp16"),
    *("1e999", ".inf", "-.inf", ".nan", "-0.0", "1e-400", "9999999999999999999", "-9223372036854775809"),
    *(f"0x{'f' * 5000}", "9" * 5000, "0b_", "0x_", "1:30", "1:1:1.5", ":".join(["1"] * 300) + ".5", "1_000", "0o17"),
    *('!!int ""', '!!float ""', "!!bool maybe", "!!timestamp soon", '!!null ""', "!!binary aGk=", "!!binary é"),
    *("2020-13-45", "2001-01-01", "9999-12-31 23:59:59 -23:59", "!!set {a, b}", "!!omap [a: 1]", "!!pairs [a: 1]"),
    *("!!python/object/apply:os.getcwd []", "!unknown x", "&a [*a]", "&a {b: *a}", "*nowhere", "<<", "=", "{<<: 1}"),
    *("[]", "{}", "[1, 1]", "[a, b]", "{a: 1, a: 2}", "{1: 2}", "{null: 1}", "{[1]: 2}", "? [1]", "- a", "a: b", "|"),
    *("[" * 40 + "]" * 40, "[" * 3000, "{a: " * 40 + "1" + "}" * 40, "- " * 500, "? " * 500),
    *(r'"\0"', r'"\ud800"', r'"\U00110000"', r'"\UFFFFFFFF"', r'"\e[2J"', r'"two\nlines"', r'"\u2028"', r'"\x85"'),
    *("é", "\N{PILE OF POO}", "\u202e", "a\tb", "#", "%YAML 9.9", "---", "...", "'", '"', "@", "`", "\x1b", "\x07"),
    *("x" * 5000, "/" + "x" * 300, "../../up", "{name: rnn}", "{hub: a/b}", "!!str 1", "f" * 40, "f" * 64),
]

odd_values = st.one_of(
    st.sampled_from(ODD),
    st.text(max_size=12).map(lambda text: json.dumps(text, ensure_ascii=False)),
    st.integers().map(str),
    st.floats().map(repr),
)
odd_names = st.one_of(st.sampled_from(ODD), st.text(max_size=8).map(json.dumps))


def places(content: Any) -> list[tuple[Any, Any]]:
    """Every list or mapping within, with each of its places."""
    keys = content if isinstance(content, dict) else range(len(content)) if isinstance(content, list) else ()
    return [(content, key) for key in keys] + [place for key in keys for place in places(content[key])]


def renamed(mapping: dict[Any, Any], old: Any, new: Any) -> None:
    """One key has another name; the order stays."""
    entries = [(new if key == old else key, value) for key, value in mapping.items()]
    mapping.clear()
    mapping.update(entries)


@st.composite
def changed_content(draw: st.DrawFn) -> str:
    """The shipped file with one to four settings of another type or value, missing, misspelt, or where none belongs."""
    content = copy.deepcopy(SHIPPED) | {"plugin": None}
    profile = draw(st.sampled_from(["quick", "paper"]))  # one is enough, and is read in half the time
    content["profiles"] = {profile: content["profiles"][profile]}
    put: list[str] = []

    def marked(spelling: str) -> str:
        put.append(spelling)
        return f"@@{len(put) - 1}@@"

    for _ in range(draw(st.integers(1, 4))):
        holder, key = draw(st.sampled_from(places(content) or [(content, "plugin")]))
        change = draw(st.sampled_from(["value", "value", "name", "remove", "add", "swap", "repeat"]))
        if change == "remove":
            del holder[key]
        elif change == "swap":
            other, place = draw(st.sampled_from(places(content)))
            holder[key] = copy.deepcopy(other[place])
        elif change == "value":
            holder[key] = marked(draw(odd_values))
        elif isinstance(holder, list):
            holder.insert(key, holder[key] if change == "repeat" else marked(draw(odd_values)))
        elif change == "name":
            renamed(holder, key, draw(st.sampled_from([f"{key}s", f"{key}"[:-1], marked(draw(odd_names))])))
        else:
            holder[marked(draw(odd_names))] = holder[key] if change == "repeat" else marked(draw(odd_values))
    text = json.dumps(content, ensure_ascii=False)
    for number, spelling in enumerate(put):
        text = text.replace(f'"@@{number}@@"', spelling)
    return text


@st.composite
def changed_text(draw: st.DrawFn) -> str:
    """The shipped file as it is written, with pieces taken out, doubled, or put in between."""
    text = SHIPPED_TEXT
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(text)))
        piece = text[start : start + draw(st.sampled_from([1, 2, 10, 100, 2000]))]
        change = draw(st.sampled_from(["out", "twice", "put"]))
        between = {"out": "", "twice": 2 * piece, "put": draw(odd_values) + piece}[change]
        text = text[:start] + between + text[start + len(piece) :]
    return text


raw_text = st.one_of(st.text(max_size=60), st.lists(st.sampled_from(ODD), max_size=15).map("".join))
texts = st.one_of(changed_content(), changed_content(), changed_text(), raw_text)
files = st.one_of(texts.map(lambda text: text.encode("utf-8", "surrogatepass")), st.binary(max_size=60))

KEYS = [
    *("data", "seeds", "model", "tokens", "training", "rnn", "lstm.model", "nobody.training", "training.epochs"),
    *(f"data.{key}" for key in SHIPPED["profiles"]["quick"]["data"]),
    *(f"lstm.training.{key}" for key in SHIPPED["profiles"]["paper"]["overrides"]["bert-frozen"]["training"]),
    *(f"{name}.{part}.{key}" for name, of in SHIPPED["experiments"].items() for part in of for key in of[part]),
    *("bert-frozen.model.encoder", "bert-frozen.model.encoder.hub", "bert-frozen.model.encoder.path", "data.path"),
    *(
        "lstm.trainin.epochs",
        "lstm.training.epoch",
        "lstm..epochs",
        "lstm.model.x.y",
        "",
        ".",
        ".".join(["model"] * 2000),
    ),
]
assignments = st.one_of(
    st.builds(lambda key, value: f"{key}={value}", st.sampled_from(KEYS), odd_values),
    st.builds(lambda key, value: f"{key}={value}", st.text(max_size=8), odd_values),
    st.sampled_from([*KEYS, "data.train_size=500,2000", "seeds=1,2", "seeds=1,[", "data.train_size=all,all"]),
)
options = st.tuples(
    st.sampled_from(["quick", "full", "paper", "quik"]),
    st.lists(assignments, max_size=4),
    st.lists(st.integers(), max_size=2),
)


# What must hold of every one


def refused_in_words(answer: tuple[int, str, str], *beginnings: str) -> list[str]:
    """The complaints, after a look at each: one line that a terminal shows as it is, and that names its origin."""
    status, out, err = answer
    assert (status, out) == (2, "")
    assert err.endswith("\n")
    lines = err.removesuffix("\n").split("\n")
    assert all(line.startswith("error: ") for line in lines)
    complaints = [line.removeprefix("error: ") for line in lines]
    for complaint in complaints:
        assert complaint == one_line(complaint)
        assert len(complaint) <= LONGEST_LINE
        assert complaint.startswith(beginnings)
    return complaints


def is_whole(suite: Suite) -> None:
    """Each of its runs can be written down, in UTF-8 and in JSON, and is read back as the same."""
    for run in suite.runs()[:20]:
        recorded = run.settings()
        yaml.safe_dump(recorded, allow_unicode=True).encode()
        assert run_from_settings(json.loads(json.dumps(recorded, allow_nan=False))) == run


def tree(folder: Path) -> list[tuple[str, int]]:
    """Every file and folder below, with its size."""
    return sorted((str(path), path.stat().st_size) for path in folder.rglob("*"))


@pytest.fixture
def here(tmp_path, monkeypatch) -> Path:
    """An empty working directory; the configuration lies elsewhere, and whatever a command makes comes here."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def file(here, tmp_path) -> Path:
    return tmp_path / "experiments.yaml"


@given(content=files)
def test_a_file_is_accepted_or_refused_in_words(call, here, file, content):
    file.write_bytes(content)

    status, out, err = call("validate", str(file))

    if status == 0:
        assert (out.count("\n"), err) == (1, "")
        for profile in profile_names(file):
            is_whole(load_suite(file, profile))
    else:
        refused_in_words((status, out, err), f"{file}: ", f"{file}, line ")
    assert tree(here) == []


@given(chosen=options)
def test_options_are_accepted_or_refused_in_words(call, here, monkeypatch, chosen):
    profile, assigned, seeds = chosen
    accepted: list[Suite] = []
    monkeypatch.setattr("benchmark.config.load.read_yaml", lambda _: copy.deepcopy(SHIPPED))  # read by the test above
    monkeypatch.setattr("benchmark.cli.dry_run.print_dry_run", lambda _, suite, names: accepted.append(suite) or 0)
    command = ["run", "all", "--dry-run", "--config", "shipped.yaml", "--profile", profile]

    answer = call(*command, *(f"--set={text}" for text in assigned), *(["--seed", *map(str, seeds)] if seeds else []))

    if accepted:
        assert answer == (0, "", "")
        is_whole(accepted[0])
    else:
        refused_in_words(answer, "--set ", "--seed: ", "shipped.yaml: ")
    assert tree(here) == []


# What some of them found


def test_every_command_reports_a_bad_file_and_starts_nothing(call, here, file):
    plugin = "plugin: " + "x" * 300 + ".py"
    shape = "profiles: {a: {experiments: [a]}}\nexperiments: {a: {model: {name: lstm}}}\n"
    for text, facts in [(f"{shape}{plugin}", ["plugin", "File name too long"]), (f"{shape}2: 3", ["2", "quotes"])]:
        file.write_text(text)
        for command in (["validate"], ["list", "--config"], ["run", "all", "--dry-run", "--config"]):
            [line] = refused_in_words(call(*command, str(file)), f"{file}: ")
            assert_names(line, *facts)
    assert tree(here) == []


def test_long_values_are_cut_and_control_characters_spelled_out(call, file):
    changed = SHIPPED_TEXT.replace("quick:", r'"qu\nick\e[2J":').replace("[rnn,", r'["r\u2028n",')
    file.write_text(f"{changed}\n{'k' * 1000}: 1")

    text = "\n".join(refused_in_words(call("validate", str(file)), f"{file}: "))

    assert_names(text, r"profiles.qu\nick\x1b[2J.experiments[0]", r"'r\u2028n'", f"{'k' * 100}…", "challenges, search")
    assert_names(text, r"profiles: 'qu\nick\x1b[2J'")
    assert "k" * 101 not in text


@pytest.mark.parametrize("name", ["a b", "../../up", "UPPER", "x" * 65, ""])
def test_a_profile_has_a_name_that_a_folder_can_have(call, file, name):
    file.write_text(SHIPPED_TEXT.replace("\n  quick:", f"\n  {json.dumps(name)}:"))

    [line] = refused_in_words(call("validate", str(file)), f"{file}: profiles: ")
    assert_names(line, repr(name), "64")


@pytest.mark.parametrize(
    "texts",
    [
        ["lstm.model=&a {x: *a}", "lstm.model=&b {x: *b}"],
        [".".join(["lstm.model", *["x"] * 3000, "y=1"])] * 2,
        ["lstm.training.epochs=0\n"],
        ["lstm.\udcff=1"],
        ["lstm.model.name='\ud83d'"],
        ["data.train_size=1,2,["],
        [f"data.split_seed=0x{'f' * 5000}"],
    ],
    ids=["endless", "deep", "two lines", "no character", "half a character", "half a list", "many bits"],
)
def test_a_bad_option_is_reported_in_one_line(call, here, monkeypatch, texts):
    monkeypatch.setattr("benchmark.cli.dry_run.print_dry_run", lambda *_: pytest.fail("it is no option"))
    command = ["run", "all", "--dry-run", "--config", str(SHIPPED_FILE)]

    refused_in_words(call(*command, *(f"--set={text}" for text in texts)), "--set ")
    assert tree(here) == []


def test_a_valid_file_of_any_name_is_reported_valid(call, here):
    name = os.fsdecode(b"caf\xe9\n.yaml")
    Path(name).write_text(SHIPPED_TEXT)

    status, out, err = call("validate", name)
    assert (status, out.count("\n"), err) == (0, 1, "")
    assert_names(out, r"caf\udce9\n.yaml", "quick, full, paper")


def test_the_shipped_file_is_what_the_changes_are_made_to(file):
    file.write_text(json.dumps(SHIPPED))

    assert load_suite(file, "paper") == load_suite(SHIPPED_FILE, "paper")
