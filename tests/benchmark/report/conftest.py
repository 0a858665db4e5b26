"""A made-up page, and the browser that shows it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest
from playwright.sync_api import Page

from benchmark.report.page import Page as ReportPage
from benchmark.report.page import render_page
from tests.helpers.made_page import ACCURACY, EXPLAINED, MadePage

DESKTOP, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}


@dataclass
class Shown:
    """A page in the browser, its console messages and its requests."""

    page: Page
    complaints: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)


@pytest.fixture
def show(browser, tmp_path) -> Iterator[Callable[..., Shown]]:
    opened = []

    def open_page(html: str, size: dict[str, int] = DESKTOP, scheme: str = "light") -> Shown:
        file = tmp_path / "index.html"
        file.write_text(html, encoding="utf-8")
        page = browser.new_page(viewport=size, color_scheme=scheme)
        opened.append(page)
        shown = Shown(page)
        page.on("console", lambda message: shown.complaints.append(message.text))
        page.on("pageerror", lambda error: shown.complaints.append(str(error)))
        page.on("request", lambda request: shown.requests.append(request.url))
        page.goto(file.as_uri())
        return shown

    yield open_page
    for page in opened:
        page.close()


@pytest.fixture(scope="session")
def made() -> MadePage:
    texts = dict(enumerate(EXPLAINED))
    sets = {"counterfactual": ACCURACY, "films": {"bow": 0.7, "rnn": 0.6}}
    explained = dict.fromkeys(texts, 0.001) | {0: 0.46}
    return MadePage(train_sizes=(1000, 4000), texts=texts, explained=explained, challenges=sets)


@pytest.fixture(scope="session")
def drawn(made) -> ReportPage:
    return made.page()


@pytest.fixture(scope="session")
def html(made, drawn) -> str:
    return render_page(drawn, made.review_texts())


@pytest.fixture
def page(show, html) -> Page:
    return show(html).page
