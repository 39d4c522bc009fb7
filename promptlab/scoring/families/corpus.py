"""Translation metrics: of a whole column, from the counts of each answer, with the same of one answer as its score.

BLEU and TER count with sacrebleu (extra ``text``), so that the words are split as the world's published figures have
them; what is counted is added up here, so that the bootstrap can do so too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from functools import lru_cache
from importlib.util import find_spec
from typing import TYPE_CHECKING, Protocol, cast

from promptlab.scoring.metric import Case, Metric, Missing, Options
from promptlab.scoring.values import MetricInfo, Score
from promptlab.workspace.sheet import Sheet

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Totals = NDArray[np.float64]

Row = list[float]
_ORDERS = 4  # words in a row that BLEU counts
_CHARS = 6  # characters in a row that chrF counts
_LONGEST = 500  # words of an answer for TER, whose search for shifts grows with their square
_BETA = 2  # how much more recall weighs than precision in chrF
EXTRA = "`bleu` and `ter` need the package sacrebleu."
INSTALL = "Run: pip install 'promptlab-tui[text]'."


class _Bleu(Protocol):
    counts: list[int]
    totals: list[int]
    sys_len: int
    ref_len: int


class _Ter(Protocol):
    num_edits: float
    ref_length: float


class _Scorer(Protocol):
    def sentence_score(self, hypothesis: str, references: list[str]) -> object: ...


@lru_cache
def _scorer(name: str) -> _Scorer:
    try:
        from sacrebleu.metrics.bleu import BLEU
        from sacrebleu.metrics.ter import TER
    except ImportError:
        raise Missing(f"{EXTRA} {INSTALL}") from None
    # The counts are the same; without effective_order sacrebleu logs advice for every short answer.
    return cast("_Scorer", BLEU(effective_order=True) if name == "BLEU" else TER())


def bleu_row(answer: str, reference: str) -> Row:
    """Matches and counts of 1 to 4 words in a row, then the lengths of answer and reference."""
    found = cast("_Bleu", _scorer("BLEU").sentence_score(answer, [reference]))
    return [*map(float, found.counts), *map(float, found.totals), float(found.sys_len), float(found.ref_len)]


def bleu(totals: Totals) -> Totals:
    """BLEU from 0 to 100 (Papineni 2002), zero matches of an order smoothed as sacrebleu does (``exp``)."""
    import numpy as np

    matches, counts = totals[..., :_ORDERS], totals[..., _ORDERS : 2 * _ORDERS]
    said, wanted = totals[..., -2], totals[..., -1]
    # The k-th order without a match counts as 1 / 2^k of one.
    smoothed = np.where(matches > 0, matches, 0.5 ** np.cumsum(matches == 0, axis=-1))
    with np.errstate(divide="ignore", invalid="ignore"):
        precision = np.exp(np.log(smoothed / counts).mean(axis=-1))
        brevity = np.where(said < wanted, np.exp(1 - wanted / said), 1.0)
    whole = (counts > 0).all(axis=-1) & (matches > 0).any(axis=-1)
    return np.where(whole, 100 * brevity * np.nan_to_num(precision, posinf=0.0), 0.0)


def chrf_row(answer: str, reference: str) -> Row:
    """For 1 to 6 characters in a row without white space: counts of answer and reference, and matches."""
    row: Row = []
    texts = ["".join(text.split()) for text in (answer, reference)]
    for size in range(1, _CHARS + 1):
        mine, theirs = (Counter(text[at : at + size] for at in range(len(text) - size + 1)) for text in texts)
        # As sacrebleu has it: where the reference is too short for this size, the answer's are not counted.
        row += [float(mine.total()) * bool(theirs), float(theirs.total()), float((mine & theirs).total())]
    return row


def chrf(totals: Totals) -> Totals:
    """chrF2 from 0 to 100 (Popović 2015): F of the mean precision and recall over the orders that both texts have."""
    import numpy as np

    said, wanted, shared = totals[..., 0::3], totals[..., 1::3], totals[..., 2::3]
    used = (said > 0) & (wanted > 0)
    orders = np.maximum(1, used.sum(axis=-1))
    precision, recall = (
        np.divide(shared, all_, out=np.zeros_like(shared), where=used).sum(axis=-1) / orders
        for all_ in (said, wanted)
    )
    below = _BETA**2 * precision + recall
    above = 100 * (1 + _BETA**2) * precision * recall
    return np.divide(above, below, out=np.zeros_like(below), where=below > 0)


def ter_row(answer: str, reference: str) -> Row:
    """Edits, shifts of words among them, and words of the reference."""
    if len(answer.split()) > _LONGEST:
        raise Missing(f"the answer has more than {_LONGEST:,} words, for which shifts take too long to find")
    found = cast("_Ter", _scorer("TER").sentence_score(answer, [reference]))
    return [float(found.num_edits), float(found.ref_length)]


def ter(totals: Totals) -> Totals:
    """Translation edit rate in percent (Snover 2006): edits ÷ words of the references."""
    import numpy as np

    edits, words = totals[..., 0], totals[..., 1]
    return 100 * np.divide(edits, words, out=np.where(edits > 0, 1.0, 0.0), where=words > 0)


ROWS: Mapping[str, Callable[[str, str], Row]] = {"bleu": bleu_row, "chrf": chrf_row, "ter": ter_row}
VALUES: Mapping[str, Callable[[Totals], Totals]] = {"bleu": bleu, "chrf": chrf, "ter": ter}


def _one(id: str) -> Callable[[Case], Score]:
    def compute(case: Case) -> Score:
        import numpy as np

        row = ROWS[id](case.text, case.reference)
        return case.score(float(VALUES[id](np.array([row]))[0]))

    return compute


def _installed(options: Options, sheet: Sheet) -> None:
    if find_spec("sacrebleu") is None:
        sheet.problem((), EXTRA, INSTALL)


METRICS = (
    Metric(
        MetricInfo("bleu", "max", "set", 0.0, 100.0, "", "reference", 1, "BLEU of the whole column (sacrebleu, 13a)"),
        _one("bleu"),
        checked=_installed,
    ),
    Metric(
        MetricInfo("chrf", "max", "set", 0.0, 100.0, "", "reference", 1, "chrF2 of the whole column"), _one("chrf")
    ),
    Metric(
        MetricInfo(
            "ter", "min", "set", 0.0, None, "", "reference", 1, "edits per word of the references, in percent"
        ),
        _one("ter"),
        checked=_installed,
    ),
)
