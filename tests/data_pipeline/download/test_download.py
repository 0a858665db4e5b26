"""A file fetched once, gone on with where it broke off, and never mixed from two versions."""

import io
import subprocess
import sys

import pytest

import data_pipeline.download
from data_pipeline.download import CHUNK
from tests.helpers.file_server import CONTENT, MD5, fetch, interrupt, refusal


def test_the_file_is_fetched_once_and_nothing_but_its_lock_stays_beside_it(server, path, capfd):
    fetch(server, path)
    fetch(server, path)

    assert path.read_bytes() == CONTENT
    assert {file.name for file in path.parent.iterdir()} <= {"file.tar.gz", "file.tar.gz.lock"}
    assert server.log == [(None, 200, len(CONTENT))]
    assert capfd.readouterr() == ("", "")


def test_on_a_terminal_a_bar_tells_how_far_it_is(server, path, monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setattr(sys, "stderr", Terminal())
    interrupt(server, path, monkeypatch)
    fetch(server, path)

    assert "file.tar.gz:   0%" in sys.stderr.getvalue()
    assert "file.tar.gz:  35%" in sys.stderr.getvalue()  # where the second one went on
    assert "262k/753k" in sys.stderr.getvalue()


def test_an_interrupted_download_is_continued_and_only_the_rest_is_transferred(server, path, partial, monkeypatch):
    interrupt(server, path, monkeypatch)
    assert partial.read_bytes() == CONTENT[: 4 * CHUNK]
    assert not path.exists()

    fetch(server, path)
    assert path.read_bytes() == CONTENT
    assert server.log == [(f"bytes={4 * CHUNK}-", 206, len(CONTENT) - 4 * CHUNK)]


@pytest.mark.parametrize(
    "version",
    [
        {"Last-Modified": "Sun, 26 Jun 2011 01:33:07 GMT"},
        {"ETag": 'W/"1"', "Last-Modified": "Sun, 26 Jun 2011 01:33:07 GMT"},
    ],
    ids=["a date", "a weak ETag and a date"],
)
def test_a_server_without_a_strong_etag_is_asked_by_date(server, path, monkeypatch, version):
    server.version = version
    interrupt(server, path, monkeypatch)

    fetch(server, path)
    assert [status for _, status, _ in server.log] == [206]


@pytest.mark.parametrize("version", [{}, {"ETag": 'W/"1"'}], ids=["no version", "a weak ETag alone"])
def test_without_a_version_to_ask_for_the_download_starts_over(server, path, monkeypatch, version):
    server.version = version
    interrupt(server, path, monkeypatch)

    fetch(server, path)
    assert path.read_bytes() == CONTENT
    assert server.log == [(None, 200, len(CONTENT))]


@pytest.mark.parametrize("version", [b"", b"\0\0\0", b'"1"\nX-Other: 2', b"\xff\xfe\x85"])
def test_a_damaged_version_file_makes_the_download_start_over(server, path, partial, monkeypatch, version):
    interrupt(server, path, monkeypatch)
    partial.with_name(f"{partial.name}.version").write_bytes(version)

    fetch(server, path)
    assert path.read_bytes() == CONTENT
    assert [status for _, status, _ in server.log] == [200]


def test_a_connection_that_breaks_off_is_continued(server, path):
    server.cuts = [300_000, 200_000]

    fetch(server, path)
    assert path.read_bytes() == CONTENT
    assert server.log == [
        (None, 200, 300_000),
        ("bytes=300000-", 206, 200_000),
        ("bytes=500000-", 206, 253_000),
    ]


def test_a_connection_that_always_breaks_off_is_given_up_and_what_came_is_kept(server, path, partial):
    server.cuts = [100_000] * data_pipeline.download.ATTEMPTS

    assert "broke off 5 times" in refusal(server.url, path)
    assert partial.read_bytes() == CONTENT[:500_000]
    fetch(server, path)
    assert server.log[-1] == ("bytes=500000-", 206, 253_000)


def test_a_server_that_goes_away_meanwhile_is_asked_again_a_few_times(server, path, partial, monkeypatch):
    import requests

    asked = []

    def get(*args, real=requests.get, **kwargs):
        asked.append(args)
        if len(asked) > 1:
            raise requests.ConnectionError("the network is down")
        return real(*args, **kwargs)

    server.cuts = [300_000]
    monkeypatch.setattr(requests, "get", get)

    assert "the network is down" in refusal(server.url, path)
    assert len(asked) == data_pipeline.download.ATTEMPTS
    assert partial.stat().st_size == 300_000


def test_a_server_that_ignores_ranges_sends_the_whole_file_again(server, path, monkeypatch):
    interrupt(server, path, monkeypatch)
    server.ranges = False

    fetch(server, path)
    assert path.read_bytes() == CONTENT
    assert server.log == [(f"bytes={4 * CHUNK}-", 200, len(CONTENT))]


def test_a_server_that_answers_with_another_part_is_asked_for_the_whole_file(server, path, monkeypatch):
    interrupt(server, path, monkeypatch)
    server.wrong_part = True

    fetch(server, path)
    assert path.read_bytes() == CONTENT
    assert [status for _, status, _ in server.log] == [206, 200]


def test_a_file_that_changed_meanwhile_is_fetched_from_its_start(server, path, monkeypatch):
    server.content, server.version = b"old" * 200_000, {"ETag": '"0"'}
    interrupt(server, path, monkeypatch)
    server.content, server.version = CONTENT, {"ETag": '"1"'}

    fetch(server, path)
    assert path.read_bytes() == CONTENT
    assert server.log == [(f"bytes={4 * CHUNK}-", 200, len(CONTENT))]


def test_a_file_that_changed_meanwhile_is_continued_in_its_new_version(server, path, monkeypatch):
    server.content, server.version = b"old" * 200_000, {"ETag": '"0"'}
    interrupt(server, path, monkeypatch)
    server.content, server.version = CONTENT, {"ETag": '"1"'}
    server.cuts = [400_000]

    fetch(server, path)
    assert path.read_bytes() == CONTENT
    assert [(status, sent) for _, status, sent in server.log] == [(200, 400_000), (206, 353_000)]


def test_a_file_that_changed_since_it_was_fetched_is_fetched_again(server, path, caplog):
    fetch(server, path)
    path.write_bytes(CONTENT[:-1])

    fetch(server, path)
    assert path.read_bytes() == CONTENT
    assert f"{path} is not what was fetched and is fetched again" in caplog.text


def test_a_partial_file_that_is_whole_needs_no_server(server, path, partial):
    path.parent.mkdir()
    partial.write_bytes(CONTENT)

    fetch(server, path)
    assert path.read_bytes() == CONTENT
    assert not partial.exists()
    assert server.log == []


def test_a_partial_file_that_is_too_long_is_thrown_away(server, path, partial, monkeypatch):
    interrupt(server, path, monkeypatch)
    partial.write_bytes(CONTENT + b"more")

    fetch(server, path)
    assert path.read_bytes() == CONTENT
    assert [status for _, status, _ in server.log] == [416, 200]


def test_an_archive_labelled_as_compressed_is_kept_as_it_is(server, path):
    server.other_headers = {"Content-Encoding": "x-gzip"}

    fetch(server, path)
    assert path.read_bytes() == CONTENT


def test_a_server_that_does_not_say_how_long_its_file_is_will_do(server, path):
    server.other_headers = {"Content-Length": None}

    fetch(server, path)
    assert path.read_bytes() == CONTENT


def test_a_redirect_is_followed_and_a_download_continued_through_it(server, path, monkeypatch):
    server.redirect = f"http://localhost:{server.server_port}/elsewhere"
    interrupt(server, path, monkeypatch)

    fetch(server, path)
    assert path.read_bytes() == CONTENT
    assert [status for _, status, _ in server.log] == [302, 206]


def test_of_two_processes_one_fetches_and_both_find_the_file(server, path):
    program = (
        "import pathlib, sys\nfrom data_pipeline.download import download\n"
        "print('ready', flush=True)\n"
        "download(sys.argv[1], pathlib.Path(sys.argv[2]), sys.argv[3], advice='')\n"
        "print(pathlib.Path(sys.argv[2]).stat().st_size)"
    )
    command = [sys.executable, "-c", program, server.url, str(path), MD5]
    server.answer.clear()
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    assert [process.stdout.readline() for process in processes] == ["ready\n"] * 2
    server.answer.set()

    assert [process.communicate(timeout=60)[0] for process in processes] == [f"{len(CONTENT)}\n"] * 2
    assert server.log == [(None, 200, len(CONTENT))]


def test_importing_it_imports_no_requests():
    program = "import sys, data_pipeline.download; sys.exit('requests' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
