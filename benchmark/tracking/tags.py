"""The names under which MLflow keeps what a run is."""

KIND = "benchmark.kind"  # plan, run, reproduction
PLAN, USED_AT = "benchmark.plan", "benchmark.used_at"
EXPERIMENT, SEED, FINGERPRINT = "benchmark.experiment", "benchmark.seed", "benchmark.fingerprint"
LOCK = "benchmark.lock"  # host and file of the lock that the run's processes hold while they live
SET_ASIDE = "benchmark.set_aside"  # a run that counts no more: started over by --fresh, or its checkpoint is lost
ERROR, PARENT, NOTE = "benchmark.error", "mlflow.parentRunId", "mlflow.note.content"


def run_tags(
    *, parent: str, experiment: str, seed: int, fingerprint: str, kind: str = "run", lock: str = "", note: str = ""
) -> dict[str, str]:
    """What a run begins with; the arguments are those of RunRecord, `parent` the MLflow run it is nested in."""
    return {
        KIND: kind,
        PARENT: parent,
        EXPERIMENT: experiment,
        SEED: str(seed),
        FINGERPRINT: fingerprint,
        LOCK: lock,
        NOTE: note,
    }
