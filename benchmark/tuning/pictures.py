"""Pictures of a study, by Optuna, drawn without a screen."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from optuna import Study


def draw_study(study: Study, folder: Path) -> None:
    """History, importance, parallel coordinates and slice as PNG files; fewer where there are too few trials."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot
    from optuna.importance import FanovaImportanceEvaluator
    from optuna.trial import TrialState
    from optuna.visualization import matplotlib as drawings

    if len(study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))) < 2:
        return
    pictures: dict[str, Callable[[Study], Any]] = {
        "history": drawings.plot_optimization_history,
        "importance": partial(drawings.plot_param_importances, evaluator=FanovaImportanceEvaluator(seed=0)),
        "parallel_coordinates": drawings.plot_parallel_coordinate,
        "slice": drawings.plot_slice,
    }
    for name, draw in pictures.items():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # where all trials have one value, an axis has no extent
            try:
                axes = draw(study)
            except (ValueError, RuntimeError):  # likewise
                continue
        figure = (axes if hasattr(axes, "figure") else axes.flat[0]).figure
        figure.savefig(folder / f"{name}.png", dpi=110, bbox_inches="tight")
        pyplot.close(figure)
