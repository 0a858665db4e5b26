"""Runs found in MLflow, and what our record of one says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmark.records import RunRecord, Status
from benchmark.tracking import tags

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run


def find_runs(client: MlflowClient, experiment_ids: list[str], query: str) -> list[Run]:
    """All runs of these experiments that fit, newest first."""
    runs: list[Run] = []
    if not experiment_ids:
        return runs
    token = None
    while True:
        page = client.search_runs(experiment_ids, query, order_by=["attributes.start_time DESC"], page_token=token)
        runs += page
        token = page.token
        if not token:
            return runs


def run_record(run: Run) -> RunRecord:
    """The run as it stood when MLflow gave it."""
    labels = run.data.tags
    return RunRecord(
        run_id=run.info.run_id,
        name=run.info.run_name,
        experiment=labels.get(tags.EXPERIMENT, "?"),
        seed=int(labels.get(tags.SEED, "0")),
        fingerprint=labels.get(tags.FINGERPRINT, "?"),
        status=Status(run.info.status),
        metrics=dict(run.data.metrics),
        params=dict(run.data.params),
        tags=dict(labels),
        error=labels.get(tags.ERROR, ""),
        lock=labels.get(tags.LOCK, ""),
        artifacts=run.info.artifact_uri or "",
    )
