"""Check the facts of a message, so that its wording can improve."""

import pytest


def assert_names(message: str | pytest.ExceptionInfo[BaseException], *facts: object) -> None:
    """Assert that the message names every fact: a key path, a value, a file, a command."""
    text = str(message.value) if isinstance(message, pytest.ExceptionInfo) else message
    missing = [str(fact) for fact in facts if str(fact) not in text]
    assert not missing, f"{missing} not in {text!r}"


def error_lines(stderr: str) -> list[str]:
    """Return the messages on standard error, of which each line must be one."""
    lines = stderr.splitlines()
    assert lines
    assert all(line.startswith("error: ") for line in lines), stderr
    return [line.removeprefix("error: ") for line in lines]
