"""The split reviews that every model shares, and an audit of them. Imports no torch."""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from data_pipeline.config import DataConfig
from data_pipeline.files import hash_lines
from data_pipeline.review import Review
from data_pipeline.split import split, without_duplicates


@dataclass(frozen=True, slots=True)
class Corpus:
    """The split reviews.

    Attributes:
        left_out: reviews of the source in no part because their text occurs in it more than once.
        fingerprint: hash of all reviews of the source, whatever their order.
        split_fingerprint: hash of which reviews are in which part, and in which order.
        held_out_test: the test part was cut from training reviews; it is not the official one.
        leftovers: files of an operating system or editor that were skipped among the reviews.
        held_out: reviews of the source in no part because a challenge set has their text.
    """

    name: str
    train: tuple[Review, ...]
    val: tuple[Review, ...]
    test: tuple[Review, ...]
    left_out: int
    fingerprint: str
    split_fingerprint: str
    held_out_test: bool = True
    leftovers: int = 0
    held_out: int = 0

    @property
    def parts(self) -> dict[str, tuple[Review, ...]]:
        """The reviews by name of the part."""
        return {"train": self.train, "val": self.val, "test": self.test}

    def without_test(self) -> "Corpus":
        """Return the same corpus and split without its test reviews."""
        return replace(self, test=())


def make_corpus(
    name: str,
    reviews: Sequence[Review],
    config: DataConfig,
    official_test: Sequence[Review] | None = None,
    held_out: Collection[str] = (),
) -> Corpus:
    """Split the reviews as `config` says; those whose ids are `held_out` are in neither train nor val.

    An official test part keeps its duplicates, since published figures count them.

    Raises:
        DataError: more reviews are asked for than there are, a part would lack a class, or films are not known.
    """
    parts = split(reviews, config, official_test, held_out)
    usable = without_duplicates(reviews)
    in_test = {review.id for review in parts["test"]} if official_test is None else ()
    sources = [("", reviews)] if official_test is None else [("train ", reviews), ("test ", official_test)]
    return Corpus(
        name=name,
        train=parts["train"],
        val=parts["val"],
        test=parts["test"],
        left_out=len(reviews) - len(usable),
        fingerprint=hash_lines(f"{side}{id_}" for side, part in sources for id_ in sorted(r.id for r in part)),
        split_fingerprint=hash_lines(f"{part} {review.id}" for part in sorted(parts) for review in parts[part]),
        held_out_test=official_test is None,
        held_out=sum(review.id in held_out and review.id not in in_test for review in usable),
    )


def audit(corpus: Corpus) -> tuple[str, ...]:
    """Return the classes' counts and the duplicates that a reader of the figures should know, one sentence per fact.

    Only an official test part has duplicates: `make_corpus` leaves them out of what it splits.
    """
    counts = {part: Counter(review.label for review in reviews) for part, reviews in corpus.parts.items()}
    classes = [f"{part} {n[0]:,} + {n[1]:,} ({n[1] / n.total():.1%} positive)" for part, n in counts.items()]
    lines = [f"Reviews, negative + positive: {', '.join(classes)}.".replace("%", " %")]
    if corpus.left_out:
        lines.append(f"{corpus.left_out:,} reviews of the source are left out: their text occurs in it more than once.")
    if corpus.held_out:
        lines.append(f"{corpus.held_out:,} reviews are in neither train nor val: a challenge set has their text.")
    if corpus.leftovers:
        lines.append(
            f"{corpus.leftovers:,} files that an operating system or editor left among the reviews are skipped."
        )
    train, val, test = ({review.text for review in reviews} for reviews in corpus.parts.values())
    if repeated := len(corpus.test) - len(test):
        lines.append(f"{repeated:,} reviews of the official test part repeat the text of another one; they are kept.")
    if in_train_or_val := len(train & test) + len(val & test):
        lines.append(
            f"{in_train_or_val:,} texts of the official test part occur in train or val too; they are kept, and those"
            f" in train ({len(train & test):,}) are marked in the predictions."
        )
    return tuple(lines)
