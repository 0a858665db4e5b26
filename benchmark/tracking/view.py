"""How MLflow's page lists a profile's runs: the best test accuracy on top, with the columns that one compares."""

from __future__ import annotations

import json

_KEY = "benchmark"
VIEW_TAG = f"mlflow.sharedViewState.{_KEY}"  # where MLflow's own "Share" button puts such a state

EXPERIMENT_NOTE = (
    "Sentiment of IMDB reviews. A plan (the parent run) says which models and seeds are compared on one split; the "
    "runs nested in it are one model with one seed each. Compare them by `test/accuracy`; `val/loss` chose each "
    "run's epoch. `python -m benchmark ui` opens the list of all runs, the best on top; `report` prints the table."
)
_METRICS = ("test/accuracy", "test/f1", "best_val_loss", "train_seconds")


def view_state() -> str:
    """The value of an experiment's VIEW_TAG.

    Plans are left out, and a list that is sorted by a metric is not nested, so that all runs are seen at once.
    """
    metrics = [f"metrics.`{name}`" for name in _METRICS]
    return json.dumps(
        {
            "searchFilter": "tags.`benchmark.kind` = 'run'",
            "orderByKey": metrics[0],
            "orderByAsc": False,
            "selectedColumns": ["attributes.`Created`", "attributes.`Duration`", "params.`data.train_size`", *metrics],
        }
    )


def runs_page(server: str, experiment_id: str) -> str:
    """Address of that list; without `workflowType` MLflow 3 opens its pages for language models."""
    return f"{server}/#/experiments/{experiment_id}/runs?workflowType=machine_learning&viewStateShareKey={_KEY}"
