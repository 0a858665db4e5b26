from itertools import pairwise

import numpy as np
import pytest
import torch

from data_pipeline.batch import Batch, evaluation_order, pad_token_ids, training_order

LENGTHS = np.random.default_rng(7).integers(5, 257, size=1001)


def order(seed=1, epoch=1, batch_size=8, length_grouping=True):
    return list(training_order(LENGTHS, batch_size, seed, epoch, length_grouping=length_grouping))


def padding(batches):
    """Share of the padded batches that is padding."""
    real = sum(LENGTHS[batch].sum() for batch in batches)
    return 1 - real / sum(LENGTHS[batch].max() * len(batch) for batch in batches)


@pytest.mark.parametrize("length_grouping", [True, False])
def test_an_epoch_is_every_review_once_in_an_order_of_seed_and_epoch_alone(length_grouping):
    assert sorted(map(len, order(length_grouping=length_grouping)))[:2] == [1, 8]

    def flat(**arguments):
        return np.concatenate(order(length_grouping=length_grouping, **arguments)).tolist()

    np.random.seed(5)  # the global generator must not matter
    first = flat(seed=1, epoch=2)
    assert sorted(first) == list(range(1001))
    np.random.seed(6)
    assert flat(seed=1, epoch=2) == first
    assert flat(seed=1, epoch=3) != first
    assert flat(seed=2, epoch=2) != first


def test_grouped_batches_have_little_padding_and_come_in_no_order_of_length():
    grouped, mixed = order(length_grouping=True), order(length_grouping=False)

    assert padding(grouped) < 0.05
    assert padding(mixed) > 0.3
    longest = [LENGTHS[batch].max() for batch in grouped]
    assert 0.3 < np.mean([a < b for a, b in pairwise(longest)]) < 0.7


def test_evaluation_goes_from_the_shortest_to_the_longest_review_and_omits_none():
    flat = np.concatenate(list(evaluation_order(LENGTHS, 64)))

    assert sorted(flat) == list(range(1001))
    assert (np.diff(LENGTHS[flat]) >= 0).all()


def test_rows_are_padded_on_the_right_to_the_longest():
    padded = pad_token_ids([np.array([5, 6, 7], dtype=np.int32), np.array([8], dtype=np.int32)], pad_id=9)

    assert padded.tolist() == [[5, 6, 7], [8, 9, 9]]
    assert padded.dtype == torch.int64


def test_the_mask_is_true_at_real_tokens():
    batch = Batch(("a", "b"), torch.tensor([0, 1]), torch.zeros(2, 3, dtype=torch.int64), torch.tensor([3, 1]))

    assert batch.attention_mask.tolist() == [[True, True, True], [True, False, False]]
    assert len(batch) == 2
