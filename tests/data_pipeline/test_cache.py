import logging
import subprocess
import sys
import threading

import pytest

from data_pipeline.cache import cached_entry
from data_pipeline.files import SUMS_FILE
from tests.helpers.facts import assert_names


class Entry:
    """An entry of one text file that counts how often it is built."""

    def __init__(self, folder):
        self.folder = folder
        self.built = 0

    def get(self):
        return cached_entry(self.folder, self.build, self.open)

    def build(self, folder):
        self.built += 1
        (folder / "text").write_text("whole")

    @staticmethod
    def open(folder):
        text = (folder / "text").read_text()
        if text != "whole":
            raise ValueError("cut short")
        return text


@pytest.fixture
def entry(tmp_path):
    return Entry(tmp_path / "cache" / "key")


@pytest.mark.parametrize(
    "damage",
    [
        lambda file: file.write_text("who"),
        lambda file: file.write_text("whule"),
        lambda file: file.unlink(),
        lambda file: file.with_name(SUMS_FILE).unlink(),
        lambda file: file.with_name(SUMS_FILE).write_bytes(b"\xff"),
    ],
)
def test_a_damaged_entry_is_built_again_and_logged(entry, damage, caplog):
    assert [entry.get(), entry.get()] == ["whole", "whole"]
    assert entry.built == 1

    damage(entry.folder / "text")
    with caplog.at_level(logging.WARNING):
        assert entry.get() == "whole"
    assert entry.built == 2
    [record] = caplog.records
    assert_names(record.getMessage(), entry.folder)


@pytest.mark.parametrize("name", ["key", "key.unfinished"])
@pytest.mark.parametrize("resumable", [False, True])
@pytest.mark.parametrize("put", [lambda path: path.write_text("a file"), lambda path: path.symlink_to(".")])
def test_a_file_or_a_link_in_the_place_of_an_entry_is_replaced(entry, name, resumable, put):
    entry.folder.parent.mkdir()
    put(entry.folder.with_name(name))

    assert cached_entry(entry.folder, entry.build, entry.open, resumable=resumable) == "whole"
    assert not entry.folder.is_symlink()
    assert entry.get() == "whole"


def test_a_build_that_can_resume_finds_what_an_interrupted_one_left(entry):
    def interrupted(folder):
        (folder / "half").write_text("half")
        raise KeyboardInterrupt

    def resume(folder):
        assert (folder / "half").read_text() == "half"
        (folder / "text").write_text("whole")

    with pytest.raises(KeyboardInterrupt):
        cached_entry(entry.folder, interrupted, entry.open, resumable=True)
    assert not entry.folder.exists()

    assert cached_entry(entry.folder, resume, entry.open, resumable=True) == "whole"


def test_a_build_that_fails_leaves_nothing_behind(entry):
    def fail(folder):
        (folder / "text").write_text("who")
        raise RuntimeError("out of luck")

    with pytest.raises(RuntimeError, match="out of luck"):
        cached_entry(entry.folder, fail, entry.open)

    assert [path.name for path in entry.folder.parent.iterdir() if path.is_dir()] == []
    assert entry.get() == "whole"


def test_a_process_killed_while_building_is_no_obstacle(entry):
    program = (
        "import os, pathlib, sys; from data_pipeline.cache import cached_entry\n"
        "def build(folder):\n    (folder / 'text').write_text('who'); os._exit(9)\n"
        "cached_entry(pathlib.Path(sys.argv[1]), build, print)"
    )
    killed = subprocess.run([sys.executable, "-c", program, str(entry.folder)], check=False)

    assert killed.returncode == 9
    assert not entry.folder.exists()
    assert entry.get() == "whole"


def test_the_second_of_two_at_once_waits_and_uses_what_the_first_built(entry):
    building, may_finish = threading.Event(), threading.Event()

    def slow_build(folder):
        building.set()
        may_finish.wait(10)
        entry.build(folder)

    found = []
    first = threading.Thread(target=lambda: found.append(cached_entry(entry.folder, slow_build, entry.open)))
    second = threading.Thread(target=lambda: found.append(entry.get()))
    first.start()
    building.wait(10)
    second.start()
    second.join(0.2)
    assert entry.built == 0
    may_finish.set()
    first.join(10)
    second.join(10)

    assert found == ["whole", "whole"]
    assert entry.built == 1
