"""YAML as people mean it; a file is refused in one line that names it and the place of its fault."""

from itertools import pairwise

import pytest

from benchmark.config.yaml_file import YamlError, parse_yaml, read_yaml
from data_pipeline.errors import InputError
from tests.helpers.facts import assert_names


@pytest.fixture
def write(tmp_path):
    def write_file(content: str | bytes):
        path = tmp_path / "some.yaml"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write_file


def complaint(path) -> str:
    """The one line with which the file is refused, after its name."""
    with pytest.raises(YamlError) as caught:
        read_yaml(path)
    text = str(caught.value)
    assert "\n" not in text
    assert text.startswith(str(path))
    return text.removeprefix(str(path))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: [1, two, null]\nb: {c: true}\n", {"a": [1, "two", None], "b": {"c": True}}),
        ("\ufeffa: 1", {"a": 1}),  # the byte order mark of Windows' editors
        ("name: '1e-5'", {"name": "1e-5"}),
        ("a: {epochs: 1}\nb: {epochs: 2}", {"a": {"epochs": 1}, "b": {"epochs": 2}}),
        (
            "a: &a {epochs: 1, rate: 2}\nb: {<<: *a, epochs: 3}",
            {"a": {"epochs": 1, "rate": 2}, "b": {"epochs": 3, "rate": 2}},
        ),
        (
            "a: &a {epochs: 1}\nb: {c: &c {<<: *a, epochs: 2}}\nd: {<<: *c}\n",
            {"a": {"epochs": 1}, "b": {"c": {"epochs": 2}}, "d": {"epochs": 2}},
        ),
        *((f"name: {word}", {"name": word}) for word in ("1e", "e-5", "1e-5s", "bert-1e5")),
    ],
)
def test_a_file_is_read_as_plain_values(write, text, value):
    assert read_yaml(write(text)) == value


@pytest.mark.parametrize(
    ("text", "number"),
    [("1e-5", 1e-5), ("5E-5", 5e-5), ("1e3", 1000.0), ("-2e-1", -0.2), ("+1e2", 100.0), ("1.5e-3", 0.0015)],
)
def test_an_exponent_makes_a_float_with_or_without_a_dot(write, text, number):
    read = read_yaml(write(f"rate: {text}"))["rate"]

    assert (read, type(read)) == (number, float)
    assert parse_yaml(text, "--set") == number


def bomb(before: str, after: str) -> str:
    """Ten values, each of which holds the one before nine times."""
    lines = [f"{name}: &{name} {before}{', '.join([f'*{last}'] * 9)}{after}" for last, name in pairwise("abcdefghij")]
    return "\n".join(["a: &a {k: 1}", *lines])


@pytest.mark.parametrize(
    ("content", "facts"),
    [
        ("experiments:\n  lstm: {epochs: 1}\n  rnn: {}\n  lstm: {epochs: 2}\n", ["line 4, column 3", "lstm"]),
        ("a: {b: 1, b: 2}", ["line 1, column 11", "'b'"]),
        (b"a: \xff\xfe", ["UTF-8", "byte 3"]),
        ("a: 1".encode("utf-16"), ["UTF-8", "byte 0"]),
        ("a: [1, 2\nb: 3\n", ["line 2, column 2", "','", "']'", "':'"]),
        ("a:\n\t- b", ["line 2, column 1", r"'\t'"]),
        ("a: *nowhere", ["line 1, column 4", "nowhere"]),
        ("a: 1\n---\nb: 2", ["line 2, column 1"]),
        ("a: 2020-13-45", ["line 1, column 4", "2020-13-45"]),
        ("a: \0", ["#x0000"]),
        ("[" * 5000, []),
        *((f"a: {n}", ["line 1, column 4", f"'{n[:90]}"]) for n in (f"0x{'f' * 5000}", "9" * 20, ".inf", "1e999")),
        (f"a: {':'.join(['1'] * 300)}.5", ["float"]),  # to base 60
        *((f"a: !!{kind} x", ["line 1, column 4", "'x'", kind]) for kind in ("int", "float", "bool", "timestamp")),
        (r'a: "\UFFFFFFFF"', []),
        (r'a: "\ud800"', ["line 1, column 4", r"'\ud800'"]),
        (r'plugin: "a\0b"', ["line 1, column 9", r"'a\x00b'"]),
        *((f"a: &a {itself}", ["line 1, column 4", "recursive"]) for itself in ("[*a]", "{b: *a}")),
        (bomb("{<<: [", "]}"), ["<<", "10,000"]),
        (bomb("[", "]") + "\n? *j\n: 1", ["unhashable"]),
    ],
    ids=lambda value: str(value)[:20] if isinstance(value, (str, bytes)) else "",
)
def test_what_is_no_yaml_is_refused_with_its_place(write, content, facts):
    assert_names(complaint(write(content)), *facts)


def test_nothing_of_a_file_is_executed(write, tmp_path):
    complaint(write(f"a: !!python/object/apply:os.mkdir ['{tmp_path / 'made'}']"))

    assert not (tmp_path / "made").exists()


def test_a_missing_file_or_a_folder_is_an_input_error(tmp_path):
    assert_names(complaint(tmp_path / "nowhere.yaml"), "No such file")
    assert_names(complaint(tmp_path), "directory")
    assert issubclass(YamlError, InputError)


@pytest.mark.parametrize(
    ("text", "value"),
    [("3", 3), ("lstm", "lstm"), ("[1, 2]", [1, 2]), ("{a: 1}", {"a": 1}), ("null", None), ("", None), ("true", True)],
)
def test_an_option_is_read_as_yaml_reads_it(text, value):
    assert parse_yaml(text, "--set x") == value


def test_a_broken_option_is_named():
    with pytest.raises(YamlError) as refused:
        parse_yaml("[", "--set a=[")
    assert_names(refused, "--set a=[", "line 1, column 2")
