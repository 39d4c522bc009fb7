"""How far the judges of a run agree with people, and their means corrected by what people said."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from statistics import fmean
from typing import TYPE_CHECKING

from msgspec import Struct

from promptlab.compare.agreement import Agreement, Calibration, agreement, calibration, krippendorff_alpha
from promptlab.compare.powered import FEWEST, powered_mean
from promptlab.compare.values import Interval
from promptlab.lab.reviewing import Labels, labels_of, reviews_of
from promptlab.scoring.replies import EVEN
from promptlab.scoring.values import MetricInfo
from promptlab.workspace.reviews import Review

if TYPE_CHECKING:
    from promptlab.lab.reading import Reader
    from promptlab.lab.table import RunTable


class People(Struct, frozen=True):
    """A judge metric of a run beside what people said.

    Attributes:
        answers: Answers that a person and the judge rated; ``reviewers`` is who.
        agreement: Of the judge's score and the people's mean, where both are read as categories; None without any.
        alpha: Krippendorff's, of the people among themselves; None with fewer than two.
        calibration: Of scores from 0 to 1; None for others.
        corrected: Column to the mean corrected by the people's labels, from 20 labels on.
    """

    metric: str
    answers: int
    reviewers: tuple[str, ...]
    agreement: Agreement | None
    alpha: float | None
    calibration: Calibration | None
    corrected: dict[str, Interval]

    @property
    def sentence(self) -> str:
        """The agreement in one line."""
        if self.agreement is None:
            return f"{self.metric}: no answer was rated by people and by the judge."
        found = self.agreement
        said = (
            f"{self.metric} against {', '.join(self.reviewers)}: the same on {found.raw:.0%} of {found.n} answers "
            f"[{found.raw_low:.0%}, {found.raw_high:.0%}], by chance {found.chance:.0%}"
        )
        if found.kappa == found.kappa:
            said += f"; κ {found.kappa:.2f} [{found.kappa_low:.2f}, {found.kappa_high:.2f}]"
        said += f", AC1 {found.ac1:.2f}"
        if self.alpha is not None and self.alpha == self.alpha:
            said += f"; people among themselves α {self.alpha:.2f}"
        if self.calibration is not None:
            said += f"; Brier {self.calibration.brier:.3f}, calibration error {self.calibration.ece:.3f}"
        return f"{said}."


def people(table: RunTable, metric: str, reviews: Iterable[Review]) -> People:
    """How a metric of a run agrees with people, and its means corrected by what they said."""
    labels = Labels(reviews)
    pairs: list[tuple[float, float]] = []
    ratings: list[Mapping[str, float]] = []
    corrected: dict[str, Interval] = {}
    for column in (variant.column for variant in table.variants):
        said = labels_of(table, column, metric, labels)
        scores = {example: score for example, score in table.values(column, metric).items() if score is not None}
        labelled = [(fmean(said[example].values()), scores[example]) for example in said if example in scores]
        pairs += [(score, label) for label, score in labelled]
        ratings += said.values()
        if len(labelled) >= FEWEST and table.infos[metric].kind != "set":
            corrected[column] = powered_mean(labelled, [scores[one] for one in scores if one not in said])
    reviewers = tuple(dict.fromkeys(by for one in ratings for by in one))
    info = table.infos[metric]
    shares = info.low == 0 and info.high == 1
    level = "interval" if info.kind == "numeric" else "nominal"
    categories = [(_category(info, score), _category(info, label)) for score, label in pairs]
    return People(
        metric=metric,
        answers=len(pairs),
        reviewers=reviewers,
        agreement=agreement(categories) if categories else None,
        alpha=krippendorff_alpha(ratings, level) if len(reviewers) > 1 else None,
        calibration=calibration(pairs) if pairs and shares else None,
        corrected=corrected,
    )


def people_of(lab: Reader, table: RunTable) -> list[People]:
    """Every judge metric of a run beside what people said, where they said anything.

    Raises:
        InvalidFile: The reviews file has lines that are no reviews.
    """
    reviews = reviews_of(lab, table.evalset)
    found = [people(table, metric, reviews) for metric in table.judges] if reviews else []
    return [one for one in found if one.answers]


def _category(info: MetricInfo, value: float) -> float:
    """What a mean of several ratings is as one of them."""
    match info.kind:
        case "preference":
            return EVEN if value == EVEN else float(value > EVEN)
        case "binary":
            return float(value >= EVEN)
        case _:
            return float(round(value))
