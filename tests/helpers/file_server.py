"""A file server with faults that a test chooses; download from it, be refused, be interrupted."""

import hashlib
import re
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

import data_pipeline.download
from data_pipeline.download import download
from tests.helpers import hostility

CONTENT = bytes(range(251)) * 3000  # 753,000 bytes: several chunks, and no two of them alike
MD5 = hashlib.md5(CONTENT, usedforsecurity=False).hexdigest()
HASH = f"md5:{MD5}"
ADVICE = "use the embedded reviews"


class FileServer(ThreadingHTTPServer):
    """Serves one file and logs of each request its Range, its status and the bytes of its answer."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.content = CONTENT
        self.other_headers = {}
        self.ranges = True
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
        if not (asked and server.ranges):
            return self.send(200, server.other_headers, server.content)
        start = int(re.fullmatch(r"bytes=(\d+)-", asked)[1])
        size = len(server.content)
        if start >= size:
            return self.send(416, {"Content-Range": f"bytes */{size}"}, b"")
        part = {"Content-Range": f"bytes {start}-{size - 1}/{size}"}
        return self.send(206, part, server.content[start:])

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


def fetch(server, path):
    download(server.url, path, HASH, advice=ADVICE)


def refusal(url, path):
    line = hostility.refusal(lambda: download(url, path, HASH, advice=ADVICE))
    assert ADVICE in line
    assert not path.exists()
    return line


def interrupt(server, path, monkeypatch, chunks=4):
    """Interrupt a download after `chunks` chunks."""

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
