"""Challenge sets are read with their pairs, found or downloaded by their hash, and compared with other reviews."""

import hashlib
from dataclasses import replace

import pytest

from data_pipeline import challenges, sources
from data_pipeline.challenge_config import ChallengeConfig
from data_pipeline.challenges import ChallengeSet, held_out_texts, in_texts, load_challenges
from data_pipeline.errors import ReviewsNotHereError
from data_pipeline.review import identified, normalised
from data_pipeline.sources import Place
from tests.helpers.facts import assert_names
from tests.helpers.hostility import refusal

PAIRED = (
    "Sentiment\tText\tbatch_id\n"
    'Negative\t"A ""dull"" film,\nreally"\t13\nPositive\tA bright film\t13\n'
    "Positive\tmoving\t46\nNegative\tunmoving\t46\n"
)
ORIGINAL = "Sentiment\tText\nNegative\tdull\nPositive\tmoving\n"
REVISED = "Sentiment\tText\nPositive\tbright\nNegative\tunmoving\n"


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder with the published files, small ones, and their hashes."""
    for name, content in [("COUNTERFACTUAL", PAIRED), ("CONTRAST_ORIGINAL", ORIGINAL), ("CONTRAST_REVISED", REVISED)]:
        sha256 = hashlib.sha256(content.encode()).hexdigest()
        file = replace(getattr(challenges, name), sha256=sha256)
        monkeypatch.setattr(challenges, name, file)
        path = tmp_path / "sets" / file.name
        path.parent.mkdir(exist_ok=True)
        path.write_text(content, encoding="utf-8")
    return Place(None, tmp_path / "cache", tmp_path / "sets")


def load(place, test=(), *, download=False, **config):
    (challenge,) = load_challenges({"mine": ChallengeConfig(**config)}, place, test, download=download)
    return challenge


def pairs(challenge):
    return [(review.text, review.label) for review in challenge.reviews]


class TestPublished:
    def test_a_counterfactual_review_is_grouped_with_its_original_which_comes_first(self, place):
        challenge = load(place, source="counterfactual")

        assert challenge.name == "mine"
        assert pairs(challenge) == [
            ('A "dull" film,\nreally', 0),
            ("A bright film", 1),
            ("moving", 1),
            ("unmoving", 0),
        ]
        assert challenge.groups == ("13", "13", "46", "46")
        assert challenge.original == (True, False, True, False)
        assert not challenge.of_test
        assert "Kaushik" in challenge.title

    def test_contrast_sets_pair_by_line(self, place):
        challenge = load(place, source="contrast")

        assert pairs(challenge) == [("dull", 0), ("moving", 1), ("bright", 1), ("unmoving", 0)]
        assert challenge.groups == ("1", "2", "1", "2")
        assert challenge.original == (True, True, False, False)
        assert "Gardner" in challenge.title

    def test_rotten_tomatoes_are_the_other_rows_of_the_wheel(self, place):
        challenge = load(place, source="rotten-tomatoes")

        assert len(challenge.reviews) == 8530
        assert {label for _, label in pairs(challenge)} == {0, 1}
        assert not set(pairs(challenge)) & set(sources.read_embedded("imdb"))
        assert challenge.groups == challenge.original == ()

    def test_a_changed_file_is_refused_with_both_hashes(self, place):
        path = place.data_dir / "test_paired.tsv"
        path.write_text("<html>please log in</html>", encoding="utf-8")

        line = refusal(lambda: load(place, source="counterfactual", download=True))
        assert_names(line, path, challenges.COUNTERFACTUAL.sha256, hashlib.sha256(path.read_bytes()).hexdigest())

    def test_a_file_that_is_nowhere_is_not_downloaded_unasked(self, place):
        (place.data_dir / "test_contrast.tsv").unlink()

        with pytest.raises(ReviewsNotHereError) as error:
            load(place, source="contrast")
        assert_names(str(error.value), "test_contrast.tsv", "--data-dir", "BENCHMARK_DATA_DIR", "--set challenges=")

    def test_a_file_that_the_folder_lacks_is_downloaded_once_into_the_cache(self, place, server, monkeypatch):
        (place.data_dir / "test_paired.tsv").unlink()
        server.content = PAIRED.encode()
        url = f"http://127.0.0.1:{server.server_port}/test_paired.tsv"
        monkeypatch.setattr(challenges, "COUNTERFACTUAL", replace(challenges.COUNTERFACTUAL, url=url))

        downloaded = load(place, source="counterfactual", download=True)
        assert load(replace(place, data_dir=None), source="counterfactual") == downloaded
        assert len(downloaded.reviews) == 4
        assert len(server.log) == 1

    def test_a_download_that_fails_says_how_to_proceed_without(self, place, server, monkeypatch):
        server.status = 404
        monkeypatch.setattr(challenges, "COUNTERFACTUAL", replace(challenges.COUNTERFACTUAL, url=server.url))

        line = refusal(lambda: load(replace(place, data_dir=None), source="counterfactual", download=True))
        assert_names(line, server.url, "404", "--data-dir", "--set challenges=")

    def test_a_named_folder_must_be_there(self, place, tmp_path):
        wrong = replace(place, data_dir=tmp_path / "none")
        assert_names(refusal(lambda: load(wrong, source="contrast", download=True)), tmp_path / "none", "--data-dir")


class TestTable:
    @pytest.fixture
    def load_table(self, tmp_path, place):
        def of(content, **config):
            path = tmp_path / "mine.csv"
            path.write_text(content, encoding="utf-8")
            return load(place, source="table", path=path, **config)

        return of

    @pytest.mark.parametrize("column", ["group", "Pair", "batch_id", "PAIR_ID"])
    def test_a_column_of_a_usual_name_has_the_groups(self, load_table, column):
        challenge = load_table(f"{column};text;label\na;dull;0\na;fine;1\n")

        assert pairs(challenge) == [("dull", 0), ("fine", 1)]
        assert challenge.groups == ("a", "a")
        assert "mine.csv" in challenge.title

    def test_a_table_needs_no_groups_and_may_name_all_its_columns(self, load_table):
        assert load_table("text,label\ndull,0\nfine,1\n").groups == ()

        columns = {"text": "a", "label": "b", "group": "c"}
        challenge = load_table(
            "c,b,a\n1,bad,dull\n2,good,fine\n", columns=columns, labels={"negative": "bad", "positive": "good"}
        )
        assert pairs(challenge) == [("dull", 0), ("fine", 1)]
        assert challenge.groups == ("1", "2")

    @pytest.mark.parametrize(
        ("content", "config", "facts"),
        [
            ("text,label\nfine,1\n", {}, ["label 0"]),
            ("text,label\nfine,2\n", {}, ["line 2", "challenges.mine.labels"]),
            ("text,mark\nfine,2\n", {}, ["line 1", "no column label", "challenges.mine.columns.label"]),
            ("text,label,pair\nfine,1,a\ndull,0, \n", {}, ["line 3", "group"]),
            ("text,label\nfine,1\n", {"columns": {"group": "g"}}, ["no column g", "challenges.mine.columns.group"]),
            ("text,label,pair,pair_id\n", {}, ["more than one column group"]),
        ],
    )
    def test_a_wrong_table_is_refused_with_its_place(self, load_table, content, config, facts):
        assert_names(refusal(lambda: load_table(content, **config)), "mine.csv", *facts)


def test_a_perturbation_changes_the_test_part_and_keeps_its_labels(place):
    start = "dull " * 50
    test = identified([(f"{start}to me", 0), ("fine<br />film", 1), (f"{start}to you", 0)])
    challenge = load(place, test, source="perturbation", change="first_words")

    assert challenge.reviews == tuple(identified([(start.strip(), 0), ("fine<br />film", 1), (start.strip(), 0)]))
    assert challenge.of_test
    assert challenge.groups == challenge.original == ()


@pytest.mark.parametrize(
    "text",
    ["It's a FINE film<br /><br />", " its a fine, film.", "It&quot;s <i>a</i> f-i-n-e film\x85", "itsafinefilm"],
)
def test_texts_are_equal_up_to_markup_case_white_space_and_punctuation(text):
    assert normalised(text) == "itsafinefilm"


def test_normalised_texts_keep_letters_and_digits_of_every_script():
    assert normalised("Äpfel_ 5 < 6, «ЖУК»…") == "äpfel56жук"


class TestLeakage:
    SEEN = ChallengeSet("seen", "", tuple(identified([("A <br />film!", 0), ("fine", 1), ("...", 1)])))

    def test_texts_of_all_sets_but_of_the_test_part_are_held_out(self):
        changed = ChallengeSet("changed", "", tuple(identified([("dull", 0)])), of_test=True)

        assert held_out_texts([self.SEEN, changed]) == {"afilm", "fine"}

    def test_reviews_of_a_set_are_found_among_others(self):
        others = identified([("a film", 1), ("fine film", 0), ("!", 1)])

        assert in_texts(self.SEEN, others) == (True, False, False)
