"""Select the reviews that are worth explaining, by what finished runs predicted."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

DISPUTED, MISSED = "the models disagree", "all models are wrong"


def select_reviews(predictions: Sequence[pd.DataFrame], count: int) -> dict[str, str]:
    """Select reviews and say why; the same tables give the same reviews.

    Half of them, rounded up, are those whose probabilities differ most between the models (with one model: nearest to
    one half), the others those that all models get wrong with the highest confidence, as far as there are any.

    Args:
        predictions: of each run id, label, logit_negative and logit_positive, one line per review.
        count: of reviews.

    Returns:
        By id, DISPUTED or MISSED.
    """
    tables = [table.set_index("id") for table in predictions]
    margins = pd.concat([each["logit_positive"] - each["logit_negative"] for each in tables], axis=1, join="inner")
    labels = tables[0]["label"].loc[margins.index].to_numpy()
    positive = 1 / (1 + np.exp(-margins.to_numpy(np.float64)))
    ids = margins.index.to_numpy(str)
    spread, undecided = np.ptp(positive, axis=1), np.abs(positive.mean(axis=1) - 0.5)
    error = np.abs(positive - labels[:, None]).mean(axis=1)
    missed = ((margins.to_numpy() > 0) != labels[:, None]).all(axis=1)
    disputed_first = [ids[place] for place in np.lexsort((ids, undecided, -spread))]
    missed_first = [ids[place] for place in np.lexsort((ids, -error)) if missed[place]]
    chosen = dict.fromkeys(disputed_first[: -(-count // 2)], DISPUTED)
    for reviews, why in ((missed_first, MISSED), (disputed_first, DISPUTED)):
        for review in reviews:
            if len(chosen) < count:
                chosen.setdefault(review, why)
    return {str(review): why for review, why in chosen.items()}
