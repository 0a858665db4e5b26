from collections.abc import Callable

import numpy as np
import pytest


@pytest.fixture
def answers() -> Callable[..., np.ndarray]:
    """Right or wrong of S networks about N reviews, from components that are known and add up."""

    def draw(chance, seeds, reviews, *, accuracy=0.85, seed_sd=0.01, review_sd=0.1, rows=None):
        offsets = chance.normal(0, seed_sd, (seeds, 1))
        ease = review_sd * rows if rows is not None else chance.choice([-review_sd, review_sd], reviews)
        return chance.random((seeds, reviews)) < accuracy + offsets + ease

    return draw
