"""Seconds until a full-size report's page can be used, in Debian's Chromium: 25,000 made-up reviews, 5 models, 3 seeds.

    python tools/speed/page.py [--turns 5]

Counted from the call that opens the file until the reviews are shown; then from a filter's change until they are shown
anew. Also how long the page takes to make, and its size.
"""

import argparse
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path

from playwright.sync_api import sync_playwright

sys.path.insert(0, str(Path(__file__).parents[2]))
from tests.helpers.made_page import MadePage

READY = "document.querySelectorAll('#cards > li').length > 0"
FILTER = """() => new Promise((done) => {
  const begun = performance.now();
  const form = document.getElementById("filters");
  form.elements.answer.value = "wrong";
  form.dispatchEvent(new Event("input"));
  requestAnimationFrame(() => setTimeout(() => done((performance.now() - begun) / 1000)));
})"""


def opened(browser, address):
    """Seconds until the reviews are there, and until a filter has changed them."""
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    started = time.perf_counter()
    page.goto(address)
    page.wait_for_function(READY)
    ready = time.perf_counter() - started
    filtered = page.evaluate(FILTER)
    page.close()
    return ready, filtered


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=5)
    arguments = parser.parse_args()
    made = MadePage(reviews=25_000, longest=2000)
    started = time.perf_counter()
    html = made.html()
    print(f"made in {time.perf_counter() - started:.1f} s, {len(html.encode()) / 1e6:.2f} MB")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        file = Path(folder) / "index.html"
        file.write_text(html, encoding="utf-8")
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        turns = [opened(browser, file.as_uri()) for _ in range(arguments.turns)]
        browser.close()
    for name, seconds in zip(("usable", "filtered"), zip(*turns, strict=True), strict=True):
        print(f"{name} after {statistics.median(seconds):.2f} s ({min(seconds):.2f} to {max(seconds):.2f})")


if __name__ == "__main__":
    main()
