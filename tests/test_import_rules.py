"""The direction of the arrows, read from the source: which of our modules may import what.

Each rule is a function from the source to its offences. It must find none in the repository, and must find the one that
is added to it.
"""

import ast
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath

import pytest

REPOSITORY = Path(__file__).parents[1]
PACKAGES = ("benchmark", "data_pipeline", "models")
TYPES_ONLY = ("TYPE_CHECKING", "typing.TYPE_CHECKING")


@dataclass(frozen=True)
class Import:
    """One name that a module imports, as in `models.registry.get_model_spec`.

    `at_start` is true where the import happens as the module itself is imported.
    """

    target: str
    at_start: bool = True

    def within(self, *modules: str) -> bool:
        """Whether it is one of these modules, or something in one."""
        return any(self.target == module or self.target.startswith(f"{module}.") for module in modules)


class Source:
    """Our modules, given as text by file name, and what each imports."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        self.imports = {_module(file): _imports(text, PurePosixPath(file).parent.parts) for file, text in texts.items()}
        self.names = list(self.imports)

    def below(self, *packages: str) -> list[str]:
        """Modules of these packages, or these modules."""
        return [name for name in self.names if Import(name).within(*packages)]

    def offences(self, modules: list[str], forbidden: Callable[[Import], bool]) -> list[str]:
        """`module imports target` for each forbidden import, wherever in the module it stands."""
        return [
            f"{name} imports {found.target}" for name in modules for found in self.imports[name] if forbidden(found)
        ]

    def load(self, modules: list[str], *forbidden: str, later: bool = False) -> list[str]:
        """`module loads target` for each forbidden thing that importing a module brings in.

        With `later`, also for what the module imports in its functions, and for what that brings in.
        """
        return [
            f"{name} loads {target}"
            for name in modules
            for target in sorted(self._loaded_with(name, later=later))
            if Import(target).within(*forbidden)
        ]

    def _loaded_with(self, module: str, *, later: bool) -> set[str]:
        loaded: set[str] = set()
        waiting = [module, *(found.target for found in self.imports[module] if later)]
        while waiting:
            name = waiting.pop()
            if name not in loaded:
                loaded.add(name)
                # The packages that it lies in; and where it is a class or function, the module that it is from.
                waiting += [parent for parent in _parents(name) if parent in self.imports]
                waiting += [found.target for found in self.imports.get(name, ()) if found.at_start]
        return loaded


def _module(file: str) -> str:
    parts = PurePosixPath(file).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _parents(name: str) -> list[str]:
    parts = name.split(".")
    return [".".join(parts[:end]) for end in range(1, len(parts))]


@cache
def _imports(text: str, package: tuple[str, ...]) -> tuple[Import, ...]:
    return tuple(_imports_of(ast.parse(text), package, at_start=True))


def _imports_of(node: ast.AST, package: tuple[str, ...], *, at_start: bool) -> Iterator[Import]:
    if isinstance(node, ast.Import):
        for alias in node.names:
            yield Import(alias.name, at_start)
    elif isinstance(node, ast.ImportFrom):
        above = package[: len(package) - node.level + 1] if node.level else ()
        base = ".".join([*above, *([node.module] if node.module else [])])
        for alias in node.names:
            yield Import(f"{base}.{alias.name}", at_start)
    elif isinstance(node, ast.Call) and _is_import_by_name(node):
        yield Import(node.args[0].value, at_start)
    for field, value in ast.iter_fields(node):
        # A function's body runs later, and what stands under TYPE_CHECKING never does.
        later = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) and field == "body"
        never = isinstance(node, ast.If) and field == "body" and ast.unparse(node.test) in TYPES_ONLY
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST):
                yield from _imports_of(child, package, at_start=at_start and not later and not never)


def _is_import_by_name(node: ast.Call) -> bool:
    called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    by_name = called in {"import_module", "__import__"}
    return (
        by_name and bool(node.args) and isinstance(node.args[0], ast.Constant) and isinstance(node.args[0].value, str)
    )


# The rules


def the_pipeline_knows_nothing_above_it(source: Source) -> list[str]:
    return source.offences(source.below("data_pipeline"), lambda found: found.within("benchmark", "models"))


def models_know_the_batch_alone(source: Source) -> list[str]:
    return source.offences(
        source.below("models"),
        lambda found: found.within("benchmark", "data_pipeline") and not found.within("data_pipeline.batch"),
    )


def training_knows_no_model_by_name(source: Source) -> list[str]:
    return source.offences(
        source.below("benchmark.training"),
        lambda found: found.within("models") and not found.within("models.classifier", "models.precision"),
    )


def training_knows_neither_mlflow_nor_yaml(source: Source) -> list[str]:
    above = ("mlflow", "yaml", "optuna", "benchmark.tracking", "benchmark.yaml_reader", "benchmark.config_file")
    training = source.below("benchmark.training")
    return source.offences(training, lambda found: found.within(*above)) + source.load(training, *above, later=True)


def reports_read_records_not_models(source: Source) -> list[str]:
    readers = source.below("benchmark.analysis", "benchmark.report")
    heavy = ("torch", "transformers", "models", "mlflow")
    return source.offences(readers, lambda found: found.within(*heavy)) + source.load(readers, *heavy, later=True)


def mlflow_is_imported_in_tracking(source: Source) -> list[str]:
    allowed = {*source.below("benchmark.tracking"), "benchmark.served_model"}
    return source.offences(
        [name for name in source.names if name not in allowed], lambda found: found.within("mlflow", "mlflow_skinny")
    )


def a_served_model_needs_nothing_of_benchmark(source: Source) -> list[str]:
    return source.offences(source.below("benchmark.served_model"), lambda found: found.within("benchmark"))


def optuna_is_imported_in_tuning(source: Source) -> list[str]:
    return source.offences(
        [name for name in source.names if name not in source.below("benchmark.tuning")],
        lambda found: found.within("optuna"),
    )


QUICK = [
    *(f"benchmark.{name}" for name in ("__main__", "cli", "config_file", "validation", "yaml_reader", "records")),
    *("benchmark.identity", "benchmark.prediction", "benchmark.review_input", "models.registry", "models.builtin"),
    *(f"benchmark.tracking.{name}" for name in ("client", "mlflow_tracker", "store", "tracker")),
    *(f"benchmark.commands.{name}" for name in ("list_runs", "options", "predict", "report", "run", "validate")),
    *(f"benchmark.commands.{name}" for name in ("compare", "doctor", "explain", "reproduce", "study", "tune", "ui")),
    *(f"benchmark.{name}" for name in ("commands.html_report", "comparison", "recorded_run", "reproduction")),
    *(f"benchmark.{name}" for name in ("mlflow_ui", "recorded_explanations", "review_choice", "review_explanation")),
]


def settings_cost_no_torch(source: Source) -> list[str]:
    settings = [name for name in source.names if name.split(".")[-1] in {"config", "configs"}]
    return source.load([*settings, *QUICK], "torch", "transformers", "mlflow", "pandas")


TOGETHER = (
    "benchmark.runner",
    "benchmark.profiling.throughput",
)  # the second does it to measure how fast the first will be


def only_the_runner_puts_data_model_and_trainer_together(source: Source) -> list[str]:
    parts = ("data_pipeline.pipeline.build_data", "models.registry", "benchmark.training.trainer")
    together = [
        name
        for name, imports in source.imports.items()
        if all(any(_reaches(found, part) for found in imports) for part in parts)
    ]
    return [f"{name} puts data, model and trainer together" for name in together if name not in TOGETHER]


def _reaches(found: Import, part: str) -> bool:
    """Whether the import gives the part, something in it, or the module that the part stands in."""
    return found.within(part) or found.target in {part.rpartition(".")[0], f"{part.rpartition('.')[0]}.*"}


RULES = [
    the_pipeline_knows_nothing_above_it,
    models_know_the_batch_alone,
    training_knows_no_model_by_name,
    training_knows_neither_mlflow_nor_yaml,
    reports_read_records_not_models,
    mlflow_is_imported_in_tracking,
    a_served_model_needs_nothing_of_benchmark,
    optuna_is_imported_in_tuning,
    settings_cost_no_torch,
    only_the_runner_puts_data_model_and_trainer_together,
]


@pytest.fixture(scope="module")
def texts() -> dict[str, str]:
    files = [path for package in PACKAGES for path in sorted((REPOSITORY / package).rglob("*.py"))]
    return {path.relative_to(REPOSITORY).as_posix(): path.read_text(encoding="utf-8") for path in files}


@pytest.fixture(scope="module")
def source(texts) -> Source:
    return Source(texts)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_rule_holds(source, rule):
    assert rule(source) == []


def test_the_rules_look_at_real_modules(source):
    """A rule about a module that was renamed would hold for ever."""
    named = {
        *QUICK,
        "benchmark.config",
        "benchmark.runner",
        "benchmark.served_model",
        "benchmark.training.config",
        "benchmark.training.trainer",
        "benchmark.analysis.metrics",
        "benchmark.report.table",
        "data_pipeline.batch",
        "data_pipeline.config",
        "data_pipeline.pipeline",
        "models.classifier",
        "models.configs",
    }
    assert named <= set(source.names)


def test_the_runner_does_put_them_together(source):
    targets = {found.target for found in source.imports["benchmark.runner"]}

    assert {
        "data_pipeline.pipeline.build_data",
        "models.registry.get_model_spec",
        "benchmark.training.trainer.Trainer",
    } <= targets


IN_A_FUNCTION = "\ndef later():\n    {}\n"
OFFENCES = [
    (the_pipeline_knows_nothing_above_it, "data_pipeline/corpus.py", "import models"),
    (the_pipeline_knows_nothing_above_it, "data_pipeline/corpus.py", "from benchmark import records"),
    (the_pipeline_knows_nothing_above_it, "data_pipeline/pipeline.py", IN_A_FUNCTION.format("import models.bert")),
    (
        the_pipeline_knows_nothing_above_it,
        "data_pipeline/cache.py",
        "import importlib\nimportlib.import_module('models')",
    ),
    (models_know_the_batch_alone, "models/bert.py", "from data_pipeline.tokenization import clean"),
    (models_know_the_batch_alone, "models/bert.py", "from data_pipeline import corpus"),
    (
        models_know_the_batch_alone,
        "models/recurrent.py",
        IN_A_FUNCTION.format("from benchmark.config import RunConfig"),
    ),
    (training_knows_no_model_by_name, "benchmark/training/trainer.py", "from models.bert import BertClassifier"),
    (training_knows_no_model_by_name, "benchmark/training/trainer.py", "from models import registry"),
    (training_knows_no_model_by_name, "benchmark/training/new.py", IN_A_FUNCTION.format("import models.recurrent")),
    (training_knows_neither_mlflow_nor_yaml, "benchmark/training/trainer.py", "import mlflow"),
    (training_knows_neither_mlflow_nor_yaml, "benchmark/training/checkpoint.py", IN_A_FUNCTION.format("import yaml")),
    (training_knows_neither_mlflow_nor_yaml, "benchmark/training/trainer.py", "from ..tracking.tracker import Tracker"),
    (training_knows_neither_mlflow_nor_yaml, "benchmark/progress.py", "import yaml"),
    (reports_read_records_not_models, "benchmark/report/table.py", IN_A_FUNCTION.format("import torch")),
    (reports_read_records_not_models, "benchmark/analysis/metrics.py", "from torch.nn.functional import softmax"),
    (reports_read_records_not_models, "benchmark/analysis/metrics.py", "from models.registry import get_model_spec"),
    (reports_read_records_not_models, "benchmark/records.py", "import torch"),
    (reports_read_records_not_models, "benchmark/report/new.py", "from benchmark.training.precision import autocast"),
    (reports_read_records_not_models, "benchmark/report/table.py", IN_A_FUNCTION.format("import benchmark.features")),
    (mlflow_is_imported_in_tracking, "benchmark/runner.py", "import mlflow.pytorch"),
    (mlflow_is_imported_in_tracking, "benchmark/cli.py", IN_A_FUNCTION.format("from mlflow import MlflowClient")),
    (mlflow_is_imported_in_tracking, "models/bert.py", "import importlib\nimportlib.import_module('mlflow')"),
    (a_served_model_needs_nothing_of_benchmark, "benchmark/served_model.py", "from benchmark.records import Status"),
    (
        a_served_model_needs_nothing_of_benchmark,
        "benchmark/served_model.py",
        IN_A_FUNCTION.format("from benchmark.training.precision import autocast"),
    ),
    (optuna_is_imported_in_tuning, "benchmark/runner.py", IN_A_FUNCTION.format("import optuna")),
    (settings_cost_no_torch, "benchmark/training/config.py", "import torch"),
    (settings_cost_no_torch, "benchmark/training/__init__.py", "from benchmark.training import trainer"),
    (settings_cost_no_torch, "benchmark/config.py", "if not TYPE_CHECKING:\n    import torch"),
    (settings_cost_no_torch, "models/configs.py", "from models.classifier import Classifier"),
    (settings_cost_no_torch, "data_pipeline/errors.py", "try:\n    import torch\nexcept ImportError:\n    pass"),
    (settings_cost_no_torch, "benchmark/cli.py", "from benchmark.report.table import make_report"),
    (
        only_the_runner_puts_data_model_and_trainer_together,
        "benchmark/new.py",
        "from data_pipeline.pipeline import build_data\n"
        "from models.registry import get_model_spec\n"
        "from benchmark.training.trainer import Trainer\n",
    ),
    (
        only_the_runner_puts_data_model_and_trainer_together,
        "benchmark/suite.py",
        IN_A_FUNCTION.format(
            "import data_pipeline.pipeline; from models import registry; from benchmark.training import trainer"
        ),
    ),
]


def names_of(cases):
    return [f"{rule.__name__} in {file}" for rule, file, _ in cases]


def with_code(texts, file, code) -> Source:
    """The repository with the code added to the file, or in a file of its own."""
    return Source({**texts, file: f"{texts.get(file, '')}\n{code}\n"})


@pytest.mark.parametrize(("rule", "file", "code"), OFFENCES, ids=names_of(OFFENCES))
def test_the_rule_notices_an_offence(texts, rule, file, code):
    assert rule(with_code(texts, file, code))


def test_every_rule_has_an_offence():
    assert {rule for rule, *_ in OFFENCES} == set(RULES)


RIGHT = [
    (settings_cost_no_torch, "benchmark/config.py", IN_A_FUNCTION.format("import torch")),
    (settings_cost_no_torch, "benchmark/config.py", "if TYPE_CHECKING:\n    import torch"),
    (models_know_the_batch_alone, "models/bert.py", "from data_pipeline.batch import collate"),
    (mlflow_is_imported_in_tracking, "benchmark/tracking/store.py", "import mlflow"),
    (mlflow_is_imported_in_tracking, "benchmark/served_model.py", "import mlflow"),
    (optuna_is_imported_in_tuning, "benchmark/tuning/study.py", "import optuna"),
    (training_knows_no_model_by_name, "benchmark/training/trainer.py", "import models.classifier"),
    (reports_read_records_not_models, "benchmark/report/new.py", "from benchmark.records import RunRecord"),
]


@pytest.mark.parametrize(("rule", "file", "code"), RIGHT, ids=names_of(RIGHT))
def test_the_rule_lets_pass_what_is_right(texts, rule, file, code):
    assert rule(with_code(texts, file, code)) == []
