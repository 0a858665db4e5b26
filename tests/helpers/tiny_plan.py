"""The tiny suite of every model that these tests run, and the sizes of its parts."""

from benchmark.plan.plan import Plan, PlannedRun

MODELS = ["rnn", "lstm", "bert-frozen", "bert-finetuned", "lstm-attention", "bow"]
SIZES = {"train": 200, "val": 50, "test": 60}


def of(plan: Plan, name: str, seed: int = 1) -> PlannedRun:
    return next(run for run in plan.runs if (run.config.experiment_name, run.config.seed) == (name, seed))
