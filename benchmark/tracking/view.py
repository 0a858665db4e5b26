"""How MLflow's page lists a profile's runs: the best test accuracy on top, with the columns to compare."""

from __future__ import annotations

import json

_KEY = "benchmark"
VIEW_TAG = f"mlflow.sharedViewState.{_KEY}"  # where MLflow's own "Share" button puts such a state

EXPERIMENT_NOTE = (
    "Sentiment of IMDB reviews. A plan (the parent run) says which models and seeds are compared on one split; the "
    "runs nested in it are one model with one seed each. Compare them by `test/accuracy`; `val/loss` chose each "
    "run's epoch. `python -m benchmark ui` opens the list of all runs, the best on top; `report` prints the table."
)


def view_state() -> str:
    """Return the value of an experiment's VIEW_TAG: its runs without plans, not nested because sorted by a metric."""
    metrics = [f"metrics.`{name}`" for name in ("test/accuracy", "test/f1", "best_val_loss", "train_seconds")]
    return json.dumps(
        {
            "searchFilter": "tags.`benchmark.kind` = 'run'",
            "orderByKey": metrics[0],
            "orderByAsc": False,
            "selectedColumns": ["attributes.`Created`", "attributes.`Duration`", "params.`data.train_size`", *metrics],
        }
    )


def runs_page(server: str, experiment_id: str | None) -> str:
    """Return the address of that list, or of all experiments where the profile has no experiment yet.

    Without `workflowType` MLflow 3 opens its pages for language models.
    """
    if experiment_id is None:
        return f"{server}/#/experiments?workflowType=machine_learning"
    return f"{server}/#/experiments/{experiment_id}/runs?workflowType=machine_learning&viewStateShareKey={_KEY}"
