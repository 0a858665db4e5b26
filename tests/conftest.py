"""Made-up reviews that every test may use; nothing here needs the network."""

import csv
import gc
import os
import random
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from benchmark.launch.process import reduce_garbage_collection
from models import registry
from models.registry import model_names

COMMON = ["the", "a", "film", "movie", "plot", "scene", "actor", "it", "was", "with", "and", "of", "this", "very", "."]
OPINIONS = {
    0: ["awful", "boring", "terrible", "dull", "waste", "worst", "poor", "stupid", "mess", "disappointing"],
    1: ["wonderful", "moving", "brilliant", "superb", "great", "best", "charming", "clever", "joy", "delightful"],
}


# What a test needs, by its fixtures; a file that needs it by other means says so in `pytestmark`.
NEEDS = {
    "process": {"shell", "working_shell", "make_place", "trained_as", "store", "store_uri", "empty_database"},
    "browser": {"browser"},
    "postgres": {"postgresql"},
}

# Before anything loads torch, and for each process that a test starts: sums are made in one order, and no net waits for
# a second thread, which on a busy machine made 0.6 s of training 4 s.
os.environ["OMP_NUM_THREADS"] = "1"
os.environ.pop("COLUMNS", None)  # xdist sets it in its workers


def pytest_configure() -> None:
    """Ctrl-C is tested, and what a shell starts in the background ignores it, with all that it starts in its turn.

    Python looks for garbage as rarely as in a command, whichever test is the first to call one.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
    reduce_garbage_collection()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark each test by what it needs, and put files that start processes first: short ones then even out the end."""
    for item in items:
        fixtures = set(getattr(item, "fixturenames", ()))
        for mark, needed in NEEDS.items():
            if fixtures & needed:
                item.add_marker(mark)
        if hasattr(getattr(item, "module", None), "subprocess"):
            item.add_marker("process")
        if not {*NEEDS, "outage"} & {mark.name for mark in item.iter_markers()}:
            item.add_marker("unit")
    long = {item.path for item in items if item.get_closest_marker("process")}
    items.sort(key=lambda item: item.path not in long)


@pytest.fixture(autouse=True)
def process_as_it_was(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A worker runs many files in one process, in an order that their times decide: no test may leave it changed.

    A plugin registers its models; a loaded model adds to where Python looks for modules; a command takes signals to
    itself; seeding a run changes how everything computes, and hypothesis then draws no floats.
    """
    model_names()  # those of the suite are registered once a process
    monkeypatch.setattr(registry, "_REGISTRY", dict(registry._REGISTRY))
    monkeypatch.setattr(sys, "path", list(sys.path))
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    yield
    for number, handler in handlers.items():
        signal.signal(number, handler)
    gc.unfreeze()
    if torch := sys.modules.get("torch"):
        torch.set_deterministic_debug_mode("default")
        torch.set_flush_denormal(False)


@pytest.fixture(scope="session")
def synthetic_reviews(tmp_path_factory: pytest.TempPathFactory) -> Callable[[int, int], Path]:
    """`synthetic_reviews(n, seed)` writes n reviews of 5 to 60 words, half of them positive, and returns the CSV.

    A third of a review's words, and one at the least, say what its label is; the others are common to both classes.
    """

    def write(n: int, seed: int) -> Path:
        chance = random.Random(seed)  # noqa: S311  made-up reviews are no secret
        path = tmp_path_factory.mktemp("reviews") / f"reviews-{n}-{seed}.csv"
        with path.open("w", newline="", encoding="utf-8") as file:
            table = csv.writer(file)
            table.writerow(["text", "label"])
            for number in range(n):
                label = number % 2
                length = chance.randint(5, 60)
                telling = chance.choices(OPINIONS[label], k=max(1, length // 3))
                words = telling + chance.choices(COMMON, k=length - len(telling))
                chance.shuffle(words)
                table.writerow([" ".join(words), label])
        return path

    return write


@pytest.fixture(scope="session")
def reviews_csv(synthetic_reviews: Callable[[int, int], Path]) -> Path:
    """400 made-up reviews."""
    return synthetic_reviews(400, 0)
