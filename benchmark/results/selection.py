"""Which reviews are worth a look, by what finished runs said of them. Reads recorded predictions alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

DISPUTED, MISSED = "the models disagree", "all models are wrong"


def telling_reviews(predictions: Sequence[pd.DataFrame], count: int) -> dict[str, str]:
    """Ids of `count` reviews and why each was chosen; the same tables give the same reviews.

    Half of them, rounded up, are those whose probabilities lie farthest apart (for one model: nearest to a half), the
    others those that all get wrong and are surest of, as far as there are any.

    Args:
        predictions: of each run id, label, logit_negative and logit_positive, a line a review.
        count: of reviews.
    """
    import pandas as pd

    tables = [table.set_index("id") for table in predictions]
    margins = pd.concat([each["logit_positive"] - each["logit_negative"] for each in tables], axis=1, join="inner")
    labels = tables[0]["label"].loc[margins.index].to_numpy()
    positive = 1 / (1 + np.exp(-margins.to_numpy(np.float64)))
    ids = margins.index.to_numpy(str)
    apart, undecided = np.ptp(positive, axis=1), np.abs(positive.mean(axis=1) - 0.5)
    error = np.abs(positive - labels[:, None]).mean(axis=1)
    missed = ((margins.to_numpy() > 0) != labels[:, None]).all(axis=1)
    disputed_first = [ids[place] for place in np.lexsort((ids, undecided, -apart))]
    missed_first = [ids[place] for place in np.lexsort((ids, -error)) if missed[place]]
    chosen = dict.fromkeys(disputed_first[: -(-count // 2)], DISPUTED)
    for reviews, why in ((missed_first, MISSED), (disputed_first, DISPUTED)):
        for review in reviews:
            if len(chosen) < count:
                chosen.setdefault(review, why)
    return {str(review): why for review, why in chosen.items()}
