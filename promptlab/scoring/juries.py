"""What several models that judge the same answer say together."""

from __future__ import annotations

from collections.abc import Mapping
from statistics import fmean, median, multimode, pstdev
from typing import Literal

from msgspec import Struct, convert

from promptlab.scoring.values import Score
from promptlab.workspace.values import MetricSpec


class Jury(Struct, frozen=True):
    """How the grades of several models become one score.

    Attributes:
        how: The mean; the median; the mean without the lowest and the highest; or what most of them say.
        weights: Model name to its weight in the mean, 1 where it has none.
    """

    how: Literal["mean", "median", "trimmed", "majority"] = "mean"
    weights: Mapping[str, float] = {}

    @staticmethod
    def of(spec: MetricSpec) -> Jury:
        """As the options of a valid metric have it."""
        given = {"how": spec.options.get("aggregate", "mean"), "weights": spec.options.get("weights", {})}
        return convert(given, Jury)

    def score(self, metric: str, values: Mapping[str, float]) -> Score:
        """The score of one answer, and how far the models are apart.

        Args:
            metric: The metric's name.
            values: Model name to its grade, of two models or more.
        """
        said = ", ".join(f"{model} {value:g}{self._weight(model)}" for model, value in values.items())
        spread = pstdev(values.values())
        detail = f"{self._name} of {said}" + (f"; they differ by {spread:.2g} (sd)" if spread else "; they agree")
        grades = list(values.values())
        match self.how:
            case "mean":
                return Score(metric, fmean(grades, [self.weights.get(model, 1.0) for model in values]), detail=detail)
            case "median":
                return Score(metric, float(median(grades)), detail=detail)
            case "trimmed":
                return Score(metric, fmean(sorted(grades)[1:-1] or grades), detail=detail)
            case "majority":
                most = multimode(grades)
                if len(most) > 1:
                    return Score(metric, missing=f"no majority: {said}")
                return Score(metric, most[0], detail=detail)

    @property
    def _name(self) -> str:
        kinds = {"mean": "weighted mean" if self.weights else "mean", "trimmed": "trimmed mean"}
        return kinds.get(self.how, self.how)

    def _weight(self, model: str) -> str:
        return f" (× {self.weights.get(model, 1.0):g})" if self.weights else ""


USUAL = Jury()
"""Every model's grade counts as much."""
