"""The official layout is read or refused; no archive is unpacked to disk."""

import gzip
import tarfile

import pytest

from data_pipeline import aclimdb
from data_pipeline.aclimdb import read_aclimdb
from data_pipeline.config import DataConfig
from data_pipeline.corpus import audit
from data_pipeline.errors import ReviewsNotHereError
from data_pipeline.load import load_corpus
from data_pipeline.sources import OFFICIAL_FINGERPRINT, OFFICIAL_NAME, Place, cached_archive, read_source
from tests.helpers.facts import assert_names
from tests.helpers.hostility import refusal
from tests.helpers.official import members, write_archive, write_folder

ARCHIVE = "aclImdb_v1.tar.gz"  # to download again


@pytest.fixture
def read(tmp_path):
    def of(files, *more, root="aclImdb/"):
        return read_aclimdb(write_archive(tmp_path / "reviews.tar.gz", files, *more, root=root), tmp_path / "cache")

    return of


def changed(name, content):
    return members() | {name: content}


def without(*names):
    return {name: content for name, content in members().items() if not name.startswith(names)}


class TestReading:
    def test_text_label_stars_and_film_are_read(self, read):
        train, test, leftovers = read(members())

        review = train[24]
        assert leftovers == 0
        assert (review.text, review.label) == ("a pos review of train, number 0<br />fin", 1)
        assert (review.stars, review.film) == (7, "tt0000")
        assert [len(train), len(test)] == [48, 48]
        assert {review.film for review in test} == {f"tt1{film:03}" for film in range(12)}

    def test_a_folder_gives_the_same_as_an_archive(self, read, tmp_path):
        folder = write_folder(tmp_path / "unpacked", members())

        assert read_aclimdb(folder, tmp_path / "cache") == read(members())
        assert read_aclimdb(folder / "aclImdb", tmp_path / "cache") == read(members())

    def test_order_of_members_and_files_without_labels_do_not_matter(self, read):
        labelled = without("README", "train/unsup", "train/labeledBow")

        assert read(dict(reversed(labelled.items()))) == read(members())

    def test_leftovers_of_systems_and_editors_are_skipped_counted_and_told(self, read, tmp_path):
        names = [".DS_Store", "._0_3.txt", "Thumbs.db", "desktop.ini", "0_3.txt~", ".ipynb_checkpoints/0_3.txt"]
        left = {f"train/neg/{name}": b"\0\1\2" for name in names} | {"test/pos/.0_9.txt.swp": b"\xff"}
        folder = write_folder(tmp_path / "unpacked", members() | left)
        (train, test, none), whole = read(members()), read(members() | left)

        assert none == 0
        assert whole == read_aclimdb(folder, tmp_path / "cache") == (train, test, 7)
        assert read(members() | left) == whole  # from the cache
        config = DataConfig(source="aclimdb", train_size=20, val_size=10, test_size="all")
        [line] = [each for each in audit(load_corpus(config, Place(folder))) if "left" in each and "skipped" in each]
        assert_names(line, "7 files")

    def test_without_url_lists_films_are_not_known(self, read):
        assert {review.film for review in read(without("train/urls", "test/urls"))[0]} == {None}

    def test_each_archive_is_parsed_once_whatever_its_name(self, read, monkeypatch):
        first = read(members())
        assert read(changed("train/neg/0_1.txt", b"another"))[0][0].text == "another"

        monkeypatch.setattr(aclimdb, "_archive_members", lambda path: pytest.fail("parsed again"))
        assert read(members()) == first

    def test_ids_of_train_do_not_depend_on_test(self, read):
        train, test, _ = read(changed("test/neg/0_1.txt", members()["train/neg/0_1.txt"]))

        assert train == read(members())[0]
        assert test[0].id == train[0].id.removesuffix("0") + "1"


FAULTS = {
    "an empty review": (changed("train/neg/3_4.txt", b" \n"), ["train/neg/3_4.txt"]),
    "bytes that are no text": (changed("test/pos/3_10.txt", b"caf\xe9"), ["test/pos/3_10.txt", "UTF-8", "byte 3"]),
    "a NUL": (changed("train/neg/0_1.txt", b"a\0b"), ["train/neg/0_1.txt", "NUL"]),
    "a missing class": (without("test/pos/"), ["aclImdb/test/pos/"]),
    "a missing split": (without("train/"), ["aclImdb/train/neg/"]),
    "an index given twice": (changed("train/neg/0_2.txt", b"again"), ["train/neg", "index 0"]),
    "stars that deny the class": (changed("train/neg/99_8.txt", b"good"), ["99_8.txt", "8 stars", "neg", "1 to 4"]),
    "a name of another form": (changed("train/neg/first.txt", b"good"), ["train/neg/first.txt", "<index>_<stars>.txt"]),
    "a short url list": (
        changed("train/urls_pos.txt", b"/title/tt1/"),
        ["train/urls_pos.txt", "train/pos", "review 1"],
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_is_named_in_one_line_for_archive_and_folder(fault, read, tmp_path):
    files, facts = FAULTS[fault]

    for attempt in (lambda: read(files), lambda: read_aclimdb(write_folder(tmp_path, files), tmp_path / "cache")):
        assert_names(refusal(attempt), str(tmp_path), *facts, ARCHIVE)


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])
def test_an_archive_with_a_link_device_or_pipe_is_refused_and_leaves_nothing(kind, read, tmp_path):
    evil = tarfile.TarInfo("aclImdb/train/neg/7_1.txt")
    evil.type, evil.linkname = kind, "/etc/passwd"

    assert_names(refusal(lambda: read(members(), evil)), repr(evil.name), ARCHIVE)
    assert [path for path in (tmp_path / "cache").rglob("*") if path.is_file() and path.suffix != ".lock"] == []


def test_a_bomb_is_not_read_to_its_end(read, monkeypatch):
    monkeypatch.setattr(aclimdb, "LONGEST_ARCHIVE", 2**20)

    assert_names(refusal(lambda: read(members() | {"README": b"\0" * 2**21})), "0 GiB", ARCHIVE)


def test_a_review_of_more_bytes_than_any_is_refused_before_it_is_read(read, monkeypatch):
    assert len(read(changed("train/neg/0_1.txt", b"long " * 200_000))[0][0].text) == 1_000_000

    monkeypatch.setattr(aclimdb, "LONGEST_MEMBER", 1000)
    assert_names(
        refusal(lambda: read(changed("train/neg/0_1.txt", b"x" * 1001))), "'aclImdb/train/neg/0_1.txt'", "1,001 bytes"
    )


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content[: len(content) // 2],
        lambda content: content[:200] + b"?" * 50 + content[250:],
        gzip.decompress,
        lambda content: gzip.compress(b"no archive" * 200),
        lambda content: b"",
    ],
    ids=["cut short", "altered", "not compressed", "no archive", "empty"],
)
def test_a_damaged_archive_is_refused_in_one_line(damage, tmp_path):
    path = write_archive(tmp_path / "reviews.tar.gz", members())
    path.write_bytes(damage(path.read_bytes()))

    assert_names(refusal(lambda: read_aclimdb(path, tmp_path / "cache")), path, ".tar.gz", ARCHIVE)


def test_another_layout_is_refused(read, tmp_path):
    assert_names(refusal(lambda: read(members(), root="elsewhere/")), "aclImdb/train/neg/", ARCHIVE)
    assert_names(refusal(lambda: read_aclimdb(tmp_path / "nowhere", tmp_path)), tmp_path / "nowhere", ARCHIVE)


class TestCorpus:
    @pytest.fixture
    def place(self, tmp_path):
        return Place(write_folder(tmp_path / "unpacked", members()), tmp_path / "cache")

    def config(self, **settings):
        return DataConfig(**{"source": "aclimdb", "train_size": "all", "val_size": 12, "test_size": "all"} | settings)

    def test_test_is_the_official_one_and_train_and_val_come_from_the_official_train_part(self, place):
        corpus = load_corpus(self.config(), place)

        assert not corpus.held_out_test
        assert {name: len(part) for name, part in corpus.parts.items()} == {"train": 36, "val": 12, "test": 48}
        assert all("of test" in review.text for review in corpus.test)
        assert all("of train" in review.text for review in corpus.train + corpus.val)

    def test_only_the_official_reviews_have_the_official_name_and_a_part_of_them_another(self, place, monkeypatch):
        copy = load_corpus(self.config(), place)
        assert copy.fingerprint != OFFICIAL_FINGERPRINT
        assert OFFICIAL_NAME not in copy.name
        assert "48 + 48" in copy.name

        monkeypatch.setattr("data_pipeline.sources.OFFICIAL_FINGERPRINT", copy.fingerprint)
        whole, part = (load_corpus(self.config(test_size=size), place) for size in ("all", 10))
        assert whole.name == OFFICIAL_NAME != part.name
        assert set(part.test) < set(whole.test)
        assert sum(review.label for review in part.test) == 5

    def test_duplicates_are_left_out_of_train_but_kept_in_test_and_counted_in_the_audit(self, tmp_path):
        files = members()
        files |= {"train/neg/1_2.txt": files["train/neg/0_1.txt"], "test/neg/1_2.txt": files["test/neg/0_1.txt"]}
        files |= {"test/pos/0_7.txt": files["train/pos/0_7.txt"]}
        corpus = load_corpus(self.config(), Place(write_folder(tmp_path, files), tmp_path / "cache"))

        assert {name: len(part) for name, part in corpus.parts.items()} == {"train": 35, "val": 12, "test": 48}
        classes, *duplicates = audit(corpus)
        assert_names(classes, "train 17 + 18", "val 6 + 6", "test 24 + 24")
        assert [line.split()[0] for line in duplicates] == ["1", "1", "1"]

    @pytest.mark.parametrize("split", ["stratified", "by_film"])
    def test_only_by_film_no_film_is_in_both_train_and_val(self, place, split):
        corpus = load_corpus(self.config(split=split), place)
        shared = {review.film for review in corpus.train} & {review.film for review in corpus.val}

        assert {name: len(part) for name, part in corpus.parts.items()} == {"train": 36, "val": 12, "test": 48}
        assert bool(shared) == (split == "stratified")
        assert sum(review.label for review in corpus.val) == 6

    def test_by_film_a_smaller_train_part_lies_within_a_larger_one(self, place):
        small, large = (load_corpus(self.config(split="by_film", train_size=size), place) for size in (10, "all"))

        assert set(small.train) < set(large.train)
        assert small.val == large.val

    def test_by_film_a_size_that_whole_films_cannot_make_up_is_refused_with_one_that_they_can(self, place):
        line = refusal(lambda: load_corpus(self.config(split="by_film", val_size=14), place))

        assert_names(line, "`by_film`", "14", "val_size", "12", "`stratified`")

    def test_by_film_without_url_lists_is_refused(self, tmp_path):
        place = Place(write_folder(tmp_path, without("train/urls")), tmp_path / "cache")

        assert_names(refusal(lambda: load_corpus(self.config(split="by_film"), place)), "`by_film`", "`stratified`")

    def test_absent_reviews_are_not_downloaded_unless_asked_for(self, tmp_path):
        with pytest.raises(ReviewsNotHereError, match=r"--data PATH.* BENCHMARK_DATA"):
            read_source(self.config(), Place(None, tmp_path), download=False)

    def test_a_downloaded_archive_is_found_in_the_cache(self, tmp_path):
        (tmp_path / "downloads").mkdir()
        path = write_archive(tmp_path / "downloads" / "aclImdb_v1.tar.gz", members())

        assert cached_archive(tmp_path, download=False) == path
        assert len(load_corpus(self.config(), Place(None, tmp_path)).test) == 48
