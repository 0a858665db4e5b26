"""Does ten times the corpus cost ten times the time, and no more memory than the tokens themselves?

    python tools/ten_times.py [--reviews 25000] [--times 1 10] [--kinds word wordpiece]

Each line is a fresh process with an empty cache: it makes a corpus out of the embedded reviews, again and again, with a
running number behind each text (so texts differ, and new words come up as they do in a larger corpus), then tokenises
it and runs through one epoch of batches. Memory is what is added to the process while it does so; texts, libraries and
tokenizer are there before. CPU seconds, of all threads, say less of what else the machine does than wall seconds do.
Linux only. Not a test that pytest runs: 25,000 and 250,000 reviews take three minutes.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import json
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import replace
from itertools import cycle, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from data_pipeline.corpus import Corpus

ROOT = Path(__file__).resolve().parents[1]
KINDS = ("word", "wordpiece")
SHARES = (0.8, 0.04, 0.16)  # of train, val and test
COLUMNS = ("build_seconds", "epoch_seconds", "cpu_seconds", "store_mib", "anonymous_mib", "resident_mib")
KIB, MIB = 2**10, 2**20


class Memory:
    """What is added to this process's memory within the `with` block.

    Attributes:
        anonymous_mib: its own memory at the highest that a look every 5 ms saw. Files that are mapped do not count:
            the kernel takes their pages back when it needs them.
        resident_mib: the highest in all, mapped files included, as the kernel keeps it.
    """

    def __enter__(self) -> Memory:
        gc.collect()
        ctypes.CDLL(None).malloc_trim(0)  # else memory that was freed before is used first, and growth does not show
        Path("/proc/self/clear_refs").write_text("5")  # VmHWM is counted from here
        before = _status()
        self._anonymous, self._resident = before["RssAnon"], before["VmRSS"]
        self._highest = self._anonymous
        self._over = threading.Event()
        self._watch = threading.Thread(target=self._look, daemon=True)
        self._watch.start()
        return self

    def _look(self) -> None:
        while not self._over.wait(0.005):
            self._highest = max(self._highest, _status()["RssAnon"])

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._watch.join()
        self.anonymous_mib = (self._highest - self._anonymous) / MIB
        self.resident_mib = (_status()["VmHWM"] - self._resident) / MIB


def _status() -> dict[str, int]:
    """The sizes of /proc/self/status in bytes."""
    lines = (line.partition(":") for line in Path("/proc/self/status").read_text().splitlines())
    return {name: int(size.removesuffix("kB")) * KIB for name, _, size in lines if size.endswith("kB")}


def make_corpus(reviews: int) -> Corpus:
    """So many reviews, in three parts."""
    from data_pipeline.config import DataConfig
    from data_pipeline.load import load_corpus

    embedded = load_corpus(DataConfig(train_size=20_000, val_size=2000, test_size=2900))
    pool = cycle([review for part in embedded.parts.values() for review in part])
    made = (replace(r, id=f"{n}", text=f"{r.text} {n}") for n, r in enumerate(islice(pool, reviews)))
    train, val, test = (tuple(islice(made, round(share * reviews))) for share in SHARES)
    return replace(embedded, train=train, val=val, test=test)


def measure(kind: str, reviews: int, cache_dir: Path) -> dict[str, float]:
    """Build and iterate once, in this process."""
    sys.path.insert(0, str(ROOT))
    from data_pipeline.config import TokensConfig
    from data_pipeline.encoder import resolve_encoder
    from data_pipeline.pipeline import build_data
    from data_pipeline.tokenization import WordPieceTokenizer, WordTokenizer

    corpus = make_corpus(reviews)
    encoder_dir = resolve_encoder(None, None).folder
    # Libraries and the threads of the tokenizer are there before one measures.
    warm: Any = WordTokenizer.from_texts(["a"], 10, 1) if kind == "word" else WordPieceTokenizer(encoder_dir)
    list(warm.encode(["a film"] * 100))
    del warm

    with Memory() as memory:
        started, computed = time.perf_counter(), time.process_time()
        data = build_data(corpus, TokensConfig(), kind, encoder_dir, cache_dir)  # type: ignore[arg-type]
        built = time.perf_counter()
        seen = sum(len(batch) for batch in data.parts["train"].training_batches(32, 1, 1, length_grouping=True))
        ended, cpu_seconds = time.perf_counter(), time.process_time() - computed
    assert seen == len(corpus.train)
    store = sum(file.stat().st_size for file in (cache_dir / "tokens").rglob("*") if file.is_file())
    figures = (built - started, ended - built, cpu_seconds, store / MIB, memory.anonymous_mib, memory.resident_mib)
    return dict(zip(COLUMNS, figures, strict=True))


def measured_apart(kind: str, reviews: int) -> dict[str, float]:
    """`measure` in a fresh process with an empty cache."""
    with tempfile.TemporaryDirectory() as cache_dir:
        child = [sys.executable, __file__, "--child", kind, "--reviews", f"{reviews}", "--cache", cache_dir]
        out = subprocess.run(child, check=True, stdout=subprocess.PIPE, text=True).stdout
    figures: dict[str, float] = json.loads(out.splitlines()[-1])
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--reviews", type=int, default=25_000)
    parser.add_argument("--times", type=int, nargs="+", default=[1, 10])
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=KINDS)
    parser.add_argument("--child", choices=KINDS, help=argparse.SUPPRESS)
    parser.add_argument("--cache", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        print(json.dumps(measure(options.child, options.reviews, options.cache)))
        return
    widths = (10, 9, *(len(name) + 2 for name in COLUMNS))
    show(("kind", "reviews", *COLUMNS), widths)
    for kind in options.kinds:
        lines = []
        for times in options.times:
            lines.append(measured_apart(kind, times * options.reviews))
            show((kind, f"{times * options.reviews}", *(f"{lines[-1][name]:.1f}" for name in COLUMNS)), widths)
        for times, line in zip(options.times[1:], lines[1:], strict=True):
            ratios = (f"{line[name] / lines[0][name]:.2f}" if lines[0][name] else "-" for name in COLUMNS)
            show(("ratio", f"{times / options.times[0]:g}", *ratios), widths)


def show(cells: tuple[str, ...], widths: tuple[int, ...]) -> None:
    """One line of the table, now."""
    print("".join(f"{cell:>{width}}" for cell, width in zip(cells, widths, strict=True)), flush=True)


if __name__ == "__main__":
    main()
