"""Several comparisons at once: each may claim by chance, so that all of them together are held to one alpha."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import structs

from promptlab.compare.guardrails import holm
from promptlab.compare.values import Verdict


def corrected(verdicts: Mapping[str, Verdict]) -> dict[str, Verdict]:
    """Verdicts of one metric after Holm's correction over those that could be made.

    BETTER and WORSE stay where the corrected p is below alpha, and become INCONCLUSIVE where it is not. ``p`` and the
    interval stay those of the single comparison; a note has the corrected p.

    Args:
        verdicts: Of several candidates against their baselines, all with the same alpha, by any key.
    """
    made = {key: verdict for key, verdict in verdicts.items() if verdict.status != "INVALID"}
    if len(made) < 2:
        return dict(verdicts)
    adjusted = dict(zip(made, holm([verdict.p for verdict in made.values()]), strict=True))
    return {
        key: _corrected(verdict, adjusted[key], len(made)) if key in made else verdict
        for key, verdict in verdicts.items()
    }


def _corrected(verdict: Verdict, p: float, comparisons: int) -> Verdict:
    if verdict.status not in ("BETTER", "WORSE"):
        return verdict
    said = "p < 0.001" if p < 0.001 else f"p = {p:.3f}"
    notes = (*verdict.notes, f"After Holm's correction over {comparisons} comparisons {said}.")
    if p < verdict.alpha:
        return structs.replace(verdict, notes=notes)
    rest = verdict.sentence.partition(": ")[2]
    sentence = (
        f"INCONCLUSIVE: by itself {verdict.status}, but not as one of {comparisons} comparisons ({said}): {rest}"
    )
    return structs.replace(verdict, status="INCONCLUSIVE", sentence=sentence, notes=notes)
