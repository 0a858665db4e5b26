"""Reviews of challenge sets on the page: which ones, what is said of them, and that a reader finds them."""

from dataclasses import replace

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from benchmark.analysis.metrics import probabilities
from benchmark.report.challenge_reviews import MOST_CHARACTERS, challenges_json, choose_challenges
from benchmark.report.chosen_reviews import OF_CHALLENGE, OF_EACH_KIND
from benchmark.report.page import render_page
from benchmark.results.results import ReviewTexts
from tests.helpers.made_page import ACCURACY, ATTACK, MadePage

LEVEL = {"rnn": 0.55, "lstm": 0.60, "bow": 0.65}
SOME = {"rnn": 0.55, "bow": 0.6}
SET = "#filters [name=set]"


def made_page(**changes) -> MadePage:
    sets = {"counterfactual": LEVEL, "films": SOME}
    return MadePage(**{"reviews": 200, "accuracy": LEVEL, "seeds": (1, 2), "challenges": sets, **changes})


def texts_of(page, text="a film") -> ReviewTexts:
    return ReviewTexts({review_id: text for ids in page.challenge_ids.values() for review_id in ids})


def reviews_of(page, name, texts=None) -> list[dict]:
    found = challenges_json(page.challenges, len(page.chosen.models), texts or ReviewTexts())
    return [review for review in found if review["set"] == name]


class TestChosen:
    def test_each_set_has_its_share_of_each_kind(self):
        for chosen in made_page().page().challenges:
            places = chosen.places
            predicted = np.array(list(chosen.positive.values())) > 0.5
            right = predicted == (chosen.results.labels == 1)
            assert {kind: len(found) for kind, found in places.items()} == OF_CHALLENGE | {
                "wrong": min(OF_CHALLENGE["wrong"], int((~right).all(axis=0).sum()))
            }
            assert not right[:, places["wrong"]].any()
            assert (right[:, places["disagree"]].any(axis=0) & ~right[:, places["disagree"]].all(axis=0)).all()

    def test_a_model_has_its_mean_probability_over_seeds_and_none_where_it_was_not_scored(self):
        page = made_page().page()
        films = next(found for found in page.report.challenges if found.results.name == "films").results
        place_of = {review_id: place for place, review_id in enumerate(films.ids)}
        runs = {
            name: [run for run in page.report.results.runs if run.experiment == name] for name in page.chosen.models
        }

        for review in reviews_of(page, "films"):
            for name, positive in zip(page.chosen.models, review["positive"], strict=True):
                if name == "lstm":
                    assert positive is None
                else:
                    both = [probabilities(films.logits[run.run_id])[place_of[review["id"]], 1] for run in runs[name]]
                    assert positive == pytest.approx(np.mean(both), abs=1e-4)

    def test_a_review_stands_beside_the_other_of_its_pair(self):
        page = made_page(leaked=20).page()
        reviews = reviews_of(page, "counterfactual", texts_of(page))

        for review in reviews:
            ids = {"original": review["id"], "revised": review["pair"]["id"]}
            if review["role"] == "revised":
                ids = {"original": review["pair"]["id"], "revised": review["id"]}
            assert int(ids["original"][:16], 16) + 1 == int(ids["revised"][:16], 16)
            assert {review["label"], review["pair"]["label"]} == {0, 1}
            assert review["pair"]["text"] == "a film"
        assert any(review.get("known") for review in reviews)
        assert not any("pair" in review or "role" in review for review in reviews_of(page, "films"))

    def test_groups_of_more_are_no_pairs(self):
        page = made_page().page()
        verdict = page.report.challenges[0]
        threes = np.array([str(place // 3) for place in range(len(verdict.results.ids))], dtype=object)

        verdict = replace(verdict, results=replace(verdict.results, groups=threes))
        (chosen,) = choose_challenges([verdict], page.chosen.models)
        assert chosen.partners == {}

    def test_with_eight_sets_and_the_official_reviews_the_page_is_below_5_mb(self):
        sets = {f"set-{number}": dict.fromkeys(ACCURACY, 0.55) for number in range(8)}
        page = MadePage(25_000, dict.fromkeys(ACCURACY, 0.55), challenges=sets, paired=tuple(sets)).page()
        texts = dict.fromkeys(page.review_ids, "x" * 14_000) | dict(texts_of(page, "x" * 14_000).texts)
        html = render_page(page, ReviewTexts(texts))

        assert len(page.review_ids) > 2.9 * OF_EACH_KIND
        assert (
            sum(
                len(each["text"]) + len(each["pair"]["text"])
                for name in sets
                for each in reviews_of(page, name, ReviewTexts(texts))
            )
            > 0.9 * MOST_CHARACTERS
        )
        assert len(html.encode()) < 5e6


@pytest.mark.browser
class TestInTheBrowser:
    @pytest.fixture
    def shown(self, show) -> Page:
        made = made_page()
        page = made.page()
        texts = {**made.review_texts().texts, **texts_of(page, ATTACK).texts}
        shown = show(render_page(page, ReviewTexts(texts)))
        yield shown.page
        assert shown.complaints == []

    def test_a_set_is_chosen_and_the_other_filters_hold_in_it(self, shown):
        expect(shown.locator("#cards .about").first).to_contain_text("-0")
        shown.locator(SET).select_option("films")
        assert set(
            shown.locator("#cards .about").evaluate_all("all => all.map(each => each.textContent.slice(-6))")
        ) == {"-films"}
        expect(shown.locator("#cards > li").first.get_by_role("row", name="bow")).to_be_visible()
        expect(shown.locator("#cards").get_by_role("row", name="lstm")).to_have_count(0)  # it was not scored

        shown.locator("#filters [name=model]").select_option("lstm")
        shown.locator("#filters [name=answer]").select_option("wrong")
        expect(shown.locator("#cards > li")).to_have_count(0)
        shown.locator("#filters [type=reset]").click()
        expect(shown.locator("#cards > li")).to_have_count(20)

    def test_a_pair_is_on_one_card_and_markup_in_it_is_text(self, shown):
        shown.locator(SET).select_option("counterfactual")
        card = shown.locator("#cards > li").first

        assert card.locator(".text").all_text_contents() == [ATTACK, ATTACK]
        expect(card.get_by_role("row", name="bow")).to_have_count(2)
        titles = " ".join(card.get_by_role("heading").all_text_contents())
        assert "original" in titles
        assert "revised" in titles
        assert shown.locator("#cards img, #cards script").count() == 0
        assert shown.title() != "taken"

    def test_without_sets_none_is_asked_for(self, show):
        page = show(made_page(challenges={}).html()).page

        expect(page.locator(SET)).to_be_hidden()
        expect(page.locator("#cards > li").first).to_be_visible()
