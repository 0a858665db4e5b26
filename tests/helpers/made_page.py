"""What a page is made from, made up: runs of several models and seeds, their epochs, and what is known of reviews."""

import re
from dataclasses import dataclass, field, replace

import numpy as np

from benchmark.analysis.metrics import classification_metrics
from benchmark.report.page import Page, make_page, render_page
from benchmark.report.table import make_report
from benchmark.results.results import Details, PlanResults, RecordedRun, ReviewTexts
from benchmark.tracking.explanations import ReviewExplanation
from benchmark.tracking.records import PlanRecord, PlanRow, RunRecord, Status
from tests.helpers.made_challenges import made_challenge
from tests.helpers.recorded import SPEED, results_of

ACCURACY = {"rnn": 0.80, "lstm": 0.85, "bert-frozen": 0.86, "bert-finetuned": 0.91, "bow": 0.88}
SEEDS = (1, 2, 3)
ATTACK = "</script><script>document.title = 'taken'</script><img src=x onerror=\"document.title = 'taken'\"> & so on"
EXPLAINED = (
    "bad, though good",
    "a good film with 😀 bad songs good",
    "a good start [...] and an end that nobody has ever read",
    " <br /> so good<br /><br />but bad  <BR>good ",
    f"{ATTACK} good",
)
WORDS = ["a", "film", "about", "people", "who", "talk", "until", "the", "rain", "ends", "in", "some", "kitchen"]


@dataclass
class MadePage:
    """What a page is to have; a test changes what it is about."""

    reviews: int = 600
    accuracy: dict[str, float] = field(default_factory=lambda: dict(ACCURACY))
    seeds: tuple[int, ...] = SEEDS
    train_sizes: tuple[int, ...] = (4000,)
    texts: dict[int, str] = field(default_factory=dict)  # by place; the others get one of WORDS
    longest: int = 400  # words
    missing: str = ""
    error: str = ""  # of a run that failed
    explained: dict[int, float] = field(default_factory=dict)  # by place, how far what is explained misses the margin
    challenges: dict[str, dict[str, float]] = field(default_factory=dict)  # by set, accuracy of the models scored on it
    paired: tuple[str, ...] = ("counterfactual",)  # sets of originals and their revisions
    leaked: int = 0  # originals of each paired set that train has

    @property
    def ids(self) -> list[str]:
        return [f"{place:016x}-0" for place in range(self.reviews)]

    def results(self) -> PlanResults:
        rows = tuple(
            PlanRow(name, f"{number:08d}{size:08d}", None, None, size, "5" * 64, baseline=name == "bow")
            for number, name in enumerate(self.accuracy)
            for size in self.train_sizes
        )
        sizes = self.train_sizes if self.error else ()
        failed = tuple(PlanRow("gru", f"e{size:015d}", None, None, size, "5" * 64) for size in sizes)
        plan = PlanRecord("quick", self.seeds, rows + failed, "made-up reviews", False, 500, self.reviews)
        runs = [self.run(row, seed) for row in rows for seed in self.seeds]
        runs += [
            RunRecord("bad", "gru", "gru", self.seeds[0], row.fingerprint, Status.FAILED, {}, self.error)
            for row in failed
        ]
        speeds = {row.fingerprint: replace(SPEED, latency_p50_ms=2.0 + 5 * place) for place, row in enumerate(rows)}
        results = results_of(plan, runs, speeds, reviews=self.reviews)
        for run in runs:  # the other scores as the predictions have them
            if run.status is Status.FINISHED:
                scores = classification_metrics(results.labels, results.logits[run.run_id])
                run.metrics.update({f"test/{score}": value for score, value in scores.items()})
        challenges = tuple(
            made_challenge(runs, found, name=name, paired=name in self.paired, leaked=self.leaked)
            for name, found in sorted(self.challenges.items())
        )
        return replace(results, challenges=challenges)

    def run(self, row: PlanRow, seed: int) -> RunRecord:
        place = list(self.accuracy).index(row.experiment)
        right = self.accuracy[row.experiment] - 0.02 * (self.train_sizes[-1] / row.train_size - 1) + 0.002 * seed
        metrics = {
            "test/accuracy": round(right * self.reviews) / self.reviews,
            "parameters_total": 1e5 * 4**place,
            "parameters_trainable": 1e4 * 4**place,
            "train_seconds": 12.0 * 5**place,
            "peak_memory_mib": 900.0,
            "best_epoch": 3.0,
        }
        name = f"{row.experiment} seed {seed}"
        run_id = f"{place:04d}{row.train_size:08d}{seed:020d}"
        return RunRecord(
            run_id, name, row.experiment, seed, row.fingerprint, Status.FINISHED, metrics, tags={"hardware": "a box"}
        )

    def details(self, results: PlanResults) -> Details:
        chance = np.random.default_rng(5)
        tokens = chance.integers(20, 900, self.reviews)
        histories = {
            "train/loss": {epoch: 0.7 / epoch for epoch in range(1, 6)},
            "val/loss": {epoch: 0.4 + 0.03 * abs(epoch - 3) for epoch in range(1, 6)},
            "val/accuracy": dict.fromkeys(range(1, 6), 0.8),
        }
        settings = {"model": {"name": "lstm"}, "training": {"epochs": 5}}
        machine = {"processor": "a processor", "torch": "2.13.0"}
        runs = {
            run.run_id: RecordedRun(run, histories, settings, machine, None, self.explanations(run))
            for run in results.runs
            if run.run_id in results.logits
        }
        stars = np.where(results.labels == 1, chance.integers(7, 11, self.reviews), chance.integers(1, 5, self.reviews))
        films = np.array([f"tt{place % 50:07d}" for place in range(self.reviews)], dtype=object)
        lengths, cut = dict.fromkeys(runs, tokens), dict.fromkeys(runs, tokens > 256)
        return Details(runs, lengths, cut, chance.random(self.reviews) < 0.05, stars.astype(float), films)

    def explanations(self, run: RunRecord) -> dict[str, ReviewExplanation]:
        """Of the last seed: `good` adds a logit, `bad` takes one and a half, another word adds a hundredth.

        The words after "[...]" are not read; `lstm` looks at the first one.
        """
        if run.seed != self.seeds[-1]:
            return {}
        texts, found = self.review_texts().texts, {}
        for place, error in self.explained.items():
            read, _, _ = texts[self.ids[place]].partition("[...]")
            words = list(re.finditer(r"[^\s<>]+(?![^<]*>)", read))
            logits = [{"good": 1.0, "bad": -1.5}.get(word[0], 0.01) for word in words]
            found[self.ids[place]] = ReviewExplanation(
                tokens=tuple(word.span() for word in words),
                attributions=tuple(logits),
                attention=(1.0, *[0.0] * (len(words) - 1)) if run.experiment == "lstm" else None,
                margin=sum(logits) + 0.25,
                baseline_margin=0.25,
                completeness_error=error,
                steps=16,
            )
        return found

    def review_texts(self) -> ReviewTexts:
        chance = np.random.default_rng(6)
        words = chance.choice(WORDS, 20 * self.longest).tolist()
        starts = chance.integers(0, 19 * self.longest, self.reviews)
        lengths = chance.integers(20, self.longest, self.reviews)
        made = {
            name: self.texts.get(place, " ".join(words[start : start + length]))
            for place, (name, start, length) in enumerate(zip(self.ids, starts, lengths, strict=True))
        }
        return ReviewTexts(made, self.missing)

    def page(self) -> Page:
        results = self.results()
        return make_page(make_report(results), self.details(results))

    def html(self) -> str:
        return render_page(self.page(), self.review_texts())
