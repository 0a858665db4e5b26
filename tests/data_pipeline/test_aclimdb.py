"""The official layout: what is read, and what is refused; nothing of an archive is ever unpacked to disk."""

import gzip
import tarfile

import pytest

from data_pipeline import aclimdb
from data_pipeline.aclimdb import read_aclimdb
from data_pipeline.config import DataConfig
from data_pipeline.corpus import audit, describe_audit
from data_pipeline.errors import DataError, ReviewsNotHereError
from data_pipeline.sources import OFFICIAL_FINGERPRINT, Place, fetched_archive, load_corpus, read_source
from tests.helpers.official import members, write_archive, write_folder


@pytest.fixture
def read(tmp_path):
    """Write these files as an archive and read it."""

    def of(files, *more, root="aclImdb/"):
        return read_aclimdb(write_archive(tmp_path / "reviews.tar.gz", files, *more, root=root), tmp_path / "cache")

    return of


def changed(name, content):
    return members() | {name: content}


def without(*names):
    return {name: content for name, content in members().items() if not name.startswith(names)}


class TestReading:
    def test_text_label_stars_and_film_are_read(self, read):
        found = read(members())

        review = found.train[24]
        assert (review.text, review.label) == ("a pos review of train, number 0<br />fin", 1)
        assert (review.stars, review.film) == (7, "tt0000")
        assert [len(found.train), len(found.test)] == [48, 48]
        assert {review.film for review in found.test} == {f"tt1{film:03}" for film in range(12)}

    def test_a_folder_gives_the_same_as_an_archive(self, read, tmp_path):
        folder = write_folder(tmp_path / "unpacked", members())

        assert read_aclimdb(folder, tmp_path / "cache") == read(members())
        assert read_aclimdb(folder / "aclImdb", tmp_path / "cache") == read(members())

    def test_the_order_of_the_members_does_not_matter(self, read):
        assert read(dict(reversed(members().items()))) == read(members())

    def test_unlabelled_reviews_and_other_files_are_passed_over(self, read):
        assert read(without("README", "train/unsup", "train/labeledBow")) == read(members())

    def test_without_url_lists_films_are_not_known(self, read):
        assert {review.film for review in read(without("train/urls", "test/urls")).train} == {None}

    def test_an_archive_is_parsed_once(self, read, monkeypatch):
        first = read(members())
        monkeypatch.setattr(aclimdb, "_archive_members", lambda path: pytest.fail("parsed again"))

        assert read(members()) == first

    def test_another_archive_under_the_same_name_is_not_taken_for_the_first(self, read):
        read(members())

        assert read(changed("train/neg/0_1.txt", b"another")).train[0].text == "another"

    def test_ids_of_train_do_not_depend_on_test(self, read):
        twin = read(changed("test/neg/0_1.txt", members()["train/neg/0_1.txt"]))

        assert [review.id for review in twin.train] == [review.id for review in read(members()).train]
        assert twin.test[0].id == twin.train[0].id.removesuffix("0") + "1"


FAULTS = {
    "an empty review": (changed("train/neg/3_4.txt", b" \n"), "train/neg/3_4.txt is empty"),
    "bytes that are no text": (changed("test/pos/3_10.txt", b"caf\xe9"), "test/pos/3_10.txt is not UTF-8 .* at byte 3"),
    "a NUL": (changed("train/neg/0_1.txt", b"a\0b"), "train/neg/0_1.txt holds a NUL byte"),
    "a missing class": (without("test/pos/"), "has no review aclImdb/test/pos/"),
    "a missing split": (without("train/"), "has no review aclImdb/train/neg/"),
    "an index given twice": (members() | {"train/neg/0_2.txt": b"again"}, "two reviews of index 0"),
    "stars that deny the class": (
        members() | {"train/neg/99_8.txt": b"good"},
        "99_8.txt: 8 stars where neg has 1 to",
    ),
    "a name of another form": (members() | {"train/neg/first.txt": b"good"}, "train/neg/first.txt is not named"),
    "a short url list": (changed("train/urls_pos.txt", b"/title/tt1/"), "urls_pos.txt has 1 lines .* a review 1"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_is_told_in_one_line_for_archive_and_folder(fault, read, tmp_path):
    files, words = FAULTS[fault]

    for attempt in (lambda: read(files), lambda: read_aclimdb(write_folder(tmp_path, files), tmp_path / "cache")):
        with pytest.raises(DataError, match=words) as told:
            attempt()
        assert "\n" not in str(told.value)


def member(name, kind, target=""):
    made = tarfile.TarInfo(name)
    made.type, made.linkname = kind, target
    return made


HOSTILE = {
    "a path upwards": (member("aclImdb/../../evil.txt", tarfile.REGTYPE), "leads out of the archive"),
    "an absolute path": (member("/evil.txt", tarfile.REGTYPE), "leads out of the archive"),
    "a symbolic link": (member("aclImdb/train/neg/7_1.txt", tarfile.SYMTYPE, "/etc/passwd"), "neither a file nor"),
    "a hard link": (member("aclImdb/train/neg/7_1.txt", tarfile.LNKTYPE, "/etc/passwd"), "neither a file nor"),
    "a device": (member("aclImdb/train/neg/7_1.txt", tarfile.CHRTYPE), "neither a file nor"),
    "a pipe": (member("aclImdb/train/neg/7_1.txt", tarfile.FIFOTYPE), "neither a file nor"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_an_archive_with_what_no_honest_copy_has_is_refused_and_leaves_nothing(kind, read, tmp_path):
    made, words = HOSTILE[kind]

    with pytest.raises(DataError, match=words):
        read(members(), made)
    assert [path for path in (tmp_path / "cache").rglob("*") if path.is_file() and path.suffix != ".lock"] == []


def test_a_bomb_is_not_read_to_its_end(read, monkeypatch):
    monkeypatch.setattr(aclimdb, "LONGEST_ARCHIVE", 2**20)

    with pytest.raises(DataError, match="unpacks to more than"):
        read(members() | {"README": b"\0" * 2**21})


def test_a_review_of_more_bytes_than_any_is_refused_before_it_is_read(read, monkeypatch):
    monkeypatch.setattr(aclimdb, "LONGEST_MEMBER", 1000)

    with pytest.raises(DataError, match=r"'aclImdb/train/neg/0_1.txt' has 1,001 bytes"):
        read(changed("train/neg/0_1.txt", b"x" * 1001))


def test_a_long_review_is_read(read):
    assert len(read(changed("train/neg/0_1.txt", b"long " * 200_000)).train[0].text) == 1_000_000


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda content: content[: len(content) // 2], "cannot be read as a .tar.gz"),
        (lambda content: content[:200] + b"?" * 50 + content[250:], "cannot be read as a .tar.gz"),
        (gzip.decompress, "cannot be read as a .tar.gz"),
        (lambda content: gzip.compress(b"no archive" * 200), "cannot be read as a .tar.gz"),
        (lambda content: b"", r"cannot be read as a .tar.gz|has no review"),
    ],
    ids=["cut short", "altered", "not compressed", "no archive", "empty"],
)
def test_a_damaged_archive_is_told_in_one_line(damage, words, tmp_path):
    path = write_archive(tmp_path / "reviews.tar.gz", members())
    path.write_bytes(damage(path.read_bytes()))

    with pytest.raises(DataError, match=words) as told:
        read_aclimdb(path, tmp_path / "cache")
    assert "download aclImdb_v1.tar.gz again" in str(told.value)
    assert "\n" not in str(told.value)


def test_another_layout_is_told(read, tmp_path):
    with pytest.raises(DataError, match="is no copy of the official data or only a part of it"):
        read(members(), root="elsewhere/")
    with pytest.raises(DataError, match=r"there is no .*nowhere; name the folder aclImdb or the archive"):
        read_aclimdb(tmp_path / "nowhere", tmp_path / "cache")


class TestCorpus:
    @pytest.fixture
    def place(self, tmp_path):
        return Place(write_folder(tmp_path / "unpacked", members()), tmp_path / "cache")

    def config(self, **settings):
        return DataConfig(**({"source": "aclimdb", "train_size": "all", "val_size": 12, "test_size": "all"} | settings))

    def test_test_is_the_official_one_and_train_and_val_come_from_the_official_train_part(self, place):
        corpus = load_corpus(self.config(), place)

        assert not corpus.held_out_test
        assert {name: len(part) for name, part in corpus.parts.items()} == {"train": 36, "val": 12, "test": 48}
        assert all("of test" in review.text for review in corpus.test)
        assert all("of train" in review.text for review in corpus.train + corpus.val)

    def test_a_copy_that_is_not_the_official_one_is_not_called_so(self, place):
        corpus = load_corpus(self.config(), place)

        assert corpus.fingerprint != OFFICIAL_FINGERPRINT
        assert corpus.name == "reviews in aclImdb's layout, not the official ones (48 + 48)"

    def test_a_part_of_the_official_test_is_called_so(self, place, monkeypatch):
        fingerprint = load_corpus(self.config(), place).fingerprint
        monkeypatch.setattr("data_pipeline.sources.OFFICIAL_FINGERPRINT", fingerprint)
        names = [load_corpus(self.config(test_size=size), place).name for size in ("all", 10)]

        assert names == ["IMDB (official split)", "IMDB (official split), a part of its test reviews"]

    def test_a_sample_of_test_is_balanced_and_a_part_of_the_whole(self, place):
        whole, sample = (load_corpus(self.config(test_size=size), place).test for size in ("all", 10))

        assert set(sample) < set(whole)
        assert sum(review.label for review in sample) == 5

    def test_duplicates_are_left_out_of_train_and_kept_in_test_and_told(self, tmp_path):
        files = members()
        files |= {"train/neg/1_2.txt": files["train/neg/0_1.txt"], "test/neg/1_2.txt": files["test/neg/0_1.txt"]}
        files |= {"test/pos/0_7.txt": files["train/pos/0_7.txt"]}
        corpus = load_corpus(self.config(), Place(write_folder(tmp_path, files), tmp_path / "cache"))

        assert {name: len(part) for name, part in corpus.parts.items()} == {"train": 35, "val": 12, "test": 48}
        told = describe_audit(audit(corpus))
        assert told[0] == "negative + positive: train 17 + 18, val 6 + 6, test 24 + 24"
        assert [line.split()[0] for line in told[1:]] == ["1", "1", "1"]
        assert "left out" in told[1]
        assert "repeat" in told[2]
        assert "stand in train or val too" in told[3]

    def test_by_film_no_film_stands_in_train_and_val_and_sizes_and_classes_are_kept(self, place):
        corpus = load_corpus(self.config(split="by_film"), place)

        assert {name: len(part) for name, part in corpus.parts.items()} == {"train": 36, "val": 12, "test": 48}
        assert not {review.film for review in corpus.train} & {review.film for review in corpus.val}
        assert sum(review.label for review in corpus.val) == 6

    def test_stratified_films_are_shared(self, place):
        corpus = load_corpus(self.config(), place)

        assert {review.film for review in corpus.train} & {review.film for review in corpus.val}

    def test_by_film_a_smaller_train_part_lies_within_a_larger_one(self, place):
        small, large = (load_corpus(self.config(split="by_film", train_size=size), place) for size in (10, "all"))

        assert set(small.train) < set(large.train)
        assert small.val == large.val

    def test_by_film_a_size_that_whole_films_cannot_make_up_is_refused_with_one_that_they_can(self, place):
        with pytest.raises(DataError, match=r"whole films make up 12 of the 14 reviews of val .* val_size to 12"):
            load_corpus(self.config(split="by_film", val_size=14), place)

    def test_by_film_without_url_lists_is_refused(self, tmp_path):
        place = Place(write_folder(tmp_path, without("train/urls")), tmp_path / "cache")

        with pytest.raises(DataError, match="the source lacks its url lists; use split `stratified`"):
            load_corpus(self.config(split="by_film"), place)

    def test_reviews_that_are_not_here_are_not_fetched_unless_asked_for(self, tmp_path):
        with pytest.raises(ReviewsNotHereError, match="name it by --data PATH or BENCHMARK_DATA"):
            read_source(self.config(), Place(None, tmp_path), download=False)

    def test_what_was_fetched_is_found_in_the_cache(self, tmp_path):
        (tmp_path / "downloads").mkdir()
        path = write_archive(tmp_path / "downloads" / "aclImdb_v1.tar.gz", members())

        assert fetched_archive(tmp_path, download=False) == path
        assert len(load_corpus(self.config(), Place(None, tmp_path)).test) == 48
