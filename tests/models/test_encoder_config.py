"""Which encoder is meant: the embedded one, a folder, or a commit of a repository on the hub; never two of them."""

import pytest
from pydantic import ValidationError

from models.configs import EncoderConfig

COMMIT = "86b5e0934494bd15c9632b12f734a8a67f723594"


@pytest.mark.parametrize("hub", ["google-bert/bert-base-uncased", "bert-base-uncased", "a.b/c_d-2"])
def test_a_repository_with_its_commit(hub):
    encoder = EncoderConfig(hub=hub, revision=COMMIT, sha256="0" * 64)

    assert (encoder.hub, encoder.revision, encoder.embedded) == (hub, COMMIT, False)


def test_nothing_named_is_the_embedded_one():
    assert EncoderConfig().embedded
    assert EncoderConfig(sha256="0" * 64).embedded
    assert not EncoderConfig(path="folder").embedded


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"hub": "a/b"}, "`hub` needs `revision`, the commit"),
        ({"revision": COMMIT}, "`revision` goes with `hub`"),
        ({"hub": "a/b", "revision": COMMIT, "path": "folder"}, "which only `sha256` can prove"),
        ({"hub": "a/b", "revision": COMMIT, "name": "mine"}, "`name` goes with `path`"),
        ({"name": "mine"}, "`name` goes with `path`"),
        ({"hub": "a/b", "revision": "main"}, "should be a commit, 40 hex digits.* can be moved"),
        ({"hub": "a/b", "revision": COMMIT[:12]}, "should be a commit, 40 hex digits"),
        ({"hub": "a/b", "revision": COMMIT.upper()}, "should be a commit, 40 hex digits"),
        ({"hub": "https://huggingface.co/a/b", "revision": COMMIT}, "should be a repository's name on the hub"),
        ({"hub": "a/b/c", "revision": COMMIT}, "should be a repository's name on the hub"),
        ({"hub": "", "revision": COMMIT}, "should be a repository's name on the hub"),
    ],
)
def test_what_names_no_one_encoder_for_good_is_refused_in_words(settings, message):
    with pytest.raises(ValidationError, match=message):
        EncoderConfig(**settings)
