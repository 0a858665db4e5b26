"""What the processes that compute are started with."""

import os

from benchmark.launch.process import SETTINGS, worker_environment


def test_the_settings_join_the_environment_and_what_the_user_set_stays(monkeypatch):
    monkeypatch.setenv("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "7")
    monkeypatch.delenv("MALLOC_MMAP_THRESHOLD_", raising=False)
    environment = worker_environment()

    assert environment["ONEDNN_PRIMITIVE_CACHE_CAPACITY"] == "7"
    assert environment["MALLOC_MMAP_THRESHOLD_"] == SETTINGS["MALLOC_MMAP_THRESHOLD_"]
    assert environment["PATH"] == os.environ["PATH"]
