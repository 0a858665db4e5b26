"""Predictions of another system, made up, as `import` would record them."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from benchmark.analysis.metrics import classification_metrics
from benchmark.config.load import load_suite
from benchmark.plan.plan import make_plan
from benchmark.results.external import test_part
from benchmark.results.results import PlanResults
from benchmark.tracking import tags
from benchmark.tracking.records import EXTERNAL, RunRecord, Status
from benchmark.tracking.store import TrackingStore
from data_pipeline.review import Review
from data_pipeline.sources import Place, read_source
from tests.helpers.recorded import NOWHERE, Made


def external_run(
    results: PlanResults, wrong: int, *, name: str = "gpt-x", only_labels: bool = False
) -> tuple[RunRecord, Callable[[RunRecord], pd.DataFrame]]:
    """A run that errs on every third review until it has erred so often, and what reads its predictions."""
    predicted = results.labels.copy()
    predicted[: 3 * wrong : 3] = 1 - predicted[: 3 * wrong : 3]
    logits = np.where(predicted[:, None] == [0, 1], 1.5, 0.0).astype(np.float32)
    scores = classification_metrics(results.labels, logits)
    metrics = {f"test/{key}": value for key, value in scores.items()}
    if only_labels:
        metrics = {key: value for key, value in metrics.items() if key not in {"test/roc_auc", "test/log_loss"}}
    labels = {tags.KIND: EXTERNAL, tags.TEST_PART: test_part(results.ids, results.labels), tags.USER: "ada"}
    run = RunRecord("e" * 32, name, name, 0, f"ext-{name}", Status.FINISHED, metrics, tags=labels)
    columns = {"id": results.ids, "label": results.labels}
    table = pd.DataFrame(columns | {"logit_negative": logits[:, 0], "logit_positive": logits[:, 1]})
    return run, lambda _: table.iloc[::-1]


def record_models(store: TrackingStore, config: Path) -> tuple[Review, ...]:
    """Record a whole plan of `config` with made-up predictions of its test part, and return the part."""
    suite = load_suite(config)
    plan = make_plan(suite, NOWHERE)
    test = read_source(suite.data[0], Place()).split(suite.data[0]).test
    parent = store.open_plan(plan.record, plan.name)
    labels = np.array([review.label for review in test])
    for number, planned in enumerate(plan.runs):
        margins = np.random.default_rng(number).normal(size=len(test)) + (labels - 0.5) * (1 + number)
        logits = np.stack([np.zeros(len(test)), margins], axis=1).astype(np.float32)
        scores = classification_metrics(labels, logits)
        metrics = {f"test/{score}": value for score, value in scores.items()}
        metrics |= {"parameters_total": 10.0, "parameters_trainable": 10.0, "train_seconds": 1.0 + number}
        columns = {"id": [review.id for review in test], "label": labels}
        Made(
            planned.config.experiment_name,
            planned.config.seed,
            planned.fingerprint,
            metrics=metrics,
            predictions=pd.DataFrame(columns | {"logit_negative": logits[:, 0], "logit_positive": logits[:, 1]}),
        ).record(store)
    store.close_plan(parent, Status.FINISHED)
    return test
