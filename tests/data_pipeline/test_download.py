import hashlib
import io
import re
import shutil
import socket
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

import data_pipeline.download
from data_pipeline.download import CHUNK, download
from data_pipeline.errors import DataError

CONTENT = bytes(range(251)) * 3000  # 753,000 bytes: several chunks, and no two of them alike
MD5 = hashlib.md5(CONTENT, usedforsecurity=False).hexdigest()
ADVICE = "use the embedded reviews"


class FileServer(ThreadingHTTPServer):
    """Serves one file as it is told to, and notes each request's Range, its status and the bytes of its answer."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.content = CONTENT
        self.version = {"ETag": '"1"'}
        self.other_headers = {}
        self.ranges = True
        self.heeds_if_range = True
        self.wrong_part = False
        self.status = 200
        self.redirect = None
        self.cuts = []  # after how many bytes the next answers break off
        self.answer = threading.Event()
        self.answer.set()
        self.log = []

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}/file.tar.gz"

    def handle_error(self, request, client_address):
        """Clients that hang up are what some tests are about."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        server = self.server
        server.answer.wait(30)
        asked = self.headers["Range"]
        if server.redirect and self.path == "/file.tar.gz":
            return self.send(302, {"Location": server.redirect}, b"")
        if server.status != 200:
            return self.send(server.status, {}, b"sorry")
        unchanged = not server.heeds_if_range or self.headers["If-Range"] in server.version.values()
        if not (asked and server.ranges and unchanged):
            return self.send(200, server.version | server.other_headers, server.content)
        start = 0 if server.wrong_part else int(re.fullmatch(r"bytes=(\d+)-", asked)[1])
        size = len(server.content)
        if start >= size:
            return self.send(416, {"Content-Range": f"bytes */{size}"}, b"")
        part = {"Content-Range": f"bytes {start}-{size - 1}/{size}"}
        return self.send(206, server.version | part, server.content[start:])

    def send(self, status, headers, body):
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(body))} | headers).items():
            if value is not None:
                self.send_header(name, value)
        if status in {200, 206} and self.server.cuts:
            body = body[: self.server.cuts.pop(0)]
        self.server.log.append((self.headers["Range"], status, len(body)))  # before the client can look into it
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """Nothing on standard error."""


@pytest.fixture
def server():
    with FileServer() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "data" / "file.tar.gz"


@pytest.fixture
def partial(path):
    return path.with_name("file.tar.gz.partial")


@pytest.fixture(autouse=True)
def no_pause_and_no_proxy(monkeypatch):
    monkeypatch.setattr(data_pipeline.download, "PAUSE_SECONDS", 0)
    monkeypatch.setenv("NO_PROXY", "*")


def fetch(server, path):
    download(server.url, path, MD5, advice=ADVICE)


def refusal(url, path):
    """The one line that a download is refused with."""
    with pytest.raises(DataError) as caught:
        download(url, path, MD5, advice=ADVICE)
    message = str(caught.value)
    assert message.endswith(f"; {ADVICE}")
    assert "\n" not in message
    assert not path.exists()
    return message


def interrupt(server, path, monkeypatch, chunks=4):
    """A download that the user stops; what it leaves is `chunks` long."""

    class InterruptedBar(data_pipeline.download.tqdm):
        pieces = 0

        def update(self, n=1):
            self.pieces += 1
            if self.pieces == chunks:
                raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(data_pipeline.download, "tqdm", InterruptedBar)
        with pytest.raises(KeyboardInterrupt):
            fetch(server, path)
    server.log.clear()


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


def test_two_versions_that_a_careless_server_mixed_are_refused(server, path, partial, monkeypatch):
    server.content, server.version = b"old" * 200_000, {"ETag": '"0"'}
    interrupt(server, path, monkeypatch)
    server.content, server.version, server.heeds_if_range = CONTENT, {"ETag": '"1"'}, False

    assert "is not the file expected" in refusal(server.url, path)
    fetch(server, path)
    assert path.read_bytes() == CONTENT


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


def test_wrong_content_is_refused_and_deleted(server, path, partial):
    server.content = b"<html>please log in</html>"

    message = refusal(server.url, path)
    assert f"its md5 should be {MD5} and is {hashlib.md5(server.content, usedforsecurity=False).hexdigest()}" in message
    assert not partial.exists()


def test_an_archive_labelled_as_compressed_is_kept_as_it_is(server, path):
    server.other_headers = {"Content-Encoding": "x-gzip"}

    fetch(server, path)
    assert path.read_bytes() == CONTENT


def test_a_server_that_does_not_say_how_long_its_file_is_will_do(server, path):
    server.other_headers = {"Content-Length": None}

    fetch(server, path)
    assert path.read_bytes() == CONTENT


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


def test_a_redirect_is_followed_and_a_download_continued_through_it(server, path, monkeypatch):
    server.redirect = f"http://localhost:{server.server_port}/elsewhere"
    interrupt(server, path, monkeypatch)

    fetch(server, path)
    assert path.read_bytes() == CONTENT
    assert [status for _, status, _ in server.log] == [302, 206]


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
