"""A plan and its runs, written by hand."""

from pathlib import Path

from benchmark.tracking.records import PlanRecord, PlanRow
from benchmark.tracking.tags import run_tags

FINGERPRINT = "f" * 16
PUBLISHED = {"experiment": "lstm", "test_accuracy": 86.62, "corpus": "c", "encoder": None, "source": "s", "setup": "t"}


def plan_of(profile="quick", seeds=(1, 2)) -> PlanRecord:
    rows = (
        PlanRow("lstm", FINGERPRINT, None, PUBLISHED, 200, "5" * 64),
        PlanRow("bert-frozen", "b" * 16, "tiny", None, 200, "5" * 64),
    )
    return PlanRecord(profile, seeds, rows, "made-up reviews", True, 50, 60)


def start(store, parent, *, seed=1, fingerprint=FINGERPRINT, profile="quick"):
    tags = run_tags(parent=parent, experiment="lstm", seed=seed, fingerprint=fingerprint, note="what it is")
    return store.start_run(profile, f"lstm seed {seed}", tags)


def plan_file(client, run_id) -> Path:
    return Path(client.get_run(run_id).info.artifact_uri.removeprefix("file://")) / "plan.json"
