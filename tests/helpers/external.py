"""Predictions of another system, made up, as `import` would record them."""

from collections.abc import Callable

import numpy as np
import pandas as pd

from benchmark.analysis.metrics import classification_metrics
from benchmark.results.external import test_part
from benchmark.results.results import PlanResults
from benchmark.tracking import tags
from benchmark.tracking.records import EXTERNAL, RunRecord, Status


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
