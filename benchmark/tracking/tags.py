"""MLflow tags by which runs are found and described."""

import getpass
import os

KIND = "benchmark.kind"  # plan, a kind of run as in records.py, or SUPERSEDED
SUPERSEDED = "set aside"  # a run that counts no more: started over by --fresh, or its checkpoint is lost
PLAN, USED_AT = "benchmark.plan", "benchmark.used_at"
EXPERIMENT, SEED, FINGERPRINT = "benchmark.experiment", "benchmark.seed", "benchmark.fingerprint"
LOCK = "benchmark.lock"  # host and file of the lock that the run's processes hold while they live
REQUEST = "benchmark.request"  # identifies a run that was created twice because the answer was lost
STUDY, TRIAL, STATE = "optuna.study", "optuna.trial", "optuna.state"
REPRODUCED = "benchmark.reproduced"  # how a reproduction compared
ERROR = "benchmark.error"
UNSTABLE = "benchmark.unstable"  # epochs in which training came apart; no tag: none, or an older record
TEST_PART = "benchmark.test_part"  # of an imported system: which reviews it labels, see `test_part`
PREDICTIONS = "benchmark.predictions"  # of an imported system: `probabilities`, or `labels` alone
IMPORTED = "benchmark.imported"  # of a run out of an export: its folder, the hash of its manifest, the run's id there
PARENT, NOTE, USER = "mlflow.parentRunId", "mlflow.note.content", "mlflow.user"
SOURCE, SOURCE_TYPE = "mlflow.source.name", "mlflow.source.type"
EXPERIMENT_PREFIX = "imdb-"


def experiment_name(profile: str) -> str:
    """Return the name of the profile's MLflow experiment."""
    return f"{EXPERIMENT_PREFIX}{profile}"


def user_name() -> str:
    """Return the user's name, of a user id without an entry in passwd its number."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # the latter from Python 3.13 on
        return str(os.getuid())


def origin_tags(command: str) -> dict[str, str]:
    """Return the tags that say who made a run, and by which command."""
    return {USER: user_name(), SOURCE: f"python -m benchmark {command}", SOURCE_TYPE: "LOCAL"}


def run_tags(
    *, parent: str, experiment: str, seed: int, fingerprint: str, kind: str = "run", lock: str = "", note: str = ""
) -> dict[str, str]:
    """Return the tags that a run begins with; `parent` is the MLflow run that it is nested in."""
    return {
        KIND: kind,
        PARENT: parent,
        EXPERIMENT: experiment,
        SEED: str(seed),
        FINGERPRINT: fingerprint,
        LOCK: lock,
        NOTE: note,
    }
