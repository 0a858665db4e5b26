"""The page in a real browser: what a reader sees, sorts, filters and hears of it, and what it must never do."""

import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from benchmark.report.chosen_reviews import OF_EACH_KIND
from benchmark.report.explained_reviews import MOST_EXPLAINED
from benchmark.report.page import render_page
from benchmark.results.results import ReviewTexts
from tests.benchmark.report.conftest import DESKTOP, PHONE
from tests.helpers.made_page import ACCURACY, ATTACK, MadePage

pytestmark = pytest.mark.browser

BEST = max(ACCURACY, key=ACCURACY.get)
SECTIONS = ["pairs", "beyond", "learning", "cost", "sizes", "slices", "confusion", "calibration", "words", "reviews"]


def names_in(page: Page, table: int = 0) -> list[str]:
    """First column of a sortable table."""
    return page.locator("table.sortable").nth(table).locator("tbody th").all_text_contents()


def choose(page: Page, **wanted: str) -> None:
    for name, value in wanted.items():
        page.locator(f"#filters [name={name}]").select_option(value)


def sections(page: Page) -> list[str]:
    return page.locator("main section").evaluate_all("all => all.map((section) => section.id)")


class TestThePage:
    @pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
    @pytest.mark.parametrize("scheme", ["light", "dark"])
    def test_shows_everything_without_a_complaint_a_request_a_scroll_sideways_or_a_barrier(
        self, show, html, size, scheme
    ):
        shown = show(html, size, scheme)
        page = shown.page

        assert sections(page) == ["result", *SECTIONS, "method"]
        assert page.get_by_role("heading", level=2).count() == len(SECTIONS) + 2
        expect(page.locator("#cards > li")).to_have_count(20)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert shown.complaints == []
        assert [url for url in shown.requests if not url.startswith(("file:", "data:"))] == []
        assert len([url for url in shown.requests if url.startswith("file:")]) == 1
        for summary in page.locator("summary").all()[:3]:
            summary.click()
        barriers = Axe().run(page).response["violations"]
        assert [each["id"] for each in barriers if each["impact"] in ("serious", "critical")] == []

    def test_fits_a_sheet_of_paper(self, page):
        page.set_viewport_size({"width": 718, "height": 1047})  # A4 within margins of a centimetre
        page.emulate_media(media="print", color_scheme="dark")

        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert page.evaluate("getComputedStyle(document.body).color") == "rgb(0, 0, 0)"

    def test_has_every_finding_and_note_each_pictures_figures_and_each_runs_command(self, page, drawn):
        for sentence in (*drawn.report.findings, *drawn.report.notes):
            expect(page.locator("#result").get_by_text(sentence, exact=True)).to_be_visible()
        assert page.get_by_role("img").count() == page.locator("figure").count() > 20
        expect(page.get_by_role("img", name=re.compile(f"Test accuracy.*{BEST}")).first).to_be_visible()
        assert page.locator("figure:not(:has(details tbody tr))").count() == 0
        commands = page.locator("#method").get_by_text(re.compile("^python -m benchmark reproduce [0-9]{32}$"))
        expect(commands).to_have_count(len(ACCURACY) * 3 * 2)

    def test_writes_no_text_of_a_picture_over_another_however_alike_the_models_are(self, show):
        alike = dict.fromkeys([*ACCURACY, "lstm-attention", "a-model-whose-name-is-long"], 0.8)
        made = MadePage(reviews=60, accuracy=alike, train_sizes=(1000, 4000), challenges={"rotten-tomatoes": alike})
        page = show(made.html()).page

        for picture in page.locator("figure > svg").all():
            texts = picture.locator("text").evaluate_all(
                "all => all.map(text => text.getBoundingClientRect().toJSON())"
            )
            for place, one in enumerate(texts):
                for other in texts[:place]:
                    across = min(one["right"], other["right"]) - max(one["left"], other["left"])
                    down = min(one["bottom"], other["bottom"]) - max(one["top"], other["top"])
                    assert min(across, down) < 3, picture.get_attribute("aria-labelledby")

    def test_shows_each_command_whole_on_a_desk(self, page):
        table = page.get_by_role("group", name="Runs", exact=True)

        assert table.evaluate("table => table.scrollWidth <= table.clientWidth")

    def test_of_nothing_finished_says_what_failed(self, show):
        shown = show(MadePage(reviews=0, accuracy={}, error="boom").html())

        expect(shown.page.get_by_text(re.compile("gru.*boom")).first).to_be_visible()
        expect(shown.page.locator("#cards > li")).to_have_count(0)
        assert shown.complaints == []


class TestTables:
    def test_sort_by_a_click_and_back_by_the_keyboard_one_column_at_a_time(self, page):
        table = page.locator("table.sortable").first
        table.get_by_role("columnheader", name="F1, %").get_by_role("button").click()
        header = table.get_by_role("columnheader", name="test accuracy, %")

        assert header.get_attribute("aria-sort") == "none"
        header.get_by_role("button").click()
        assert (header.get_attribute("aria-sort"), names_in(page)[0]) == ("descending", BEST)
        header.get_by_role("button").press("Enter")
        assert (header.get_attribute("aria-sort"), names_in(page)[-1]) == ("ascending", BEST)
        assert table.locator("[aria-sort=descending], [aria-sort=ascending]").count() == 1

    def test_sort_times_by_seconds(self, page):
        table = page.locator("table.sortable").nth(1)
        table.get_by_role("columnheader", name="train time").get_by_role("button").click()

        times = [row.locator("td").nth(3).text_content() for row in table.locator("tbody tr").all()]
        assert times == sorted(times, key=["2 h 05 min", "25 min 00 s", "5 min 00 s", "1 min 00 s", "12 s"].index)


class TestReviews:
    def test_are_filtered_by_kind_model_and_answer(self, page):
        choose(page, kind="random", model=BEST, answer="wrong")
        for card in page.locator("#cards > li").all():
            expect(card.get_by_role("row", name=BEST)).to_contain_text("wrong")

        page.locator("#filters [type=reset]").click()
        choose(page, kind="disagree")
        for card in page.locator("#cards > li").all():
            expect(card.get_by_role("cell", name="right").first).to_be_visible()
            expect(card.get_by_role("cell", name="wrong").first).to_be_visible()

    def test_are_filtered_by_label_and_length(self, page):
        choose(page, label="0", size="long")

        titles = page.locator("#cards h3").all_text_contents()
        lengths = [int(text.split()[0]) for text in page.locator("#cards .about").all_text_contents()]
        assert set(titles) == {"Negative review"}
        assert len(lengths) == len(titles)
        assert min(lengths) >= 300

    def test_are_filtered_by_a_word(self, page):
        words = page.locator("#cards .text").last.text_content()[:60]
        page.get_by_role("searchbox").fill(words.upper())

        found = page.locator("#cards .text").all_text_contents()
        assert 0 < len(found) < 20
        assert all(words in text for text in found)

    def test_that_are_none_come_back_when_the_filters_are_cleared(self, page):
        page.get_by_role("searchbox").fill("no such word")
        expect(page.locator("#cards > li")).to_have_count(0)
        expect(page.get_by_role("status")).not_to_be_empty()

        page.locator("#filters [type=reset]").click()
        expect(page.locator("#cards > li")).to_have_count(20)

    def test_come_twenty_at_a_time_and_open_to_their_whole_text(self, page):
        page.locator("#more").press("Enter")

        expect(page.locator("#cards > li")).to_have_count(40)
        expect(page.locator("#cards > li").nth(20)).to_be_focused()  # the keyboard continues at the first new one
        page.locator("#cards button[aria-expanded=false]").first.click()
        expect(page.locator("#cards button[aria-expanded=true]")).to_be_visible()

    def test_give_each_model_the_mean_probability_over_its_seeds(self, page, drawn, made):
        place = drawn.chosen.all_places[0]
        card = page.locator("#cards > li").filter(has_text=made.ids[place])

        for name, positive in zip(drawn.chosen.models, drawn.chosen.positive[:, place], strict=True):
            expect(card.get_by_role("row", name=name)).to_contain_text(f"{100 * positive:.1f} %")

    def test_without_texts_are_named_by_their_ids_and_no_words_are_shown(self, show, drawn):
        shown = show(render_page(drawn, ReviewTexts(missing="The reviews are not here.")))

        expect(shown.page.get_by_text("The reviews are not here.")).to_be_visible()
        expect(shown.page.locator("#cards .about").first).to_have_text(re.compile("[0-9a-f]{16}-0$"))
        expect(shown.page.get_by_role("searchbox")).to_have_count(0)
        expect(shown.page.locator("#words")).to_have_count(0)
        assert shown.complaints == []


class TestWhatIsWrittenByOthers:
    """Reviews, names and errors are text, whatever stands in them."""

    def test_reviews_with_markup_are_shown_as_text_and_nothing_explained_has_no_section(self, show):
        made = MadePage(reviews=40, accuracy={"lstm": 0.8}, seeds=(1,), texts=dict.fromkeys(range(40), ATTACK))
        shown = show(made.html())

        expect(shown.page.locator("#cards .text").first).to_have_text(ATTACK)
        assert shown.page.locator("#cards img, #cards script, #words").count() == 0
        assert {"learning", "pairs"} & set(sections(shown.page)) == {"learning"}  # one model is compared with nothing
        assert shown.page.title() != "taken"
        assert shown.complaints == []

    def test_names_and_errors_with_markup_are_shown_as_text(self, show):
        accuracy = {ATTACK: 0.8, "_$x$_ ${{7*7}}": 0.9}
        shown = show(MadePage(reviews=60, accuracy=accuracy, seeds=(1,), train_sizes=(10, 20), error=ATTACK).html())

        for name in accuracy:
            expect(shown.page.locator("table.sortable").first.get_by_role("rowheader", name=name).first).to_be_visible()
        expect(shown.page.get_by_text(f"failed: {ATTACK}").first).to_be_visible()
        assert shown.page.title() != "taken"
        assert shown.page.locator("img").count() == 0
        assert shown.complaints == []

    def test_a_script_that_is_not_ours_does_not_run(self, show, html):
        shown = show(html.replace("</main>", "</main><script>document.title = 'taken'</script>"))

        assert shown.page.title() != "taken"
        assert any("Content Security Policy" in complaint for complaint in shown.complaints)


def test_of_the_official_reviews_five_models_and_three_seeds_it_is_below_5_mb():
    longest = "x" * 14_000  # characters: no official review has more
    made = MadePage(  # at 0.55 all err together on many
        reviews=25_000, accuracy=dict.fromkeys(ACCURACY, 0.55), longest=600, explained=dict.fromkeys(range(20), 0.0)
    )
    page = made.page()
    explained = made.review_texts().texts
    texts = dict.fromkeys(page.review_ids, longest) | {name: explained[name] for name in page.chosen.explained}
    html = render_page(page, ReviewTexts(texts))

    assert {len(places) for kind, places in page.chosen.places.items() if kind != "explained"} <= {99, OF_EACH_KIND}
    assert len(page.review_ids) > 2.9 * OF_EACH_KIND
    assert len(page.chosen.explained) == MOST_EXPLAINED
    assert len(html.encode()) < 5e6


def test_a_picture_of_its_own_needs_no_style_sheet(drawn):
    for picture in drawn.pictures:
        alone = picture.standalone()
        assert alone.startswith("<svg ")
        assert "var(" not in alone
