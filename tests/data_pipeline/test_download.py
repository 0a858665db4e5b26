"""A file is downloaded once, resumed where it broke off, and checked by its hash."""

import hashlib
import io
import shutil
import socket
import subprocess
import sys

import pytest

import data_pipeline.download
from data_pipeline.download import ATTEMPTS, CHUNK
from tests.helpers.facts import assert_names
from tests.helpers.file_server import CONTENT, HASH, MD5, fetch, interrupt, refusal


@pytest.fixture
def path(tmp_path):
    return tmp_path / "data" / "file.tar.gz"


@pytest.fixture
def partial(path):
    return path.with_name("file.tar.gz.partial")


@pytest.fixture(autouse=True)
def no_pause(monkeypatch):
    monkeypatch.setattr(data_pipeline.download, "PAUSE_SECONDS", 0)


def test_the_file_is_downloaded_once_and_again_only_when_it_changed(server, path, capfd, caplog):
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


class TestResuming:
    def test_an_interrupted_download_resumes_with_a_bar_on_a_terminal(self, server, path, partial, monkeypatch):
        monkeypatch.setattr(sys, "stderr", io.StringIO())
        monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
        interrupt(server, path, monkeypatch)
        assert partial.read_bytes() == CONTENT[: 4 * CHUNK]
        assert not path.exists()

        fetch(server, path)
        assert path.read_bytes() == CONTENT
        assert server.log == [(f"bytes={4 * CHUNK}-", 206, len(CONTENT) - 4 * CHUNK)]
        assert_names(sys.stderr.getvalue(), "file.tar.gz:   0%", "file.tar.gz:  35%", "262k/753k")

    def test_a_connection_that_breaks_off_is_resumed(self, server, path):
        server.cuts = [300_000, 200_000]

        fetch(server, path)
        assert path.read_bytes() == CONTENT
        assert server.log == [(None, 200, 300_000), ("bytes=300000-", 206, 200_000), ("bytes=500000-", 206, 253_000)]

    def test_after_five_attempts_a_download_fails_and_the_next_one_resumes(self, server, path, partial):
        server.cuts = [100_000] * ATTEMPTS

        assert_names(refusal(server.url, path), server.url, "5 times", "resume")
        assert partial.read_bytes() == CONTENT[:500_000]
        fetch(server, path)
        assert server.log[-1] == ("bytes=500000-", 206, 253_000)

    def test_a_server_that_goes_away_meanwhile_is_asked_five_times(self, server, path, partial, monkeypatch):
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
        assert len(asked) == ATTEMPTS
        assert partial.stat().st_size == 300_000

    def test_a_server_that_cannot_send_the_rest_sends_the_whole_file_again(self, server, path, monkeypatch):
        interrupt(server, path, monkeypatch)
        server.ranges = False

        fetch(server, path)
        assert path.read_bytes() == CONTENT
        assert [(status, sent) for _, status, sent in server.log] == [(200, len(CONTENT))]

    def test_a_mixture_of_two_versions_is_refused_and_the_next_download_starts_over(self, server, path, monkeypatch):
        server.content = b"old" * 200_000
        interrupt(server, path, monkeypatch)
        server.content = CONTENT

        assert_names(refusal(server.url, path), server.url, MD5)
        fetch(server, path)
        assert path.read_bytes() == CONTENT
        assert [status for _, status, _ in server.log] == [206, 200]

    def test_a_partial_file_that_is_whole_needs_no_server(self, server, path, partial):
        path.parent.mkdir()
        partial.write_bytes(CONTENT)

        fetch(server, path)
        assert path.read_bytes() == CONTENT
        assert not partial.exists()
        assert server.log == []

    def test_a_partial_file_that_is_too_long_is_deleted(self, server, path, partial):
        path.parent.mkdir()
        partial.write_bytes(CONTENT + b"more")

        fetch(server, path)
        assert path.read_bytes() == CONTENT
        assert [status for _, status, _ in server.log] == [416, 200]

    def test_a_redirect_is_followed_and_a_download_resumed_through_it(self, server, path, monkeypatch):
        server.redirect = f"http://localhost:{server.server_port}/elsewhere"
        interrupt(server, path, monkeypatch)

        fetch(server, path)
        assert path.read_bytes() == CONTENT
        assert [status for _, status, _ in server.log] == [302, 206]


@pytest.mark.parametrize("headers", [{"Content-Encoding": "x-gzip"}, {"Content-Length": None}])
def test_an_archive_is_not_unpacked_and_needs_no_announced_length(server, path, headers):
    server.other_headers = headers

    fetch(server, path)
    assert path.read_bytes() == CONTENT


def test_of_two_processes_one_downloads_and_both_find_the_file(server, path):
    program = (
        "import pathlib, sys\nfrom data_pipeline.download import download\n"
        "assert 'requests' not in sys.modules\nprint('ready', flush=True)\n"
        "download(sys.argv[1], pathlib.Path(sys.argv[2]), sys.argv[3], advice='')\n"
        "print(pathlib.Path(sys.argv[2]).stat().st_size)"
    )
    command = [sys.executable, "-c", program, server.url, str(path), HASH]
    server.answer.clear()
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    assert [process.stdout.readline() for process in processes] == ["ready\n"] * 2
    server.answer.set()

    assert [process.communicate(timeout=60)[0] for process in processes] == [f"{len(CONTENT)}\n"] * 2
    assert server.log == [(None, 200, len(CONTENT))]


class TestRefusals:
    def test_wrong_content_is_refused_and_deleted(self, server, path, partial):
        server.content = b"<html>please log in</html>"
        found = hashlib.md5(server.content, usedforsecurity=False).hexdigest()

        assert_names(refusal(server.url, path), server.url, MD5, found)
        assert not partial.exists()

    @pytest.mark.parametrize("status", [404, 503])
    def test_an_error_status_is_reported_at_once_and_leaves_the_partial_file(
        self, server, path, partial, monkeypatch, status
    ):
        interrupt(server, path, monkeypatch)
        server.status = status

        assert_names(refusal(server.url, path), server.url, status)
        assert len(server.log) == 1
        assert partial.stat().st_size == 4 * CHUNK

    def test_https_may_not_lead_to_plain_http(self, server, path, monkeypatch):
        import requests

        def get(url, real=requests.get, **kwargs):
            return real(url.replace("https:", "http:"), **kwargs)

        monkeypatch.setattr(requests, "get", get)

        url = server.url.replace("http:", "https:")
        assert_names(refusal(url, path), url, server.url)

    def test_a_redirection_to_another_protocol_is_refused(self, server, path):
        server.redirect = "ftp://127.0.0.1/file.tar.gz"
        assert_names(refusal(server.url, path), server.redirect)

    def test_a_refused_connection_is_reported_even_while_the_caller_handles_another_error(self, path):
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))  # nobody listens there, and nobody else gets the port
            url = f"http://127.0.0.1:{unused.getsockname()[1]}/a"
            try:
                raise KeyError("no such entry")
            except KeyError:
                message = refusal(url, path)
        assert_names(message, url, "Connection refused")
        assert "no such entry" not in message

    def test_a_server_that_does_not_answer_is_given_up(self, server, path, monkeypatch):
        monkeypatch.setattr(data_pipeline.download, "TIMEOUTS", (10, 0.05))
        server.answer.clear()

        message = refusal(server.url, path)
        server.answer.set()
        assert_names(message, server.url, "timed out")

    def test_a_disk_that_is_too_small_is_reported_before_anything_is_written(self, server, path, partial, monkeypatch):
        monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**6, 9 * 10**5, 10**5))

        assert_names(refusal(server.url, path), path.parent, server.url, "0.8 MB", "0.1 MB")
        assert not partial.exists()

    def test_a_resumed_download_needs_room_for_the_rest_only(self, server, path, monkeypatch):
        interrupt(server, path, monkeypatch)
        rest = len(CONTENT) - 4 * CHUNK
        monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**6, 10**6 - rest, rest))

        fetch(server, path)
        assert path.read_bytes() == CONTENT

    def test_a_disk_error_is_reported(self, server, path, monkeypatch):
        def full(_):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr("os.fsync", full)
        assert_names(refusal(server.url, path), path, "No space left on device")

        shutil.rmtree(path.parent)
        path.parent.write_text("a file where the folder should be")
        assert_names(refusal(server.url, path), path, "File exists")
