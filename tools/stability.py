"""How much luck is in a figure: train each network with several seeds in each precision, and judge it by val alone.

    python tools/stability.py [NAME...] [--profile quick] [--seed 1 2 3 4 5 2077] [--precision bf16 fp32]
                              [--set KEY=VALUE] [--data PATH] [--log stability.jsonl]

The test part is taken out of the reviews first. A training that was interrupted resumes, one that stands in the log is
not done again. Prints Markdown: the networks, and how far each is above the one it should beat.
"""

import argparse
import json
import os
import statistics
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from functools import cache
from pathlib import Path
from typing import Any

from benchmark.config.load import load_suite, locate_config, parse_assignments
from benchmark.experiment.run import run_trial
from benchmark.launch.process import worker_environment
from benchmark.output import spell_seconds
from benchmark.plan.plan import PlannedRun, make_plan
from benchmark.plan.workspace import Workspace
from benchmark.tracking.records import TRIAL
from benchmark.training.progress import Progress
from data_pipeline.corpus import Corpus
from data_pipeline.load import load_corpus

Line = dict[str, Any]  # of the log: one finished training

SEEDS = (1, 2, 3, 4, 5, 2077)
ORDER = (("lstm", "rnn"), ("lstm-attention", "lstm"), ("bert-finetuned", "bert-frozen"))


class NoTracker:
    """Takes what a run would record, and keeps nothing."""

    def __getattr__(self, name: str) -> Any:
        return lambda *_, **__: None


def train(planned: PlannedRun, corpus: Corpus, workspace: Workspace) -> Line:
    """Return a finished training as a line of the log."""
    fit = run_trial(planned, corpus, workspace, NoTracker(), progress=Progress(sys.stderr), on_epoch=lambda _: None)
    workspace.drop_checkpoints(planned.identity)
    best = fit.epochs[fit.best_epoch - 1]
    return {
        "identity": planned.identity,
        "experiment": planned.config.experiment_name,
        "seed": planned.config.seed,
        "precision": planned.precision,
        "val_accuracy": 100 * best.val_accuracy,
        "val_loss": best.val_loss,
        "best_epoch": fit.best_epoch,
        "unstable": list(fit.unstable),
        "epochs": [asdict(epoch) for epoch in fit.epochs],
    }


def trained(arguments: argparse.Namespace) -> Iterator[Line]:
    """Yield the trainings that were asked for, those of the log at once."""
    workspace = Workspace.locate(data=arguments.data)
    log: Path = arguments.log
    done = {line["identity"]: line for line in map(json.loads, log.read_text().splitlines())} if log.exists() else {}
    read_corpus = cache(lambda data: load_corpus(data, workspace.place, suite.challenges).without_test())
    for precision in arguments.precision:
        settings = parse_assignments([*arguments.set, f"training.precision={precision}"])
        suite = load_suite(locate_config(None), arguments.profile, settings, arguments.seed)
        names = arguments.names or list(suite.experiments)
        chosen = {name: suite.experiments[name] for name in names}
        seeds = {name: suite.seeds[name] for name in names}
        for run in make_plan(replace(suite, experiments=chosen, seeds=seeds), workspace).runs:
            planned = replace(run, kind=TRIAL)
            if planned.identity not in done:
                line = done[planned.identity] = train(planned, read_corpus(planned.config.data), workspace)
                with log.open("a") as file:
                    file.write(json.dumps(line) + "\n")
            yield done[planned.identity]


def table(lines: Sequence[Line]) -> Iterator[str]:
    """Yield a row per network and precision."""
    yield (
        "| network | precision | seeds | val accuracy, %: mean | sd | by seed | val loss | chosen epoch | "
        "highest train/loss after the first, first = 1 | unstable | time |"
    )
    yield "|:--|:--|--:|--:|--:|:--|--:|:--|--:|--:|--:|"
    for name, precision in dict.fromkeys((line["experiment"], line["precision"]) for line in lines):
        those = [line for line in lines if (line["experiment"], line["precision"]) == (name, precision)]
        scores = [line["val_accuracy"] for line in those]
        losses = [[epoch["train_loss"] for epoch in line["epochs"]] for line in those]
        highest = max((max(rest) / first for first, *rest in losses if rest), default=None)
        seconds = [sum(epoch["train_seconds"] + epoch["val_seconds"] for epoch in line["epochs"]) for line in those]
        cells = [
            name,
            precision,
            str(len(those)),
            f"{statistics.mean(scores):.2f}",
            f"{statistics.stdev(scores):.2f}" if len(scores) > 1 else "",
            " ".join(f"{score:.1f}" for score in scores),
            f"{statistics.mean(line['val_loss'] for line in those):.3f}",
            " ".join(str(line["best_epoch"]) for line in those),
            f"{highest:.2f}" if highest else "",
            str(sum(bool(line["unstable"]) for line in those)),
            spell_seconds(statistics.mean(seconds)),
        ]
        yield f"| {' | '.join(cells)} |"


def order(lines: Sequence[Line]) -> Iterator[str]:
    """Yield by how much the networks of ORDER differ in the mean over the seeds that both have."""
    found = {(line["experiment"], line["precision"], line["seed"]): line["val_accuracy"] for line in lines}
    for precision in dict.fromkeys(line["precision"] for line in lines):
        for better, other in ORDER:
            seeds = [seed for name, its, seed in found if (name, its) == (better, precision)]
            pairs = [(found[better, precision, seed], found.get((other, precision, seed))) for seed in seeds]
            gaps = [one - two for one, two in pairs if two is not None]
            if len(gaps) > 1:
                error = statistics.stdev(gaps) / len(gaps) ** 0.5
                yield (
                    f"- {precision}, {len(gaps)} seeds: {better} is {statistics.mean(gaps):+.2f} points above {other}, "
                    f"standard error {error:.2f}"
                )


def main() -> None:
    """Train what is missing of the log and print the tables."""
    if worker_environment() != dict(os.environ):  # the allocator's settings of a run, which are read at its start
        os.execve(sys.executable, [sys.executable, *sys.argv], worker_environment())  # noqa: S606
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--profile", default="quick")
    parser.add_argument("--seed", type=int, nargs="+", default=SEEDS)
    parser.add_argument("--precision", nargs="+", default=["bf16", "fp32"], choices=["bf16", "fp32"])
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--data", metavar="PATH")
    parser.add_argument("--log", type=Path, default=Path("stability.jsonl"), metavar="FILE")
    lines = list(trained(parser.parse_args()))
    print("\n".join([*table(lines), "", *order(lines)]))


if __name__ == "__main__":
    main()
