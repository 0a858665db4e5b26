"""A finished run's network as an MLflow model: loaded by MLflow alone, from the files that lie in its folder."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import data_pipeline
import models
from benchmark.tracking import tags
from benchmark.tracking.client import local_path
from models.saved import CARD_FILE, FORMAT_VERSION, read_saved_model

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import LoggedModel
    from mlflow.models import Model

ARTIFACT = "bundle"  # what MLmodel and served_model.py call the run's own files
MODEL_TYPE = "text-classification"
EXAMPLES = ("A wonderful film, moving and clever.", "Two hours of my life that I will never get back.")

_SCRIPT = Path(__file__).parents[1] / "inference" / "served_model.py"
_REQUIREMENTS = ("mlflow", "torch", "numpy", "pandas", "pydantic", "safetensors", "filelock")
_TOKENIZER_REQUIREMENTS = {"word": ("torchtext",), "wordpiece": ("transformers", "tokenizers")}


def save_pyfunc(folder: Path, bundle: Path, *, model_id: str | None = None, run_id: str | None = None) -> None:
    """Write an MLflow model: the script that is run to load it, our code that it needs, and the run's files.

    Args:
        folder: where to; it does not exist.
        bundle: what `write_bundle` wrote.
        model_id: MLflow's id of the logged model that this will be.
        run_id: the run that it comes from.

    Raises:
        SavedModelError: the bundle has no readable model.json.
    """
    # MLflow would put uv.lock and pyproject.toml of whatever folder we were called in beside the model.
    os.environ.setdefault("MLFLOW_UV_AUTO_DETECT", "false")
    import mlflow.pyfunc
    import pandas as pd
    from mlflow.models import Model, ModelSignature
    from mlflow.types import ColSpec, Schema

    saved = read_saved_model(bundle)
    answers = [ColSpec("string", "label"), *(ColSpec("double", f"probability_{label}") for label in saved.labels)]
    model = Model(run_id=run_id, model_id=model_id)
    mlflow.pyfunc.save_model(
        str(folder),
        python_model=str(_SCRIPT),
        artifacts={ARTIFACT: str(bundle)},
        code_paths=[str(Path(str(package.__file__)).parent) for package in (data_pipeline, models)],
        pip_requirements=requirements(saved.tokenizer),
        signature=ModelSignature(Schema([ColSpec("string", "text")]), Schema([*answers])),
        input_example=pd.DataFrame({"text": EXAMPLES}),
        metadata={"experiment": saved.experiment, "format_version": FORMAT_VERSION},
        mlflow_model=model,
    )
    _forget_our_paths(model)
    model.save(str(folder / "MLmodel"))


def _forget_our_paths(model: Model) -> None:
    """MLflow notes where script and files lay on this machine; it finds both by their place in the model's folder."""
    flavor = model.flavors["python_function"]
    flavor["model_code_path"] = _SCRIPT.name
    for artifact in flavor["artifacts"].values():
        artifact["uri"] = artifact["path"]


def requirements(tokenizer: str) -> list[str]:
    """The packages that the carried code imports, at the versions that made the model."""
    names = (*_REQUIREMENTS, *_TOKENIZER_REQUIREMENTS[tokenizer])
    # The part behind a plus names a build, such as torch's for the CPU, which the package's own index does not have.
    return [f"{name}=={version(name).partition('+')[0]}" for name in names]


def ready_model(client: MlflowClient, experiment_id: str, run_id: str) -> LoggedModel | None:
    """The run's model whose upload was finished, or None."""
    return next((model for model in _models_of(client, experiment_id, run_id) if _is_ready(model)), None)


def drop_unfinished(client: MlflowClient, experiment_id: str, run_id: str) -> None:
    """Delete the run's models whose upload was broken off."""
    for model in _models_of(client, experiment_id, run_id):
        if not _is_ready(model):
            client.delete_logged_model(model.model_id)


def _models_of(client: MlflowClient, experiment_id: str, run_id: str) -> list[LoggedModel]:
    return list(client.search_logged_models([experiment_id], f"source_run_id = '{run_id}'"))


def _is_ready(model: LoggedModel) -> bool:
    from mlflow.entities import LoggedModelStatus

    return bool(model.status == LoggedModelStatus.READY)


def upload_model(
    client: MlflowClient, experiment_id: str, run_id: str, *, name: str, bundle: Path, workspace: Path
) -> LoggedModel:
    """A new model of the run; it is READY only once all its files are there.

    Args:
        client: of the run's store.
        experiment_id: the run's.
        run_id: the run that the model comes from.
        name: what people call the model.
        bundle: what `write_bundle` wrote.
        workspace: a folder for the files on their way.
    """
    from mlflow.entities import LoggedModelStatus

    card = (bundle / CARD_FILE).read_text(encoding="utf-8")
    model = client.create_logged_model(
        experiment_id,
        name=re.sub(r"""[/:.%"']""", "-", name),  # MLflow refuses these in a model's name
        source_run_id=run_id,
        tags={tags.NOTE: card},
        params=_params(bundle),
        model_type=MODEL_TYPE,
    )
    folder = workspace / "model"
    save_pyfunc(folder, bundle, model_id=model.model_id, run_id=run_id)
    client.log_model_artifacts(model.model_id, str(folder))
    return client.finalize_logged_model(model.model_id, LoggedModelStatus.READY)


def fetch_bundle(client: MlflowClient, model: LoggedModel, folder: Path) -> Path:
    """The run's own files in a logged model: where they lie on this machine's disk, or a copy in `folder`.

    Raises:
        OSError: they should be on this machine and are not.
        MlflowException: they cannot be fetched, or are no model.
    """
    from mlflow.artifacts import download_artifacts
    from mlflow.models import Model

    root = local_path(model.artifact_location)
    if root is None:
        root = Path(download_artifacts(model.artifact_location, dst_path=str(folder), tracking_uri=client.tracking_uri))
    artifacts = Model.load(str(root)).flavors["python_function"]["artifacts"]
    return root / str(artifacts[ARTIFACT]["path"])


def _params(bundle: Path) -> dict[str, str]:
    """Settings of the model as MLflow's page of it shows them."""
    saved = read_saved_model(bundle)
    settings: Sequence[tuple[str, dict[str, Any]]] = (("model", saved.model), ("tokens", saved.tokens))
    flat = {f"{section}.{key}": json.dumps(value) for section, values in settings for key, value in values.items()}
    return {**flat, "precision": saved.precision, "weights_sha256": saved.weights_sha256}
