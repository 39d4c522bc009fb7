"""How near an answer is to what people said that the answer should have been.

Several corrections of one example are alternatives, of which the nearest counts.
"""

from __future__ import annotations

from promptlab.scoring.families.references import similarity
from promptlab.scoring.metric import Case, Metric, number, yes_no
from promptlab.scoring.values import Score

NEEDS = "correction"
"""What these metrics need."""


def correction_match(case: Case) -> Score:
    """Equal to a correction, white space around both left aside, as ``exact`` compares texts."""
    return case.score(case.text in case.corrected)


def edit_ratio(case: Case) -> Score:
    """Levenshtein distance to a correction ÷ the longer length: what a person has to edit of the answer."""
    return case.share(min(1 - similarity(case.text, corrected) for corrected in case.corrected))


METRICS = (
    Metric(yes_no("correction_match", "the answer is what a person corrected an answer to", NEEDS), correction_match),
    Metric(
        number("edit_ratio", "share of the characters that a person's correction changes", NEEDS, "min", high=1.0),
        edit_ratio,
    ),
)
