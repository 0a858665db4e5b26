"""What a download is refused for, and what remains of it."""

import hashlib
import shutil
import socket

import pytest

import data_pipeline.download
from data_pipeline.download import CHUNK
from tests.helpers.facts import assert_names
from tests.helpers.file_server import CONTENT, MD5, fetch, interrupt, refusal


def test_two_versions_that_a_careless_server_mixed_are_refused(server, path, partial, monkeypatch):
    server.content, server.version = b"old" * 200_000, {"ETag": '"0"'}
    interrupt(server, path, monkeypatch)
    server.content, server.version, server.heeds_if_range = CONTENT, {"ETag": '"1"'}, False

    assert_names(refusal(server.url, path), server.url, MD5)
    fetch(server, path)
    assert path.read_bytes() == CONTENT


def test_wrong_content_is_refused_and_deleted(server, path, partial):
    server.content = b"<html>please log in</html>"

    message = refusal(server.url, path)
    assert_names(message, server.url, MD5, hashlib.md5(server.content, usedforsecurity=False).hexdigest())
    assert not partial.exists()


@pytest.mark.parametrize("status", [404, 503])
def test_an_error_status_is_reported_at_once_and_leaves_the_partial_file(server, path, partial, monkeypatch, status):
    interrupt(server, path, monkeypatch)
    server.status = status

    assert_names(refusal(server.url, path), server.url, status)
    assert len(server.log) == 1
    assert partial.stat().st_size == 4 * CHUNK


def test_https_may_not_lead_to_plain_http(server, path, monkeypatch):
    import requests

    def get(url, real=requests.get, **kwargs):
        return real(url.replace("https:", "http:"), **kwargs)

    monkeypatch.setattr(requests, "get", get)

    url = server.url.replace("http:", "https:")
    assert_names(refusal(url, path), url, server.url)


@pytest.mark.parametrize("url", ["file:///etc/hostname", "ftp://127.0.0.1/a", "a.tar.gz"])
def test_only_http_is_supported_for_the_file_and_its_redirections(server, path, url):
    assert_names(refusal(url, path), url, "http://", "https://")

    server.redirect = "ftp://127.0.0.1/file.tar.gz"
    assert_names(refusal(server.url, path), server.redirect)


def test_a_refused_connection_is_reported_even_while_the_caller_handles_another_error(path):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # nobody listens there, and nobody else gets the port
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/a"
        try:
            raise KeyError("no such entry")
        except KeyError:
            message = refusal(url, path)
    assert_names(message, url, "Connection refused")
    assert "no such entry" not in message


def test_an_unknown_host_is_reported(path, monkeypatch):
    def unknown(*_, **__):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)

    assert_names(refusal("http://no.such.host/a", path), "http://no.such.host/a", "Name or service not known")


def test_a_server_that_does_not_answer_is_given_up(server, path, monkeypatch):
    monkeypatch.setattr(data_pipeline.download, "TIMEOUTS", (10, 0.05))
    server.answer.clear()

    message = refusal(server.url, path)
    server.answer.set()
    assert_names(message, server.url, "timed out")


def test_a_disk_that_is_too_small_is_reported_before_anything_is_written(server, path, partial, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**6, 9 * 10**5, 10**5))

    assert_names(refusal(server.url, path), path.parent, server.url, "0.8 MB", "0.1 MB")
    assert not partial.exists()


def test_a_resumed_download_needs_room_for_the_rest_only(server, path, monkeypatch):
    interrupt(server, path, monkeypatch)
    rest = len(CONTENT) - 4 * CHUNK
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**6, 10**6 - rest, rest))

    fetch(server, path)
    assert path.read_bytes() == CONTENT


def test_a_download_that_starts_over_may_use_the_room_of_what_it_replaces(server, path, partial, monkeypatch):
    interrupt(server, path, monkeypatch)
    server.ranges = False

    def usage(_):
        used = partial.stat().st_size if partial.exists() else 0
        return shutil._ntuple_diskusage(len(CONTENT), used, len(CONTENT) - used)

    monkeypatch.setattr(shutil, "disk_usage", usage)

    fetch(server, path)
    assert path.read_bytes() == CONTENT


def test_a_folder_that_cannot_be_made_is_reported(server, path):
    path.parent.write_text("a file where the folder should be")

    assert_names(refusal(server.url, path), path, "File exists")


def test_a_disk_error_while_writing_is_reported(server, path, monkeypatch):
    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)

    assert_names(refusal(server.url, path), path, "No space left on device")
