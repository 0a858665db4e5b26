"""One table per challenge set: how the models do on reviews beyond the test part."""

from __future__ import annotations

from benchmark.analysis.intervals import ConfidenceInterval
from benchmark.output import spell_amount
from benchmark.report.beyond import ChallengeRow, ChallengeVerdict
from benchmark.report.columns import MODEL, Column, ReportTable, spell_spread
from data_pipeline.errors import one_line

TITLE = "Beyond the test part"


def challenge_table(found: ChallengeVerdict) -> ReportTable:
    """Return the table of one set: a column for each figure that any model has."""
    columns = [column for column in _columns(found) if any(column.value(row) is not None for row in found.scored)]
    title = one_line(f"{TITLE}: {found.results.name} ({_describe(found)})")  # names of any record
    return ReportTable(title, (_MODEL, *columns), found.rows)


def _describe(found: ChallengeVerdict) -> str:
    """Say how many reviews there are, what they are, and which of them count."""
    challenge = found.results
    reviews = spell_amount(len(challenge.ids), "review")
    if challenge.groups is not None:
        reviews += f", {spell_amount(len(set(challenge.groups)), 'pair' if found.paired else 'group')}"
    said = f"{reviews}; {challenge.title}"
    if found.revised_alone:
        revised = spell_amount(found.judged, "revised review")
        said += f"; originals were in train, so rank, from test and ECE are of the {revised} alone"
    return said


def _ends(interval: ConfidenceInterval, sign: str = "") -> str:
    return f"{100 * interval.low:{sign}.2f} to {100 * interval.high:{sign}.2f}"


def _in_train(found: ChallengeRow) -> str:
    return f" ({found.in_train:,} in train)" if found.in_train else ""


def _share(title: str, score: str) -> Column:
    return Column(title, lambda found: found.scores.get(score), spell_spread)


def _from_test(value: tuple[float, ConfidenceInterval]) -> str:
    return f"{100 * value[0]:+.2f} ({_ends(value[1], '+')})"


def _columns(found: ChallengeVerdict) -> list[Column]:
    accuracy = Column(
        "accuracy, %", lambda found: found.scores.get("accuracy"), spell_spread, lambda _: "not scored", _in_train
    )
    both = Column(
        "both right, %" if found.paired else "all right, %",
        lambda found: found.scores.get("consistency"),
        spell_spread,
        mark=lambda found: f" ({_ends(found.consistency_interval)}){_in_train(found)}",
    )
    return [
        accuracy,
        Column("95 % interval", lambda found: found.interval, _ends),
        Column("rank", lambda found: found.letters or None),
        Column(
            "from test, points",
            lambda found: None if found.drop is None else (found.drop, found.drop_interval),
            _from_test,
        ),
        _share("original, %", "original"),
        _share("revised, %", "revised"),
        both,
        _share("ECE, %", "ece"),
    ]


_MODEL = Column(MODEL.title, lambda found: MODEL.text(found.row))
