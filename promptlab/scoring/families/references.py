"""How near an answer is to a reference."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple, cast

from promptlab.scoring.metric import Case, Metric, number
from promptlab.scoring.values import Score
from promptlab.workspace import sheet as check

_WORD = re.compile(r"[^\W_]+")


def edit_sim(case: Case) -> Score:
    """How much of answer and reference is the same, as characters.

    ``levenshtein`` (the default) is 1 − distance ÷ the longer length; ``jaro_winkler`` favours a common beginning
    (Winkler 1990); ``token_sort`` is 1 − insertions and deletions ÷ both lengths, with the words sorted.
    """
    return case.share(similarity(case.text, case.reference, str(case.options.get("method", "levenshtein"))))


def similarity(one: str, other: str, method: str = "levenshtein") -> float:
    """Similarity from 0 to 1 of two texts."""
    from rapidfuzz.distance import Indel, JaroWinkler, Levenshtein

    match method:
        case "jaro_winkler":
            return JaroWinkler.similarity(one, other)
        case "token_sort":
            return Indel.normalized_similarity(" ".join(sorted(one.split())), " ".join(sorted(other.split())))
        case _:
            return Levenshtein.normalized_similarity(one, other)


def wer(case: Case) -> Score:
    """Word error rate: words to replace, insert or delete ÷ words of the reference. May be above 1."""
    return case.score(_error_rate(case.text.split(), case.reference.split()))


def cer(case: Case) -> Score:
    """Character error rate: the same over characters."""
    return case.score(_error_rate(case.text, case.reference))


def _error_rate(answer: Sequence[str], reference: Sequence[str]) -> float:
    from rapidfuzz.distance import Levenshtein

    return Levenshtein.distance(answer, reference) / len(reference)


class Overlap(NamedTuple):
    """How much two texts share: ``precision`` is of the answer, ``recall`` of the reference."""

    precision: float
    recall: float

    @property
    def f1(self) -> float:
        both = self.precision + self.recall
        return 2 * self.precision * self.recall / both if both else 0.0

    @classmethod
    def of(cls, shared: int, answer: int, reference: int) -> Overlap:
        return cls(shared / answer if answer else 0.0, shared / reference if reference else 0.0)


def words(text: str) -> list[str]:
    """Words as ROUGE counts them: lower case, letters and digits of any script, no stemming."""
    return _WORD.findall(text.lower())


def rouge_n(case: Case) -> Score:
    """ROUGE-N (Lin 2004): ``n`` words in a row (2 by default) that answer and reference share."""
    n = cast("int", case.options.get("n", 2))
    answer, reference = (Counter(ngrams(words(text), n)) for text in (case.text, case.reference))
    return _part(case, Overlap.of((answer & reference).total(), answer.total(), reference.total()))


def ngrams(items: Sequence[str], n: int) -> list[tuple[str, ...]]:
    """Every ``n`` items in a row."""
    return [tuple(items[at : at + n]) for at in range(len(items) - n + 1)]


def rouge_l(case: Case) -> Score:
    """ROUGE-L (Lin 2004): the longest common subsequence of words."""
    from rapidfuzz.distance import LCSseq

    answer, reference = words(case.text), words(case.reference)
    return _part(case, Overlap.of(LCSseq.similarity(answer, reference), len(answer), len(reference)))


def _part(case: Case, overlap: Overlap) -> Score:
    detail = f"precision {overlap.precision:.3f}, recall {overlap.recall:.3f}"
    match case.options.get("part"):
        case "precision":
            return case.share(overlap.precision, detail)
        case "recall":
            return case.share(overlap.recall, detail)
        case _:
            return case.share(overlap.f1, detail)


def trigram_cos(case: Case) -> Score:
    """Cosine of the counts of three characters in a row, in lower case: how alike two texts are spelt."""
    answer, reference = (_trigrams(text) for text in (case.text, case.reference))
    dot = sum(count * reference[gram] for gram, count in answer.items())
    lengths = math.sqrt(_squares(answer) * _squares(reference))
    return case.share(dot / lengths if lengths else 0.0)


def _trigrams(text: str) -> Counter[str]:
    text = " ".join(text.lower().split())
    return Counter(text[at : at + 3] for at in range(max(1, len(text) - 2)))


def _squares(counts: Counter[str]) -> int:
    return sum(count * count for count in counts.values())


def length_ratio(case: Case) -> Score:
    """Words of the answer ÷ words of the reference."""
    return case.score(len(case.text.split()) / len(case.reference.split()))


_PART = {"part": check.one_of("f1", "precision", "recall")}

METRICS = (
    Metric(
        number("edit_sim", "characters shared with the reference", "reference", "max", high=1.0),
        edit_sim,
        {"method": check.one_of("levenshtein", "jaro_winkler", "token_sort")},
    ),
    Metric(number("wer", "words to change to get the reference, per word of it", "reference", "min"), wer),
    Metric(number("cer", "characters to change to get the reference, per character of it", "reference", "min"), cer),
    Metric(
        number("rouge_n", "runs of `n` words shared with the reference (ROUGE-N)", "reference", "max", high=1.0),
        rouge_n,
        {"n": check.whole(1, 9), **_PART},
    ),
    Metric(
        number("rouge_l", "words shared with the reference in its order (ROUGE-L)", "reference", "max", high=1.0),
        rouge_l,
        _PART,
    ),
    Metric(
        number("trigram_cos", "three-letter parts shared with the reference", "reference", "max", high=1.0),
        trigram_cos,
    ),
    Metric(number("length_ratio", "words of the answer per word of the reference", "reference"), length_ratio),
)
