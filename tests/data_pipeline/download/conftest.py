"""A server, and where what it serves is to lie."""

import threading

import pytest

import data_pipeline.download
from tests.helpers.file_server import FileServer


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
