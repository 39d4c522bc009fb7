"""What changed against the previous answer. Descriptive: none of it says which one is better."""

from __future__ import annotations

from promptlab.scoring.families.references import similarity
from promptlab.scoring.metric import Case, Metric, number
from promptlab.scoring.values import Score


def text_delta(case: Case) -> Score:
    """1 − Levenshtein distance ÷ the longer length: 1 is the previous answer to the letter."""
    return case.share(similarity(case.text, case.previous))


def length_delta(case: Case) -> Score:
    """Words of the answer ÷ words of the previous one."""
    return case.score(len(case.text.split()) / len(case.previous.split()))


METRICS = (
    Metric(number("text_delta", "characters shared with the previous answer", "previous", high=1.0), text_delta),
    Metric(number("length_delta", "words per word of the previous answer", "previous"), length_delta),
)
