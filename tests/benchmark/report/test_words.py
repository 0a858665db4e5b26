"""Word attributions as the page shows them, of the reviews that `explain` was called for."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, expect

from tests.helpers.made_page import ACCURACY, EXPLAINED


class TestWords:
    @pytest.fixture
    def card(self, page, made) -> Callable[[int], Locator]:
        """`card(n)` is that of the n-th of EXPLAINED."""
        return lambda place: page.locator("#words-cards > li").filter(has_text=made.ids[place])

    def test_have_the_colour_of_what_they_speak_for_as_deep_as_they_are_strong(self, card):
        level = "marks => marks.map((mark) => mark.style.getPropertyValue('--level'))"

        assert card(1).locator("mark.positive").all_text_contents() == ["good", "good"]
        assert card(1).locator("mark.negative").all_text_contents() == ["bad"]
        assert card(1).locator("mark").evaluate_all(level) == ["0.67", "1.00", "0.67"]
        expect(card(1).locator("p.text")).to_have_text(EXPLAINED[1])

    def test_are_seen_with_each_model_and_attention_apart_from_it(self, card):
        eyes = card(1).get_by_role("combobox")

        assert eyes.locator("option").all_text_contents() == [*ACCURACY, "lstm: attention"]
        assert eyes.locator("optgroup").count() == 2
        eyes.select_option("lstm: attention")
        assert card(1).locator("mark.looked").all_text_contents() == ["a"]
        expect(card(1).locator(".about").last).to_have_text(re.compile("lstm, seed 3.*attention"))

    def test_stand_with_the_models_sums_and_how_far_they_do_not_add_up(self, card):
        expect(card(1).locator(".about").last).to_have_text(re.compile(r"rnn, seed 3.*\+0\.80.*\+0\.25"))
        expect(card(0).locator(".about").last).to_contain_text("46\N{NO-BREAK SPACE}%")

    def test_have_their_figures_in_a_table_each_word_once(self, card):
        card(1).locator("details summary").last.click()
        rows = card(1).locator("details tbody tr").all_inner_texts()

        assert (rows[0], rows[-1]) == ("good\t+2.00", "bad\t\N{MINUS SIGN}1.50")

    def test_lie_where_they_are_shown_and_what_is_not_read_is_set_apart(self, card):
        expect(card(2).locator(".unread")).to_have_text("[...] and an end that nobody has ever read")
        assert card(3).locator("mark").all_text_contents() == ["good", "bad", "good"]

    def test_with_markup_are_text(self, card, page):
        expect(card(4).locator("p.text")).to_have_text(EXPLAINED[4])
        assert page.title() != "taken"
