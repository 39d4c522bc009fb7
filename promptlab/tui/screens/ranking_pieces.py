"""Every column of a run against every other, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from promptlab.errors import PromptlabError
from promptlab.tui.screens.column_rows import VERDICTS
from promptlab.tui.widgets.textview import Piece

if TYPE_CHECKING:
    from promptlab.lab import RunTable

_BAR = 20


def ranking_pieces(table: RunTable, metric: str) -> list[Piece]:
    """A verdict for each pair of columns and their strengths, or why there are none. Called in a thread."""
    from promptlab.lab.ranking import ranking_of

    if table.state == "running":
        return [Piece("The run is still going on. Its columns are ranked when it has ended.")]
    try:
        ranking = ranking_of(table, metric)
    except PromptlabError as fault:
        return [Piece(str(fault))]
    pieces = [Piece(f"{ranking.metric}\n", "head")]
    furthest = max((abs(one.strength) for one in ranking.standings), default=1.0) or 1.0
    for place, one in enumerate(ranking.standings, start=1):
        bar = "█" * round(_BAR * (one.strength + furthest) / (2 * furthest))
        pieces.append(Piece(f"{place}. {one.column} ", "strong"))
        pieces.append(Piece(f"{bar:<{_BAR}}  ", "accent"))
        pieces.append(Piece(f"{one.strength:+.2f} [{one.low:+.2f}, {one.high:+.2f}]  best {100 * one.best:.0f} %\n"))
    pieces.append(Piece("\n"))
    pieces += [Piece(f"{variant.column}  {variant.label}\n", "dim") for variant in table.variants]
    for pair in ranking.pairs:
        mark, tone = VERDICTS[pair.verdict.status]
        pieces.append(Piece(f"\n{mark} {pair.after} against {pair.before}  ", tone))
        pieces.append(Piece(pair.verdict.sentence))
    return [*pieces, Piece("\n\n"), *(Piece(f"{note}\n", "dim") for note in ranking.notes)]
