"""When a suite is killed, and how."""

import json
import os
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.helpers.place import Fault

FULL = os.environ.get("FAULTS_FORM") == "full"  # as `make faults` calls it
SEED = os.environ.get("FAULTS_SEED", "0")
# A process takes seconds to start: the short form leaves out the model whose training is the frozen one's, but slower.
EXPERIMENTS = ("rnn", "bert-frozen", "bert-finetuned") if FULL else ("rnn", "bert-frozen")
PHASES = ("tokenising", "features", "epoch", "checkpoint", "val", "test", "artifacts", "model", "challenges", "between")
WAYS = (
    ("SIGKILL", "child"),  # the kernel is out of memory
    ("SIGKILL", "parent"),
    ("SIGKILL", "both"),  # the power is gone
    ("SIGTERM", "parent"),
    ("SIGTERM", "both"),  # the machine shuts down
    ("SIGINT", "group"),  # Ctrl-C
)
# So often is unfinished work written down: every two minutes, after each step, after every second and each batch.
OPTIONS = ((), ("--checkpoint-steps", "1"), ("--checkpoint-steps", "2", "--checkpoint-minutes", "0.0001"))


@dataclass(frozen=True)
class Kill:
    """A signal in a phase."""

    phase: str
    signal: str
    target: str
    experiment: str | None = None  # None: by chance

    def fault(self, moments: "Moments", chance: random.Random, marker: Path) -> Fault:
        experiment, moment = moments.choose(self.phase, chance, self.experiment)
        return Fault(self.phase, experiment, moment, self.signal, self.target, str(marker))


@dataclass(frozen=True)
class Call:
    """One call of `run all`, and the kills that it suffers: more than one only where a kill spares the parent."""

    kills: tuple[Kill, ...]
    options: tuple[str, ...] = ()


@dataclass(frozen=True)
class Case:
    """Calls in one working directory, after which the same command is called until it is done."""

    name: str
    calls: tuple[Call, ...]


def cases() -> Iterator[Case]:
    """Each way in each phase, in a working directory of its own; or one where a call is killed in each of its runs."""
    if not FULL:
        kills = Kill("epoch", "SIGKILL", "child", "rnn"), Kill("model", "SIGTERM", "parent", "bert-frozen")
        yield Case("a-kill-in-each-run", (Call(kills, OPTIONS[2]),))
        return
    for number, phase in enumerate(PHASES):
        for way, (signal, target) in enumerate(WAYS):
            options = OPTIONS[(number + way) % len(OPTIONS)]
            yield Case(f"{phase}-{signal}-{target}", (Call((Kill(phase, signal, target),), options),))


@dataclass(frozen=True)
class Moments:
    """How many moments each phase of each experiment has in a suite that nobody disturbs."""

    counts: dict[str, dict[str, int]]

    @classmethod
    def read(cls, file: Path) -> "Moments":
        lines = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
        return cls({line["experiment"]: line["moments"] for line in lines})

    def choose(self, phase: str, chance: random.Random, experiment: str | None) -> tuple[str, int]:
        """An experiment, the likelier the more moments it has, and one of the first 49 of 50."""
        named = self.counts if experiment is None else {experiment: self.counts[experiment]}
        of_phase = {name: phases[phase] for name, phases in named.items() if phase in phases}
        (name,) = chance.choices(list(of_phase), list(of_phase.values()))
        return name, chance.randint(1, max(1, of_phase[name] * 49 // 50))
