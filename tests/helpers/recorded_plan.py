"""What `run all` leaves in the store, made up: nothing is trained."""

from pathlib import Path
from tempfile import TemporaryDirectory

from benchmark.plan.plan import make_plan
from benchmark.tracking.records import Status
from benchmark.tracking.store import TrackingStore
from benchmark.tracking.tags import run_tags
from tests.helpers.recorded import NOWHERE, eight_predictions

METRICS = {
    "test/accuracy": 0.875,
    "test/f1": 0.5,
    "test/roc_auc": 0.5,
    "test/log_loss": 0.5,
    "parameters_total": 2000.0,
    "parameters_trainable": 1000.0,
    "train_seconds": 10.0,
}


def record_plan(store_uri, suite, folder, *, failed=()):
    store = TrackingStore(store_uri, folder)
    plan = make_plan(suite, NOWHERE)
    parent = store.open_plan(plan.record)
    for planned in plan.runs:
        config = planned.config
        tracker = store.start_run(
            config.profile,
            config.name,
            run_tags(
                parent=parent, experiment=config.experiment_name, seed=config.seed, fingerprint=planned.fingerprint
            ),
        )
        if config.experiment_name in failed:
            tracker.finish(Status.FAILED, "NonFiniteError: loss is nan")
        else:
            tracker.log_metrics(METRICS)
            with TemporaryDirectory() as artifacts:
                eight_predictions(right=7).to_parquet(Path(artifacts, "predictions.parquet"), index=False)
                tracker.log_artifacts(Path(artifacts))
            tracker.finish(Status.FINISHED)


def cells(table: str, model: str) -> list[str]:
    """Seeds and accuracy in the terminal's table."""
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in table.splitlines() if line.startswith("│")]
    return next(row[2:4] for row in rows if row[0] == model)
