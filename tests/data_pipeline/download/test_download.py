"""A file is fetched once, resumed where it broke off, and never mixed from two versions."""

import io
import subprocess
import sys

import pytest

import data_pipeline.download
from data_pipeline.download import CHUNK
from tests.helpers.facts import assert_names
from tests.helpers.file_server import CONTENT, MD5, fetch, interrupt, refusal


def test_the_file_is_fetched_once_and_again_only_when_it_changed(server, path, capfd, caplog):
    fetch(server, path)
    fetch(server, path)

    assert path.read_bytes() == CONTENT
    assert {file.name for file in path.parent.iterdir()} <= {"file.tar.gz", "file.tar.gz.lock"}
    assert server.log == [(None, 200, len(CONTENT))]
    assert capfd.readouterr() == ("", "")

    path.write_bytes(CONTENT[:-1])
    fetch(server, path)
    assert path.read_bytes() == CONTENT
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert_names(caplog.text, path)


def test_an_interrupted_download_resumes_with_a_bar_on_a_terminal(server, path, partial, monkeypatch):
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    interrupt(server, path, monkeypatch)
    assert partial.read_bytes() == CONTENT[: 4 * CHUNK]
    assert not path.exists()

    fetch(server, path)
    assert path.read_bytes() == CONTENT
    assert server.log == [(f"bytes={4 * CHUNK}-", 206, len(CONTENT) - 4 * CHUNK)]
    assert_names(sys.stderr.getvalue(), "file.tar.gz:   0%", "file.tar.gz:  35%", "262k/753k")


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


NO_VERSION, WEAK, DAMAGED = {}, {"ETag": 'W/"1"'}, [b"", b"\0\0\0", b'"1"\nX-Other: 2', b"\xff\xfe\x85"]


@pytest.mark.parametrize("version", [NO_VERSION, WEAK, *DAMAGED])
def test_without_a_usable_version_the_download_starts_over(server, path, partial, monkeypatch, version):
    if version in (NO_VERSION, WEAK):
        server.version = version
    interrupt(server, path, monkeypatch)
    if version in DAMAGED:
        partial.with_name(f"{partial.name}.version").write_bytes(version)

    fetch(server, path)
    assert path.read_bytes() == CONTENT
    assert [(status, sent) for _, status, sent in server.log] == [(200, len(CONTENT))]


def test_a_connection_that_breaks_off_is_resumed(server, path):
    server.cuts = [300_000, 200_000]

    fetch(server, path)
    assert path.read_bytes() == CONTENT
    assert server.log == [(None, 200, 300_000), ("bytes=300000-", 206, 200_000), ("bytes=500000-", 206, 253_000)]


def test_after_five_attempts_a_download_fails_and_the_next_one_resumes(server, path, partial):
    server.cuts = [100_000] * data_pipeline.download.ATTEMPTS

    assert_names(refusal(server.url, path), server.url, "5 times")
    assert partial.read_bytes() == CONTENT[:500_000]
    fetch(server, path)
    assert server.log[-1] == ("bytes=500000-", 206, 253_000)


def test_a_server_that_goes_away_meanwhile_is_asked_five_times(server, path, partial, monkeypatch):
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


@pytest.mark.parametrize(("trait", "value", "statuses"), [("ranges", False, [200]), ("wrong_part", True, [206, 200])])
def test_a_server_that_cannot_send_the_rest_sends_the_whole_file_again(
    server, path, monkeypatch, trait, value, statuses
):
    interrupt(server, path, monkeypatch)
    setattr(server, trait, value)

    fetch(server, path)
    assert path.read_bytes() == CONTENT
    assert [status for _, status, _ in server.log] == statuses
    assert server.log[-1][2] == len(CONTENT)


@pytest.mark.parametrize("cuts", [[], [400_000]], ids=["in one go", "resumed"])
def test_a_file_that_changed_meanwhile_is_fetched_from_its_start(server, path, monkeypatch, cuts):
    server.content, server.version = b"old" * 200_000, {"ETag": '"0"'}
    interrupt(server, path, monkeypatch)
    server.content, server.version, server.cuts = CONTENT, {"ETag": '"1"'}, list(cuts)

    fetch(server, path)
    assert path.read_bytes() == CONTENT
    rest = [("bytes=400000-", 206, 353_000)] if cuts else []
    assert server.log == [(f"bytes={4 * CHUNK}-", 200, *(cuts or [len(CONTENT)])), *rest]


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


@pytest.mark.parametrize("headers", [{"Content-Encoding": "x-gzip"}, {"Content-Length": None}])
def test_an_archive_is_not_unpacked_and_needs_no_announced_length(server, path, headers):
    server.other_headers = headers

    fetch(server, path)
    assert path.read_bytes() == CONTENT


def test_a_redirect_is_followed_and_a_download_resumed_through_it(server, path, monkeypatch):
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
