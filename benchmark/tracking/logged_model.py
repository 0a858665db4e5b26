"""A finished run's network as an MLflow model: loaded by MLflow alone, from the files in its folder."""

from __future__ import annotations

import json
import os
import re
import shutil
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from benchmark.tracking import tags
from benchmark.tracking.address import local_path
from models.saved import CARD_FILE, FORMAT_VERSION, read_saved_model

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import LoggedModel, Run

ARTIFACT = "bundle"  # what MLmodel and served_model.py call the run's own files
EXAMPLES = ("A wonderful film, moving and clever.", "Two hours of my life that I will never get back.")

_ROOT = Path(__file__).parents[2]
_SCRIPT = _ROOT / "benchmark" / "inference" / "served_model.py"
# What the script runs: two packages, and of ours what a plugin and the script import.
_CODE = (
    *("data_pipeline", "models"),
    *("benchmark/__init__.py", "benchmark/inference/__init__.py", "benchmark/inference/classifier.py"),
)
_REQUIREMENTS = ("mlflow", "torch", "numpy", "pandas", "pydantic", "safetensors", "filelock")
_TOKENIZER_REQUIREMENTS = {"word": ("torchtext",), "wordpiece": ("transformers", "tokenizers")}


def save_pyfunc(folder: Path, bundle: Path, *, model_id: str | None = None, run_id: str | None = None) -> None:
    """Write an MLflow model to a new folder: the script that loads it, our code that it needs, and the run's bundle.

    Raises:
        SavedModelError: the bundle has no readable model.json.
    """
    # MLflow would add uv.lock and pyproject.toml of the working directory to the model.
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
        artifacts={ARTIFACT: bundle.absolute().as_uri()},  # of a plain path MLflow would decode what looks escaped
        pip_requirements=requirements(saved.tokenizer),
        # No inputs: MLflow would refuse lists of texts, and read a missing text as the text "None".
        signature=ModelSignature(outputs=Schema([*answers])),
        input_example=pd.DataFrame({"text": EXAMPLES}),
        metadata={"experiment": saved.experiment, "format_version": FORMAT_VERSION},
        mlflow_model=model,
    )
    # Not as MLflow's `code_paths`, which every model of a process would share.
    for name in _CODE:
        source, copy = _ROOT / name, folder / "code" / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, copy, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copyfile(source, copy)
    # MLflow notes where script and files were on this machine; it finds both by their place in the model's folder.
    flavor = model.flavors["python_function"]
    flavor["model_code_path"] = _SCRIPT.name
    for artifact in flavor["artifacts"].values():
        artifact["uri"] = artifact["path"]
    model.save(str(folder / "MLmodel"))


def requirements(tokenizer: str) -> list[str]:
    """Return the packages that the carried code imports, at the versions that made the model."""
    names = (*_REQUIREMENTS, *_TOKENIZER_REQUIREMENTS[tokenizer])
    # The part behind a plus names a build, such as torch's for the CPU, which the package's own index does not have.
    return [f"{name}=={version(name).partition('+')[0]}" for name in names]


def upload_model(client: MlflowClient, run: Run, *, name: str, bundle: Path, folder: Path) -> LoggedModel:
    """Log a new model of the run, made in a new folder; it is READY only once all its files are in the store."""
    saved = read_saved_model(bundle)
    settings = {"model": saved.model, "tokens": saved.tokens}
    flat = {
        f"{section}.{key}": json.dumps(value) for section, values in settings.items() for key, value in values.items()
    }
    model = client.create_logged_model(
        run.info.experiment_id,
        name=re.sub(r"""[/:.%"']""", "-", name),  # MLflow refuses these in a model's name
        source_run_id=run.info.run_id,
        tags={tags.NOTE: (bundle / CARD_FILE).read_text(encoding="utf-8")},
        params={**flat, "precision": saved.precision, "weights_sha256": saved.weights_sha256},
        model_type="text-classification",
    )
    save_pyfunc(folder, bundle, model_id=model.model_id, run_id=run.info.run_id)
    client.log_model_artifacts(model.model_id, str(folder))
    return client.finalize_logged_model(model.model_id, "READY")


def fetch_bundle(client: MlflowClient, model: LoggedModel, folder: Path) -> Path:
    """Return the run's own files in a logged model: the original on this machine's disk, else a copy in `folder`.

    Raises:
        OSError: they should be on this machine and are not.
        MlflowException: they cannot be fetched, or are no model.
    """
    from mlflow.artifacts import download_artifacts
    from mlflow.models import Model

    root = local_path(model.artifact_location)
    if root is None:
        root = Path(download_artifacts(model.artifact_location, dst_path=str(folder), tracking_uri=client.tracking_uri))
    # Not Model.load, which takes the folder for an address and decodes what looks escaped.
    content = yaml.safe_load((root / "MLmodel").read_text(encoding="utf-8"))
    artifacts = Model.from_dict(content).flavors["python_function"]["artifacts"]
    return root / str(artifacts[ARTIFACT]["path"])
