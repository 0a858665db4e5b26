"""What a download is refused for, and what is left of it then."""

import hashlib
import shutil
import socket

import pytest

import data_pipeline.download
from data_pipeline.download import CHUNK
from tests.helpers.file_server import ADVICE, CONTENT, MD5, fetch, interrupt, refusal


def test_two_versions_that_a_careless_server_mixed_are_refused(server, path, partial, monkeypatch):
    server.content, server.version = b"old" * 200_000, {"ETag": '"0"'}
    interrupt(server, path, monkeypatch)
    server.content, server.version, server.heeds_if_range = CONTENT, {"ETag": '"1"'}, False

    assert "is not the file expected" in refusal(server.url, path)
    fetch(server, path)
    assert path.read_bytes() == CONTENT


def test_wrong_content_is_refused_and_deleted(server, path, partial):
    server.content = b"<html>please log in</html>"

    message = refusal(server.url, path)
    assert f"its md5 should be {MD5} and is {hashlib.md5(server.content, usedforsecurity=False).hexdigest()}" in message
    assert not partial.exists()


@pytest.mark.parametrize("status", [404, 503])
def test_an_error_status_is_told_at_once(server, path, status):
    server.status = status

    assert f"{server.url} cannot be fetched: {status} " in refusal(server.url, path)
    assert len(server.log) == 1


def test_an_error_status_leaves_what_came_before(server, path, partial, monkeypatch):
    interrupt(server, path, monkeypatch)
    server.status = 503

    refusal(server.url, path)
    assert partial.stat().st_size == 4 * CHUNK


def test_https_may_not_lead_to_plain_http(server, path, monkeypatch):
    import requests

    def get(url, real=requests.get, **kwargs):
        return real(url.replace("https:", "http:"), **kwargs)

    monkeypatch.setattr(requests, "get", get)

    assert "not encrypted" in refusal(server.url.replace("http:", "https:"), path)


def test_a_redirect_to_another_protocol_is_refused(server, path):
    server.redirect = "ftp://127.0.0.1/file.tar.gz"

    assert "ftp://127.0.0.1/file.tar.gz" in refusal(server.url, path)


@pytest.mark.parametrize("url", ["file:///etc/hostname", "ftp://127.0.0.1/a", "a.tar.gz"])
def test_only_http_is_spoken(path, url):
    assert "only http:// and https:// can" in refusal(url, path)


def test_a_refused_connection_is_told_even_while_the_caller_handles_another_error(path):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # nobody listens there, and nobody else gets the port
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/a"
        try:
            raise KeyError("no such entry")
        except KeyError:
            message = refusal(url, path)
    assert message == f"{url} cannot be fetched: Connection refused; check the network; {ADVICE}"


def test_an_unknown_name_is_told(path, monkeypatch):
    def unknown(*_, **__):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)

    assert "http://no.such.host/a cannot be fetched: Name or service not known;" in refusal(
        "http://no.such.host/a", path
    )


def test_a_server_that_does_not_answer_is_given_up(server, path, monkeypatch):
    monkeypatch.setattr(data_pipeline.download, "TIMEOUTS", (10, 0.05))
    server.answer.clear()

    message = refusal(server.url, path)
    server.answer.set()
    assert "cannot be fetched: timed out; check the network" in message


def test_a_disk_that_is_too_small_is_told_before_anything_is_written(server, path, partial, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**6, 9 * 10**5, 10**5))

    assert f"{path.parent} has too little room: {server.url} needs 0.8 MB and 0.1 MB are free" in refusal(
        server.url, path
    )
    assert not partial.exists()


def test_a_disk_that_needs_to_hold_the_rest_alone_is_big_enough_for_it(server, path, monkeypatch):
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


def test_a_folder_that_cannot_be_made_is_told(server, path):
    path.parent.write_text("a file where the folder should be")

    assert "File exists; check the disk and the permissions" in refusal(server.url, path)


def test_a_disk_error_while_writing_is_told(server, path, monkeypatch):
    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)

    assert f"{path} cannot be fetched: No space left on device" in refusal(server.url, path)
