"""Whatever is asked for the scores that no plain function gives: own code, embedding models, candidates, judges."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from promptlab.lab.custom import custom_metrics
from promptlab.lab.embedding import Embedded
from promptlab.lab.running import Judging, Scorer
from promptlab.lab.weighing import Weighing
from promptlab.models.values import Model
from promptlab.scoring.catalogue import jurors
from promptlab.scoring.families.meaning import MEANINGS
from promptlab.scoring.families.weighed import CHOICE_PROB
from promptlab.workspace.values import MetricSpec, Prompt

if TYPE_CHECKING:
    from promptlab.lab.lab import Lab


def scorers(
    lab: Lab,
    metrics: Sequence[MetricSpec],
    judges: Mapping[str, Prompt],
    code: Mapping[str, bytes],
    candidates: Mapping[str, Model] | None,
) -> list[Scorer]:
    """What is asked for the scores of these metrics, judges last: they take longest.

    Args:
        lab: Whose models are asked.
        metrics: Of the run; those that are computed are left out.
        judges: Metric name to judge.
        code: File to bytes of the workspace's own metrics.
        candidates: Model name to model of the columns; None where no candidate may be asked.

    Raises:
        UsageFault: Code that is not trusted.
        NotFound: A model that is not declared.
    """
    return [
        *custom_metrics(lab.workspace, metrics, code),
        *(Embedded(spec, lab.model(str(spec.options["model"]))) for spec in metrics if spec.id in MEANINGS),
        *(Weighing(spec, candidates) for spec in metrics if spec.id == CHOICE_PROB),
        *(
            Judging(spec, judges[spec.name], [lab.model(name) for name in jurors(spec)])
            for spec in metrics
            if spec.name in judges
        ),
    ]
