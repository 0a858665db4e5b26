"""Compare sentiment models on IMDB reviews: run experiments, read results, label reviews.

    import benchmark

    results = benchmark.run("all", profile="quick", settings={"lstm.training.epochs": 3}, seeds=[1, 2])
    results.table()
    benchmark.predict(["A wonderful film."], model="lstm")

`python -m benchmark` does the same from the command line. Wrong input raises `benchmark.InputError`.
"""

from __future__ import annotations

TYPE_CHECKING = False  # as type checkers know it; `typing` itself is not imported: a user's file may shadow it
if TYPE_CHECKING:
    from typing import Any

    from benchmark.api.evaluate import evaluate
    from benchmark.api.predict import predict
    from benchmark.api.results import ModelComparison, Results, load_results
    from benchmark.api.run import run
    from data_pipeline.errors import InputError
    from models.classifier import Classifier
    from models.registry import ModelConfig, register_model

__all__ = [
    "Classifier",
    "InputError",
    "ModelComparison",
    "ModelConfig",
    "Results",
    "evaluate",
    "load_results",
    "predict",
    "register_model",
    "run",
]

# Loaded at first use: torch alone takes a second, and a notebook that reads results needs none of it.
_MODULES = {
    "run": "benchmark.api.run",
    "load_results": "benchmark.api.results",
    "Results": "benchmark.api.results",
    "ModelComparison": "benchmark.api.results",
    "predict": "benchmark.api.predict",
    "evaluate": "benchmark.api.evaluate",
    "Classifier": "models.classifier",
    "ModelConfig": "models.registry",
    "register_model": "models.registry",
    "InputError": "data_pipeline.errors",
}


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        # Not `import_module`: in a served model an import statement finds the model's own code.
        try:
            return getattr(__import__(_MODULES[name], fromlist=(name,)), name)
        except ImportError:
            from benchmark.startup import refuse_shadowing

            refuse_shadowing()
            raise
    raise AttributeError(f"module 'benchmark' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
