"""What a plan says beside its runs."""

from benchmark.config.load import load_suite
from benchmark.plan.plan import make_plan
from tests.helpers.recorded import NOWHERE

FIGURE = {"test_accuracy": 86.62, "source": "a paper"}


def test_a_published_figure_is_planned_beside_the_reviews_that_it_is_about(write_config, reviews_csv):
    figures = [
        FIGURE | {"experiment": "rnn", "corpus": "IMDB (official split)"},
        FIGURE | {"experiment": "lstm", "corpus": f"table {reviews_csv.name}"},
    ]
    path = write_config(published=figures)
    embedded = {"data.source": "embedded", "data.path": None}

    def shown(**settings):
        plan = make_plan(load_suite(path, settings=settings), NOWHERE)
        return {row.experiment for row in plan.record.rows if row.published}

    assert shown() == {"lstm"}
    assert shown(**embedded) == {"rnn"}  # another part of the same reviews


def test_sizes_are_settled_as_numbers(write_config):
    plan = make_plan(load_suite(write_config(), settings={"data.val_size": 0.1, "data.train_size": "all"}), NOWHERE)
    data = plan.runs[0].config.data

    assert (data.val_size, data.train_size) == (40, 400 - 40 - data.test_size)
