"""The names under which MLflow keeps what a run is."""

import getpass

KIND = "benchmark.kind"  # plan, run, reproduction, or SUPERSEDED
SUPERSEDED = "set aside"  # a run that counts no more: started over by --fresh, or its checkpoint is lost
PLAN, USED_AT = "benchmark.plan", "benchmark.used_at"
EXPERIMENT, SEED, FINGERPRINT = "benchmark.experiment", "benchmark.seed", "benchmark.fingerprint"
LOCK = "benchmark.lock"  # host and file of the lock that the run's processes hold while they live
REQUEST = "benchmark.request"  # by which a run is known that was made twice because the answer was lost
STUDY, TRIAL, STATE = "optuna.study", "optuna.trial", "optuna.state"  # of a trial's run: where Optuna keeps it
REPRODUCED = "benchmark.reproduced"  # what came of doing the run again
ERROR = "benchmark.error"
PARENT, NOTE, USER = "mlflow.parentRunId", "mlflow.note.content", "mlflow.user"
EXPERIMENT_PREFIX = "imdb-"  # of the names of our experiments in MLflow, one a profile
SOURCE, SOURCE_TYPE = "mlflow.source.name", "mlflow.source.type"


def experiment_name(profile: str) -> str:
    """MLflow's experiment for a profile."""
    return f"{EXPERIMENT_PREFIX}{profile}"


def origin_tags(command: str) -> dict[str, str]:
    """Who made a run, and by which command: what MLflow's page says of any run."""
    return {USER: getpass.getuser(), SOURCE: f"python -m benchmark {command}", SOURCE_TYPE: "LOCAL"}


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
