"""Read the split reviews of a run: without those in train and val that a challenge set has. Imports no torch."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from data_pipeline.challenge_config import ChallengeConfig
from data_pipeline.challenges import held_out_texts, load_challenges
from data_pipeline.config import DataConfig
from data_pipeline.corpus import Corpus
from data_pipeline.review import Review, normalised
from data_pipeline.sources import Place, read_source

HERE = Place()


def load_corpus(
    config: DataConfig,
    place: Place = HERE,
    challenges: Mapping[str, ChallengeConfig] = MappingProxyType({}),
) -> Corpus:
    """Read the reviews that `config` names and split them, so that train and val lack the texts of the challenge sets.

    Raises:
        DataError: the reviews or a challenge set cannot be read, or the split cannot be made.
    """
    source = read_source(config, place)
    return source.split(config, held_out_ids(source.reviews, challenges, place))


def held_out_ids(
    reviews: Iterable[Review], challenges: Mapping[str, ChallengeConfig], place: Place, *, download: bool = True
) -> frozenset[str]:
    """Return the ids of the reviews whose text a challenge set has, but for sets that are made from the test part.

    Raises:
        ReviewsNotHereError: a set would have to be downloaded and `download` is false.
        DataError: a set cannot be read.
    """
    others = {name: config for name, config in challenges.items() if config.source != "perturbation"}
    if not others:  # to normalise all texts takes a second
        return frozenset()
    texts = held_out_texts(load_challenges(others, place, (), download=download))
    return frozenset(review.id for review in reviews if normalised(review.text) in texts)
