"""What models leaned on, as the page shows it of the reviews that `explain` was called for."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, expect

from benchmark.report.details import ReviewTexts
from benchmark.report.page import make_page, render_page
from benchmark.report.table import make_report
from tests.helpers.made_page import ACCURACY, EXPLAINED, MadePage


class TestWords:
    """What models leaned on, in the reviews that `explain` was called for."""

    @pytest.fixture
    def card(self, page, made) -> Callable[[int], Locator]:
        """`card(n)` is that of the n-th of EXPLAINED."""
        return lambda place: page.locator("#words-cards > li").filter(has_text=made.ids[place])

    def test_have_the_colour_of_what_they_speak_for(self, card):
        assert card(1).locator("mark.positive").all_text_contents() == ["good", "good"]
        assert card(1).locator("mark.negative").all_text_contents() == ["bad"]
        expect(card(1).locator("p.text")).to_have_text(EXPLAINED[1])

    def test_are_as_deep_as_they_are_strong(self, card):
        level = "marks => marks.map((mark) => mark.style.getPropertyValue('--level'))"

        assert card(1).locator("mark").evaluate_all(level) == ["0.67", "1.00", "0.67"]

    def test_are_seen_with_each_model_and_attention_apart_from_it(self, card):
        eyes = card(1).get_by_role("combobox", name="Words in the eyes of")

        assert eyes.locator("option").all_text_contents() == [*ACCURACY, "lstm: attention"]
        assert eyes.locator("optgroup").evaluate_all("groups => groups.map((group) => group.label)") == [
            "what words speak for",
            "where the model looks",
        ]
        eyes.select_option("lstm: attention")
        assert card(1).locator("mark.looked").all_text_contents() == ["a"]
        expect(card(1).locator(".about").last).to_contain_text("lstm, seed 3 pays so much of its attention")

    def test_are_told_with_the_models_sums(self, card):
        expect(card(1).locator(".about").last).to_have_text(
            "rnn, seed 3: +0.80 in all (above 0 is positive), of which +0.25 before a word is read."
        )

    def test_that_do_not_add_up_are_told_to_be_read_with_care(self, card):
        expect(card(0).locator(".about").last).to_contain_text(
            "the words add up to the rest within 46\N{NO-BREAK SPACE}% only"
        )

    def test_have_their_figures_in_a_table_each_word_once(self, card):
        card(1).get_by_text("The strongest words").click()
        rows = card(1).locator("details tbody tr").all_inner_texts()

        assert (rows[0], rows[-1]) == ("good\t+2.00", "bad\t\N{MINUS SIGN}1.50")

    def test_that_a_model_did_not_read_are_set_apart(self, card):
        expect(card(2).locator(".unread")).to_have_text("[...] and an end that nobody has ever read")

    def test_lie_where_they_are_shown_however_lines_are_broken(self, card):
        assert card(3).locator("mark").all_text_contents() == ["good", "bad", "good"]

    def test_with_markup_are_text(self, card, page):
        expect(card(4).locator("p.text")).to_have_text(EXPLAINED[4])
        assert page.title() != "taken"

    def test_are_not_shown_where_nothing_is_explained_or_no_text_is_at_hand(self, show):
        made = MadePage(reviews=40, explained={3: 0.0})
        results = made.results()
        hidden = render_page(make_page(make_report(results), made.details(results)), ReviewTexts(missing="Not here."))

        for html in (hidden, MadePage(reviews=40).html()):
            shown = show(html)
            expect(shown.page.get_by_role("heading", name="What they leaned on")).to_have_count(0)
            assert shown.complaints == []
