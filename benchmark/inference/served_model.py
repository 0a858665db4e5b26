"""The script that MLflow logs with a model and runs to load it: texts of any form in, one answer per text out.

The model carries our code in its folder. Each loaded model imports it under a name of its own, so that it never meets
an application's `models` or another model's version of ours.
"""

from __future__ import annotations

import builtins
import sys
from collections.abc import Iterable, Mapping, Sequence
from importlib import import_module
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import numpy as np
import pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.models import set_model
from mlflow.pyfunc.model import PythonModel

if TYPE_CHECKING:
    from benchmark.inference.classifier import SentimentClassifier

BUNDLE = "bundle"  # MLflow's name of the run's own files among the model's artifacts
CODE = "code"  # folder of the carried packages, beside this script
CARRIED = frozenset({"benchmark", "data_pipeline", "models"})
TEXT_COLUMN = "text"
UNNAMED = (0, "0")  # what pandas and Spark call a column without a name


class SentimentModel(PythonModel):
    """The model as MLflow loads and serves it."""

    def load_context(self, context: Any) -> None:
        """Read the run's files with the code that the model carries."""
        code = OwnCode(Path(__file__).parent / CODE)
        module = import_module(f"{code.name}.benchmark.inference.classifier")
        self._classifier: SentimentClassifier = module.SentimentClassifier(Path(context.artifacts[BUNDLE]))

    def predict(self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> pd.DataFrame:
        """Return label and probabilities of each text, in order, under the input's index; of a missing text all null.

        `model_input` is a text, a list, array or Series of texts, or a table or dictionary that has them under `text`;
        MLflow warns of every type but a table.

        Raises:
            MlflowException: there is no such column, or something else than a text; a server answers with status 400.
        """
        texts = texts_of(model_input)
        there = texts.notna().to_numpy()
        answers = self._classifier.predict(texts[there].tolist())
        if not there.all():
            answers = answers.set_index(np.flatnonzero(there)).reindex(range(len(texts))).astype(object)
            answers = answers.where(answers.notna(), None)  # NaN is no JSON
        return answers.set_index(texts.index)


class OwnCode(MetaPathFinder):
    """A package of a new name that holds the carried packages, which find each other by their usual names."""

    def __init__(self, folder: Path) -> None:
        self.name = f"sentiment_model_{uuid4().hex}"
        root = ModuleType(self.name)
        root.__path__ = [str(folder)]
        sys.modules[self.name] = root
        sys.meta_path.insert(0, self)

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        """Find a module of the package, to be run with `imported` as its import statement."""
        spec = PathFinder.find_spec(name, path) if name.startswith(f"{self.name}.") else None
        if spec is not None and spec.origin is not None:
            spec.loader = _Loader(name, spec.origin, vars(builtins) | {"__import__": self.imported})
        return spec

    def imported(self, name: str, globals: Any = None, locals: Any = None, fromlist: Any = (), level: int = 0) -> Any:
        """Import as `__import__` does, the carried packages from this one."""
        top = name.partition(".")[0]
        if level or top not in CARRIED:
            return builtins.__import__(name, globals, locals, fromlist, level)
        module = import_module(f"{self.name}.{name}")
        if not fromlist:
            return sys.modules[f"{self.name}.{top}"]
        return builtins.__import__(module.__name__, globals, locals, fromlist)


class _Loader(SourceFileLoader):
    def __init__(self, name: str, path: str, own_builtins: dict[str, Any]) -> None:
        super().__init__(name, path)
        self._builtins = own_builtins

    def exec_module(self, module: ModuleType) -> None:
        vars(module)["__builtins__"] = self._builtins
        super().exec_module(module)


def texts_of(model_input: Any) -> pd.Series:
    """Return the texts with the input's index; a missing text is None.

    Raises:
        MlflowException: there is no column of texts, or something else than a text.
    """
    if isinstance(model_input, (pd.DataFrame, Mapping)):
        model_input = _column(model_input)
    index = model_input.index if isinstance(model_input, pd.Series) else None
    if isinstance(model_input, np.ndarray):
        model_input = model_input.tolist()
    if isinstance(model_input, (str, Mapping)) or not isinstance(model_input, Iterable):
        model_input = [model_input]
    return pd.Series([_text(cell, row) for row, cell in enumerate(model_input)], index, dtype=object)


def _column(table: pd.DataFrame | Mapping[Any, Any]) -> Any:
    names: list[Any] = list(table)
    if names.count(TEXT_COLUMN) == 1:
        return table[TEXT_COLUMN]
    if len(names) == 1 and names[0] in UNNAMED:
        return table[names[0]]
    if not names and not len(table):
        return []
    raise MlflowException.invalid_parameter_value(f"the input has not one column {TEXT_COLUMN!r} (got {names})")


def _text(cell: Any, row: int) -> str | None:
    if isinstance(cell, Mapping) and TEXT_COLUMN in cell:
        cell = cell[TEXT_COLUMN]
    if isinstance(cell, np.ndarray):  # how MLflow's server passes a text
        cell = cell.tolist()
    if isinstance(cell, list) and len(cell) == 1:
        [cell] = cell
    if isinstance(cell, str):
        return str(cell)  # of NumPy's strings too
    if pd.api.types.is_scalar(cell) and pd.isna(cell):
        return None
    raise MlflowException.invalid_parameter_value(
        f"row {row}: is no text (got {type(cell).__name__}, expected a string or null)"
    )


set_model(SentimentModel())
