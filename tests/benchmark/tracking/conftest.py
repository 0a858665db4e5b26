"""A store on disk with a plan in it, and MLflow itself to look at it."""

import time
from itertools import count

import pytest
from mlflow import MlflowClient

from benchmark.tracking.store import TrackingStore
from tests.helpers.kept import plan_of


@pytest.fixture
def store(store_uri, tmp_path) -> TrackingStore:
    return TrackingStore(store_uri, tmp_path / "cache")


@pytest.fixture
def client(store_uri) -> MlflowClient:
    """MLflow itself, to see what any of its users would see."""
    return MlflowClient(tracking_uri=store_uri)


@pytest.fixture
def clock(monkeypatch):
    """Time goes on by a second with each look at the clock, so that an order in time is certain."""
    seconds = count(1_700_000_000)
    monkeypatch.setattr(time, "time", lambda: float(next(seconds)))


@pytest.fixture
def parent(store) -> str:
    return store.open_plan(plan_of())
