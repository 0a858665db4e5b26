"""What a quick command must not load: seconds of start-up that `--help`, `list` or `validate` would pay."""

import subprocess
import sys

import pytest

HEAVY = {"torch", "transformers", "mlflow", "optuna", "pandas"}
QUICK = (
    "benchmark",
    "benchmark.cli.main",
    "benchmark.config.load",
    "benchmark.tracking.store",
    "benchmark.training.config",
    "models.registry",
    "models.configs",
)


@pytest.mark.parametrize("module", QUICK)
def test_module_loads_no_heavy_library(module):
    code = f"import sys, {module}; print(*sys.modules)"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert HEAVY.isdisjoint(answer.stdout.split())


@pytest.mark.parametrize("module", ["benchmark.report.table", "benchmark.analysis.pairwise", "benchmark.results.read"])
def test_report_loads_no_torch(module):
    code = f"import sys, {module}; print(*sys.modules)"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert {"torch", "transformers", "mlflow"}.isdisjoint(answer.stdout.split())
