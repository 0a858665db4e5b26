import os
import stat
import sys
import tempfile
import threading
from pathlib import Path

import pytest

from benchmark.output import OutputError, PlainStream, clip, say, spell_bytes, spell_seconds, write_folder, write_whole
from tests.helpers.facts import assert_names


@pytest.mark.parametrize(
    ("seconds", "spelled"),
    [
        (0, "0 s"),
        (0.4, "0.4 s"),
        (0.96, "1 s"),
        (59.4, "59 s"),
        (59.6, "1 min 00 s"),
        (200, "3 min 20 s"),
        (3599.7, "1 h 00 min"),
        (7500, "2 h 05 min"),
        (100_000, "27 h 46 min"),
    ],
)
def test_seconds_are_spelled_for_people(seconds, spelled):
    assert spell_seconds(seconds) == spelled


def test_small_sizes_are_not_rounded_to_nothing():
    assert [spell_bytes(count) for count in (500, 40_000, 3e7, 5e9)] == ["0.5 KiB", "39.1 KiB", "28.6 MiB", "4.7 GiB"]


HOSTILE = "red \x1b[31m, \x9b2J, \u202eflipped\u2028 and \ud800 gone\r"
ESCAPED = r"red \x1b[31m, \x9b2J, \u202eflipped\u2028 and \ud800 gone\r"
ORDINARY = "naïve 映画\u3000\u00a0👨\u200d👩 می\u200cخواهم"


class TestATerminal:
    def test_gets_no_character_that_it_would_obey(self, capsys):
        say(f"{HOSTILE}\n")
        print(HOSTILE, ORDINARY, sep="\n", file=PlainStream(sys.stdout))

        shown = capsys.readouterr()
        assert (shown.out, shown.err) == (f"{ESCAPED}\n{ORDINARY}\n", f"{ESCAPED}\n\n")

    def test_shows_a_clipped_text_in_one_line_of_its_width(self):
        assert clip(f" two\nlines\t{ORDINARY}", 40) == f"two lines {' '.join(ORDINARY.split())}"
        assert clip(HOSTILE, 200) == ESCAPED.replace(r"\u2028", "").removesuffix(r"\r")
        assert len(clip("\x1b" * 50, 20)) == 20


@pytest.fixture
def plain_user():
    """A folder of a user without root's rights, who this process is meanwhile."""
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        user = os.geteuid() or 65534
        os.chown(name, user, -1)
        previous = os.geteuid()
        os.seteuid(user)
        yield Path(name)
        os.seteuid(previous)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


class TestAFile:
    def test_is_replaced_in_one_step_and_leaves_nothing_else(self, tmp_path):
        path = tmp_path / "new" / "t.md"
        write_whole(path, "old")
        with path.open() as reader:
            write_whole(path, "new\n")
            assert reader.read() == "old"
        assert path.read_text() == "new\n"
        assert list(path.parent.iterdir()) == [path]

    @pytest.mark.parametrize("permissions", [0o600, 0o664])
    def test_keeps_its_mode_and_a_new_one_has_the_usual(self, tmp_path, permissions):
        path, new, usual = (tmp_path / name for name in ("old", "new", "usual"))
        path.touch()
        path.chmod(permissions)
        usual.touch()
        for each in (path, new):
            write_whole(each, "text")

        assert (mode(path), mode(new)) == (permissions, mode(usual))

    def test_keeps_its_owner_when_root_replaces_it(self, tmp_path):
        path = tmp_path / "t.md"
        path.touch()
        owner = os.geteuid() or 65534
        os.chown(path, owner, -1)
        write_whole(path, "text")

        assert path.stat().st_uid == owner

    def test_that_may_not_be_written_stays_as_it_is(self, plain_user):
        path = plain_user / "t.md"
        path.write_text("old")
        path.chmod(0o444)

        with pytest.raises(OutputError) as error:
            write_whole(path, "new")
        assert_names(error, path)
        assert (path.read_text(), mode(path), list(plain_user.iterdir())) == ("old", 0o444, [path])

    def test_of_the_longest_name_is_written(self, tmp_path):
        path = tmp_path / ("x" * 255)
        write_whole(path, "text")
        assert path.read_text() == "text"

    def test_behind_a_link_is_replaced_and_the_link_stays(self, tmp_path):
        (tmp_path / "elsewhere").mkdir()
        target, link, dangling = tmp_path / "elsewhere" / "t.md", tmp_path / "link", tmp_path / "dangling"
        target.touch()
        link.symlink_to(target)
        dangling.symlink_to("elsewhere/new.md")
        for each in (link, dangling):
            write_whole(each, "text")

        assert link.is_symlink()
        assert dangling.is_symlink()
        assert [path.read_text() for path in sorted((tmp_path / "elsewhere").iterdir())] == ["text"] * 2

    def test_planted_links_of_any_predictable_name_do_nothing(self, tmp_path):
        victim = tmp_path / "victim"
        victim.write_text("precious")
        for name in (".t.md.partial", "t.md.partial", ".t.md.tmp"):
            (tmp_path / name).symlink_to(victim)
        write_whole(tmp_path / "t.md", "text")

        assert victim.read_text() == "precious"

    @pytest.mark.parametrize("name", [".", "", "there", "a-file/t.md", "loop"])
    def test_that_cannot_be_is_named_and_nothing_changes(self, tmp_path, name):
        (tmp_path / "there").mkdir()
        (tmp_path / "a-file").touch()
        (tmp_path / "loop").symlink_to("loop")
        before = sorted(tmp_path.iterdir())

        with pytest.raises(OutputError) as error:
            write_whole(tmp_path / name, "text")
        assert_names(error, tmp_path / name)
        assert sorted(tmp_path.iterdir()) == before


class TestWhatIsNoFile:
    def test_a_pipe_gets_the_text_and_stays(self, tmp_path):
        pipe = tmp_path / "pipe"
        os.mkfifo(pipe)
        read: list[str] = []
        reader = threading.Thread(target=lambda: read.append(pipe.read_text()))
        reader.start()
        write_whole(pipe, "text")
        reader.join()

        assert read == ["text"]
        assert pipe.is_fifo()

    def test_a_device_stays(self):
        write_whole(Path("/dev/null"), "text")
        assert Path("/dev/null").is_char_device()
        with pytest.raises(OutputError) as error:
            write_whole(Path("/dev/full"), "text")
        assert_names(error, "/dev/full")

    @pytest.mark.parametrize("folder", ["/dev/fd", "/proc/self/fd"])
    def test_an_open_pipe_gets_the_text_as_of_a_shells_process_substitution(self, folder):
        reading, writing = os.pipe()
        write_whole(Path(folder, str(writing)), "text")
        os.close(writing)

        with os.fdopen(reading) as pipe:
            assert pipe.read() == "text"

    def test_an_open_file_goes_on_where_it_is(self, tmp_path):
        link = tmp_path / "link"  # as /dev/stdout is
        with (tmp_path / "out").open("w") as file:
            print("before", file=file, flush=True)
            link.symlink_to(f"/dev/fd/{file.fileno()}")
            write_whole(link, "text")

        assert (tmp_path / "out").read_text() == "before\ntext"


@pytest.mark.parametrize(
    "write", [lambda path: write_whole(path, "text"), lambda path: write_folder(path, Path.iterdir)]
)
def test_a_tilde_that_no_shell_expanded_is_the_home_folder(tmp_path, monkeypatch, write):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    write(Path("~/t"))

    assert [path.name for path in tmp_path.iterdir()] == ["home"]
    assert [path.name for path in (tmp_path / "home").iterdir()] == ["t"]


class TestAFolder:
    @staticmethod
    def fill(folder: Path) -> None:
        (folder / "a").write_text("a")

    def test_is_made_or_an_empty_one_filled_also_behind_a_link(self, tmp_path):
        for name in ("empty", "behind"):
            (tmp_path / name).mkdir()
        (tmp_path / "empty").chmod(0o750)
        (tmp_path / "link").symlink_to("behind")
        for name in ("new/deeper", "empty", "link"):
            write_folder(tmp_path / name, self.fill)
            assert [path.name for path in (tmp_path / name).iterdir()] == ["a"]

        assert (tmp_path / "link").is_symlink()
        assert mode(tmp_path / "empty") == 0o750
        assert sorted(path.name for path in tmp_path.iterdir()) == ["behind", "empty", "link", "new"]

    def test_that_fails_half_way_leaves_nothing(self, tmp_path):
        def fail(folder: Path) -> None:
            self.fill(folder)
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            write_folder(tmp_path / "new", fail)
        assert list(tmp_path.iterdir()) == []

        write_folder(tmp_path / "old", self.fill)
        with pytest.raises(KeyboardInterrupt):
            write_folder(tmp_path / "old", fail, lambda _: True)
        assert [path.relative_to(tmp_path).as_posix() for path in sorted(tmp_path.rglob("*"))] == ["old", "old/a"]

    def test_is_replaced_as_a_whole_where_it_may_be(self, tmp_path):
        (tmp_path / "old").mkdir()
        (tmp_path / "old" / "b").touch()
        with pytest.raises(OutputError):
            write_folder(tmp_path / "old", self.fill)
        write_folder(tmp_path / "old", self.fill, lambda folder: (folder / "b").exists())

        assert [path.relative_to(tmp_path).as_posix() for path in sorted(tmp_path.rglob("*"))] == ["old", "old/a"]
