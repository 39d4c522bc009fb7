"""Word by word: what changed between two texts.

Lines are aligned first, then the words inside the lines that differ. A token is never split: a word with its
combining marks, one CJK character, a whole emoji cluster, a flag, a run of blanks, one punctuation mark, a line end.
"""

from __future__ import annotations

import math
import re
import time
import unicodedata
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from typing import Protocol

from diff_match_patch import diff_match_patch  # pyright: ignore[reportMissingTypeStubs] it ships no types

from promptlab.compare.values import DiffSpan

UNLIKE = 0.2
"""Stretches that share a smaller part of their words are shown as rewritten: word marks would be confetti."""

_LINE = re.compile(r"[^\n]*\n|[^\n]+")
_SMALL = 2_000  # tokens on both sides together that the exact alignment handles in a few milliseconds
_SHORT = 4_000  # characters on both sides together that no budget is needed for


def word_diff(before: str, after: str, budget: float = 0.25) -> tuple[DiffSpan, ...]:
    """Compare two texts word by word.

    "same" and "removed" joined give ``before``; "same" and "added" joined give ``after``, always, byte for byte.

    Args:
        before: The older text.
        after: The newer text.
        budget: Seconds for the whole comparison. What is not worked out by then is given as whole stretches that were
            removed and added, which is coarse but true. Short texts are always worked out: what is said of them
            does not depend on how busy the machine is.

    Returns:
        Spans in reading order; where both exist, "removed" stands before "added". Neighbours differ in ``op``.
    """
    _token_pattern()  # made once, and not on this comparison's time
    deadline = math.inf if len(before) + len(after) <= _SHORT else time.monotonic() + budget
    pairs: list[_Pair] = []
    old, new = _LINE.findall(before), _LINE.findall(after)
    for equal, removed, added in _anchored(old, new):
        if equal or not removed or not added:
            pairs.append(_Pair(equal, "".join(removed), "".join(added)))
        else:
            pairs.extend(_hunk(removed, added, deadline))
    return tuple(_spans(_tidy(pairs)))


class _Aligner(Protocol):
    """What is used of ``diff_match_patch``; ``deadline`` is a time of ``time.time``."""

    def diff_main(self, text1: str, text2: str, checklines: bool, deadline: float) -> list[tuple[int, str]]: ...


def _aligner() -> _Aligner:
    return diff_match_patch()


class _Pair:
    """A stretch of the old text and what stands in its place in the new one."""

    __slots__ = ("added", "equal", "removed")

    def __init__(self, equal: bool, removed: str, added: str) -> None:
        self.equal = equal
        self.removed = removed
        self.added = added

    @property
    def size(self) -> int:
        return max(len(self.removed), len(self.added))


@cache
def _token_pattern() -> re.Pattern[str]:
    """Tokens by Unicode's own categories: ``re`` knows no ``\\p{M}``, so the marks are listed, once, in 30 ms."""
    codes = (*range(0x300, 0x1F000), *range(0xE0100, 0xE01F0))
    marks = _ranges(code for code in codes if unicodedata.category(chr(code)).startswith("M"))
    cjk = "\u3041-\u3096\u30a1-\u30fa\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
    # Joiners hold clusters together; skin tones and tag characters belong to the emoji before them.
    joined = rf"[{marks}\u200c\u200d]*"
    emoji = rf"[{marks}\u200c\u200d\U0001f3fb-\U0001f3ff\U000e0020-\U000e007f]*"
    return re.compile(
        rf"\r\n|[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]"
        rf"|[^\S\n\r\v\f\x1c-\x1e\x85\u2028\u2029]+"
        rf"|[{cjk}]{joined}"
        rf"|(?:[^\W{cjk}]{joined})+"
        rf"|[\U0001f1e6-\U0001f1ff]{{2}}"
        rf"|[^\w\s]{emoji}(?:(?<=\u200d)[^\w\s]{emoji})*"
        rf"|.",
        re.DOTALL,
    )


def _ranges(codes: Iterable[int]) -> str:
    """Ascending code points as the inside of a character class."""
    runs: list[list[int]] = []
    for code in codes:
        if runs and code == runs[-1][1] + 1:
            runs[-1][1] = code
        else:
            runs.append([code, code])
    return "".join(f"\\U{first:08x}-\\U{last:08x}" for first, last in runs)


def tokens(text: str) -> list[str]:
    """Cut a text into the units that a diff never splits. Joined, they are the text."""
    return _token_pattern().findall(text)


def _hunk(old: Sequence[str], new: Sequence[str], deadline: float) -> Iterator[_Pair]:
    """Lines without an anchor between them: those that both sides have several times first, then the words."""
    lines = [_Pair(False, "".join(old), "".join(new))]
    if len(old) > 1 and len(new) > 1 and _alike(old, new) >= UNLIKE:
        half = time.monotonic() / 2 + deadline / 2
        lines = _tidy(_exact(old, new, half))
    for pair in lines:
        if pair.equal or not pair.removed or not pair.added:
            yield pair
        else:
            yield from _words(pair.removed, pair.added, deadline)


def _words(before: str, after: str, deadline: float) -> Iterator[_Pair]:
    """Align two stretches that differ, as far as time allows."""
    if time.monotonic() >= deadline:
        yield _Pair(False, before, after)
        return
    old, new = tokens(before), tokens(after)
    if _alike(_content(old), _content(new)) < UNLIKE:
        yield _Pair(False, before, after)
        return
    # Alignment of a long stretch is quadratic in its differences, so it is cut at words that both sides have once.
    cut = _anchored(old, new) if len(old) + len(new) > _SMALL else iter([(False, old, new)])
    for equal, removed, added in cut:
        if equal or not removed or not added:
            yield _Pair(equal, "".join(removed), "".join(added))
        else:
            yield from _exact(removed, added, deadline)


def _alike(old: Iterable[str], new: Iterable[str]) -> float:
    """The share of items in common, of all different items (Jaccard)."""
    first, second = set(old), set(new)
    return len(first & second) / len(first | second)


def _content(items: Sequence[str]) -> Sequence[str]:
    """The words among tokens: blanks and punctuation make no two texts alike, unless there is nothing else."""
    return [token for token in items if token[0].isalnum()] or items


def _exact(old: Sequence[str], new: Sequence[str], deadline: float) -> Iterator[_Pair]:
    """Myers' shortest edit over whole tokens: each token becomes one code point, so that none can be cut."""
    left = deadline - time.monotonic()
    if left <= 0:
        yield _Pair(False, "".join(old), "".join(new))
        return
    codes: dict[str, str] = {}
    for token in (*old, *new):
        if token not in codes:
            number = len(codes)
            codes[token] = chr(number if number < 0xD800 else number + 0x800)  # around the surrogates
    names = {code: token for token, code in codes.items()}
    edits = _aligner().diff_main(
        "".join(codes[token] for token in old), "".join(codes[token] for token in new), False, time.time() + left
    )
    for op, coded in edits:
        text = "".join(names[code] for code in coded)
        yield _Pair(op == 0, text if op <= 0 else "", text if op >= 0 else "")


def _anchored(old: Sequence[str], new: Sequence[str]) -> Iterator[tuple[bool, Sequence[str], Sequence[str]]]:
    """Align two sequences at the items that each has exactly once ("patience" diff), in n·log n whatever they hold.

    Yields (equal, old stretch, new stretch) in order; stretches between anchors are yielded as differing.
    """
    work = [(0, len(old), 0, len(new))]
    while work:
        old_low, old_high, new_low, new_high = work.pop()
        head = _common(old, new, old_low, old_high, new_low, new_high)
        if head:
            yield True, old[old_low : old_low + head], new[new_low : new_low + head]
            old_low, new_low = old_low + head, new_low + head
        tail = _common_end(old, new, old_low, old_high, new_low, new_high)
        if tail:
            # Taken up again as its own stretch, which is then all head.
            work.append((old_high - tail, old_high, new_high - tail, new_high))
            old_high, new_high = old_high - tail, new_high - tail
        if old_low == old_high and new_low == new_high:
            continue
        anchors = _anchors(old, new, old_low, old_high, new_low, new_high)
        if not anchors:
            yield False, old[old_low:old_high], new[new_low:new_high]
            continue
        starts = [(old_low, new_low), *anchors]
        ends = [*anchors, (old_high, new_high)]
        work.extend((i, end_i, j, end_j) for (i, j), (end_i, end_j) in reversed(list(zip(starts, ends, strict=True))))


def _common(old: Sequence[str], new: Sequence[str], i: int, i_end: int, j: int, j_end: int) -> int:
    count = 0
    while i + count < i_end and j + count < j_end and old[i + count] == new[j + count]:
        count += 1
    return count


def _common_end(old: Sequence[str], new: Sequence[str], i: int, i_end: int, j: int, j_end: int) -> int:
    count = 0
    while i_end - count > i and j_end - count > j and old[i_end - count - 1] == new[j_end - count - 1]:
        count += 1
    return count


def _anchors(old: Sequence[str], new: Sequence[str], i: int, i_end: int, j: int, j_end: int) -> list[tuple[int, int]]:
    """Positions of items that are unique on both sides, the longest run of them that is in order on both."""
    once_old, once_new = Counter(old[i:i_end]), Counter(new[j:j_end])
    place = {new[at]: at for at in range(j, j_end) if once_new[new[at]] == 1}
    both = [(at, place[old[at]]) for at in range(i, i_end) if once_old[old[at]] == 1 and old[at] in place]
    # Longest increasing subsequence of the new positions.
    ends: list[int] = []
    holders: list[int] = []
    previous: list[int] = []
    for index, (_, at) in enumerate(both):
        length = bisect_left(ends, at)
        previous.append(holders[length - 1] if length else -1)
        if length == len(ends):
            ends.append(at)
            holders.append(index)
        else:
            ends[length] = at
            holders[length] = index
    chain: list[tuple[int, int]] = []
    index = holders[-1] if holders else -1
    while index >= 0:
        chain.append(both[index])
        index = previous[index]
    return chain[::-1]


def _tidy(pairs: Iterable[_Pair]) -> list[_Pair]:
    """Join neighbours, and fold an equal scrap between two edits into them: people read phrases, not confetti.

    A scrap is blank, or no longer than the edit on either side of it; a line end is never folded.
    """
    done: list[_Pair] = []
    for pair in pairs:
        if done and done[-1].equal == pair.equal:
            done[-1].removed += pair.removed
            done[-1].added += pair.added
        else:
            done.append(_Pair(pair.equal, pair.removed, pair.added))
        while len(done) >= 3 and not done[-1].equal and _is_scrap(done[-3], done[-2].removed, done[-1]):
            last, scrap = done.pop(), done.pop()
            done[-1].removed += scrap.removed + last.removed
            done[-1].added += scrap.added + last.added
    return done


def _is_scrap(left: _Pair, text: str, right: _Pair) -> bool:
    return "\n" not in text and (not text.strip() or len(text) <= min(left.size, right.size))


def _spans(pairs: Iterable[_Pair]) -> Iterator[DiffSpan]:
    for pair in pairs:
        if pair.equal:
            yield DiffSpan("same", pair.removed)
            continue
        if pair.removed:
            yield DiffSpan("removed", pair.removed)
        if pair.added:
            yield DiffSpan("added", pair.added)
