"""What a plan says beside its runs."""

from dataclasses import replace

from benchmark.config.load import load_suite
from benchmark.config.tuned import Provenance, TunedSettings
from benchmark.plan.plan import make_plan
from data_pipeline.load import load_corpus
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


def test_shares_are_recorded_as_numbers_with_which_tuned_settings_are_compared(write_config):
    suite = load_suite(write_config(), settings={"data.val_size": 0.1, "data.train_size": "all"})
    data = make_plan(suite, NOWHERE).runs[0].config.data

    assert (data.val_size, data.train_size) == (40, 400 - 40 - data.test_size)
    origin = dict.fromkeys(["study", "metric", "split_fingerprint", "finished"], "x")
    origin |= dict.fromkeys(["trial", "complete", "pruned"], 1) | {
        "value": 0.5,
        "before": None,
        "seconds": 1.0,
        "code": {},
    }
    origin |= {"corpus_fingerprint": load_corpus(data).fingerprint, "data": data.model_dump(mode="json")}
    tuned = TunedSettings(profile="quick", experiment="rnn", settings={}, provenance=Provenance(**origin))

    assert make_plan(replace(suite, tuned={"rnn": tuned}), NOWHERE).record.rows[0].tuned
