"""Which encoder is meant: the embedded one, a folder, or a commit of a repository on the hub; never two of them."""

import pytest
from pydantic import ValidationError

from models.configs import EncoderConfig
from tests.helpers.facts import assert_names

COMMIT = "86b5e0934494bd15c9632b12f734a8a67f723594"


@pytest.mark.parametrize("hub", ["google-bert/bert-base-uncased", "bert-base-uncased", "a.b/c_d-2"])
def test_a_repository_with_its_commit_or_a_folder_is_meant_and_without_either_the_embedded_one(hub):
    encoder = EncoderConfig(hub=hub, revision=COMMIT, sha256="0" * 64)

    assert (encoder.hub, encoder.revision, encoder.embedded) == (hub, COMMIT, False)
    assert EncoderConfig().embedded
    assert EncoderConfig(sha256="0" * 64).embedded
    assert not EncoderConfig(path="folder").embedded


@pytest.mark.parametrize(
    ("settings", "place", "facts"),
    [
        ({"hub": "a/b"}, (), ["hub", "revision"]),
        ({"revision": COMMIT}, (), ["hub", "revision"]),
        ({"hub": "a/b", "revision": COMMIT, "path": "folder"}, (), ["path", "hub", "sha256"]),
        ({"hub": "a/b", "revision": COMMIT, "name": "mine"}, (), ["name", "path"]),
        ({"name": "mine"}, (), ["name", "path"]),
        ({"hub": "a/b", "revision": "main"}, ("revision",), ["40"]),
        ({"hub": "a/b", "revision": COMMIT[:12]}, ("revision",), ["40"]),
        ({"hub": "a/b", "revision": COMMIT.upper()}, ("revision",), ["40"]),
        ({"hub": "https://huggingface.co/a/b", "revision": COMMIT}, ("hub",), ["google-bert/bert-base-uncased"]),
        ({"hub": "a/b/c", "revision": COMMIT}, ("hub",), ["google-bert/bert-base-uncased"]),
        ({"hub": "", "revision": COMMIT}, ("hub",), ["google-bert/bert-base-uncased"]),
    ],
)
def test_what_names_no_one_encoder_for_good_is_refused(settings, place, facts):
    with pytest.raises(ValidationError) as refused:
        EncoderConfig(**settings)
    (error,) = refused.value.errors()
    assert error["loc"] == place
    assert_names(error["msg"], *facts)
