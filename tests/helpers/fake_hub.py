"""A hub on 127.0.0.1 that answers huggingface_hub when it downloads a repository."""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread


class FakeHub(ThreadingHTTPServer):
    """One repository at one revision."""

    daemon_threads = True

    def __init__(self, repository: str, revision: str, files: dict[str, bytes]) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.repository, self.revision, self.files = repository, revision, files
        self.announced: dict[str, str] = {}  # sha256 of a large file, where it is not that of the content
        self.refusal: tuple[int, str] | None = None  # status and X-Error-Code of all answers about the repository
        self.asked: list[str] = []  # method and path of each request

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def sha256(self, name: str) -> str:
        return self.announced.get(name, hashlib.sha256(self.files[name]).hexdigest())

    def fetched(self, name: str) -> bool:
        return f"GET /large/{name}" in self.asked


@contextmanager
def serving(hub: FakeHub) -> Iterator[FakeHub]:
    thread = Thread(target=hub.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield hub
    finally:
        hub.shutdown()
        thread.join()
        hub.server_close()


class _Answer(BaseHTTPRequestHandler):
    server: FakeHub
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        hub, path = self.server, self.path.partition("?")[0]
        hub.asked.append(f"{self.command} {path}")
        tree, resolve = f"/api/models/{hub.repository}/tree/", f"/{hub.repository}/resolve/"
        about = f"/api/models/{hub.repository}/revision/"
        if path.startswith("/large/"):  # where a large file's redirection leads
            self._say(200, hub.files[path.removeprefix("/large/")])
        elif not path.startswith((tree, resolve, about)):
            self._say(404, error="RepoNotFound")
        elif hub.refusal is not None:
            self._say(hub.refusal[0], error=hub.refusal[1])
        elif hub.revision not in path:
            self._say(404, error="RevisionNotFound")
        elif path.startswith(tree):
            self._say(200, json.dumps([self._entry(name) for name in hub.files]).encode())
        elif path.startswith(about):
            said = {"id": hub.repository, "sha": hub.revision, "siblings": [{"rfilename": name} for name in hub.files]}
            self._say(200, json.dumps(said).encode())
        else:
            self._file(path.removeprefix(f"{resolve}{hub.revision}/"))

    def _entry(self, name: str) -> dict[str, object]:
        size = len(self.server.files[name])
        entry: dict[str, object] = {"type": "file", "path": name, "size": size, "oid": "0" * 40}
        if name.endswith(".safetensors"):
            entry["lfs"] = {"oid": self.server.sha256(name), "size": size, "pointerSize": 134}
        return entry

    def _file(self, name: str) -> None:
        hub = self.server
        if name not in hub.files:
            return self._say(404, error="EntryNotFound")
        content, commit = hub.files[name], {"X-Repo-Commit": hub.revision}
        if not name.endswith(".safetensors"):
            blob = hashlib.sha1(content, usedforsecurity=False).hexdigest()
            return self._say(200, content, {**commit, "ETag": f'"{blob}"'})
        linked = {"X-Linked-Etag": f'"{hub.sha256(name)}"', "X-Linked-Size": str(len(content))}
        elsewhere = f"http://localhost:{hub.server_port}/large/{name}"  # to the client another host, as the real one is
        return self._say(302, headers={**commit, **linked, "Location": elsewhere})

    def _say(
        self, status: int, content: bytes = b"", headers: dict[str, str] | None = None, error: str | None = None
    ) -> None:
        self.send_response(status)
        said = {"Content-Length": str(len(content)), **(headers or {}), **({"X-Error-Code": error} if error else {})}
        for name, value in said.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Nothing on standard error."""
