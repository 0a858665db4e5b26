"""YAML as people mean it; what is wrong with a file is told in one line that names it."""

import pytest

from benchmark.yaml_reader import YamlError, parse_scalar, read_yaml
from data_pipeline.errors import InputError


@pytest.fixture
def write(tmp_path):
    def write_file(content: str | bytes):
        path = tmp_path / "some.yaml"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write_file


def complaint(path) -> str:
    """The one line with which the file is refused."""
    with pytest.raises(YamlError) as caught:
        read_yaml(path)
    text = str(caught.value)
    assert "\n" not in text
    assert text.startswith(str(path))
    return text.removeprefix(str(path))


def test_a_file_is_read_as_plain_values(write):
    path = write("a: [1, two, null]\nb: {c: true}\n")

    assert read_yaml(path) == {"a": [1, "two", None], "b": {"c": True}}


def test_the_byte_order_mark_of_windows_editors_is_no_part_of_the_first_key(write):
    assert read_yaml(write("\ufeffa: 1")) == {"a": 1}


@pytest.mark.parametrize(
    ("text", "number"),
    [("1e-5", 1e-5), ("5E-5", 5e-5), ("1e3", 1000.0), ("-2e-1", -0.2), ("+1e2", 100.0), ("1.5e-3", 0.0015)],
)
def test_an_exponent_makes_a_float_with_or_without_a_dot(write, text, number):
    read = read_yaml(write(f"rate: {text}"))["rate"]

    assert (read, type(read)) == (number, float)
    assert parse_scalar(text, "--set") == number


@pytest.mark.parametrize("word", ["1e", "e-5", "1e-5s", "bert-1e5"])
def test_what_only_looks_like_an_exponent_stays_a_word(write, word):
    assert read_yaml(write(f"name: {word}")) == {"name": word}


def test_a_number_in_quotes_stays_a_word(write):
    assert read_yaml(write("name: '1e-5'")) == {"name": "1e-5"}


def test_a_key_given_twice_is_refused_with_its_place(write):
    path = write("experiments:\n  lstm: {epochs: 1}\n  rnn: {}\n  lstm: {epochs: 2}\n")

    assert complaint(path) == ", line 4, column 3: the name 'lstm' stands here twice; remove or rename one"


def test_a_key_given_twice_within_braces_is_refused(write):
    assert complaint(write("a: {b: 1, b: 2}")).startswith(", line 1, column 11: the name 'b' stands here twice")


def test_the_same_key_in_two_mappings_is_no_repetition(write):
    assert read_yaml(write("a: {epochs: 1}\nb: {epochs: 2}")) == {"a": {"epochs": 1}, "b": {"epochs": 2}}


def test_a_merged_mapping_may_be_changed(write):
    path = write("a: &a {epochs: 1, rate: 2}\nb: {<<: *a, epochs: 3}")

    assert read_yaml(path)["b"] == {"epochs": 3, "rate": 2}


def test_a_merged_mapping_may_be_merged_again_further_out(write):
    path = write("a: &a {epochs: 1}\nb: {c: &c {<<: *a, epochs: 2}}\nd: {<<: *c}\n")

    assert read_yaml(path) == {"a": {"epochs": 1}, "b": {"c": {"epochs": 2}}, "d": {"epochs": 2}}


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"a: \xff\xfe", ": not UTF-8 text (invalid start byte at byte 3)"),
        ("a: 1".encode("utf-16"), ": not UTF-8 text (invalid start byte at byte 0)"),
        ("a: [1, 2\nb: 3\n", ", line 2, column 2: expected ',' or ']', but got ':'"),
        ("a:\n\t- b", ", line 2, column 1: found character '\\t' that cannot start any token"),
        ("a: *nowhere", ", line 1, column 4: found undefined alias 'nowhere'"),
        ("a: 1\n---\nb: 2", ", line 2, column 1: but found another document"),
        ("a: 2020-13-45", ", line 1, column 4: '2020-13-45' is no timestamp"),
        ("a: \0", ": not YAML: unacceptable character #x0000"),
        ("[" * 5000, ": not YAML: maximum recursion depth exceeded"),
    ],
    ids=["not UTF-8", "UTF-16", "broken", "tab", "alias", "two documents", "no date", "NUL", "deep"],
)
def test_what_is_no_yaml_is_refused_with_its_place(write, content, fault):
    assert complaint(write(content)).startswith(fault)


def test_nothing_of_a_file_is_executed(write, tmp_path):
    path = write(f"a: !!python/object/apply:os.mkdir ['{tmp_path / 'made'}']")

    assert "could not determine a constructor" in complaint(path)
    assert not (tmp_path / "made").exists()


def test_a_missing_file_is_an_input_error(tmp_path):
    assert complaint(tmp_path / "nowhere.yaml") == ": cannot be read: No such file or directory"
    assert issubclass(YamlError, InputError)


def test_a_folder_is_no_file(tmp_path):
    assert complaint(tmp_path) == ": cannot be read: Is a directory"


@pytest.mark.parametrize(
    ("text", "value"),
    [("3", 3), ("lstm", "lstm"), ("[1, 2]", [1, 2]), ("{a: 1}", {"a": 1}), ("null", None), ("", None), ("true", True)],
)
def test_an_option_is_read_as_yaml_reads_it(text, value):
    assert parse_scalar(text, "--set x") == value


def test_a_broken_option_is_named():
    with pytest.raises(YamlError, match=r"^--set a=\[, line 1, column 2: "):
        parse_scalar("[", "--set a=[")
