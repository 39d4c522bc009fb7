"""Answers that come piece by piece, as far as they have come, and the news of them for who watches."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator
from contextlib import contextmanager

from promptlab.models.completions import Reply, apart
from promptlab.models.values import Watch, Written

EVERY = 0.1
"""Seconds between two pieces of news: an answer that is there sooner is not told of before."""


class Draft:
    """One answer as far as it has come.

    Attributes:
        pieces: How many came; of most servers each is a token.
        whole: The answer, once it is there.
    """

    def __init__(self) -> None:
        self.pieces = 0
        self.whole: Reply | None = None
        self._text: list[str] = []
        self._thought: list[str] = []

    def add(self, text: str, thought: str) -> None:
        """Take in a piece of the answer, of what the model thought before it, or of both."""
        self.pieces += 1
        if text:
            self._text.append(text)
        if thought:
            self._thought.append(thought)

    @property
    def text(self) -> str:
        """The answer."""
        self._text = ["".join(self._text)]
        return self._text[0]

    @property
    def thought(self) -> str:
        """What was thought before it, where it came apart from it."""
        self._thought = ["".join(self._thought)]
        return self._thought[0]

    @property
    def shown(self) -> str:
        """The answer for a screen; the thoughts, until the answer begins."""
        _, text = apart(self.text)
        return text or (f"<think>{self.thought}" if self._thought else "")


class Drafts:
    """The answers of one call that are being written. Looks at them ten times a second, not at every piece."""

    def __init__(self, watch: Watch, hidden: Callable[[str], str]) -> None:
        """``hidden`` takes out of a text what nobody may see."""
        self._watch = watch
        self._hidden = hidden
        self._open: dict[str, Draft] = {}
        self._told: dict[str, int] = {}
        self._dropped: set[str] = set()
        self._tokens = 0
        self._timer: asyncio.TimerHandle | None = None

    @contextmanager
    def of(self, key: str) -> Generator[Draft]:
        """A draft of the answer of this key, told of while this lasts; of two at the same time the first.

        What is not whole at the end is taken back.
        """
        draft = Draft()
        self._open.setdefault(key, draft)
        self._wake()
        try:
            yield draft
        finally:
            told = 0
            if self._open.get(key) is draft:
                del self._open[key]
                told = self._told.pop(key, 0)
            if draft.whole is None and told:
                self._dropped.add(key)
            usage = draft.whole.usage if draft.whole else None
            self._tokens += max(draft.pieces, usage.completion if usage else 0) - told
            self._wake()

    def close(self) -> None:
        """Say nothing more."""
        if self._timer is not None:
            self._timer.cancel()

    def _wake(self) -> None:
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(EVERY, self._tell)

    def _tell(self) -> None:
        """Tell of what came since the last time, and look again as long as something may come."""
        texts = dict.fromkeys(self._dropped, "")
        self._dropped.clear()
        for key, draft in self._open.items():
            new = draft.pieces - self._told.get(key, 0)
            if new:
                self._told[key] = draft.pieces
                self._tokens += new
                texts[key] = _drawable(self._hidden(draft.shown))
        tokens, self._tokens = self._tokens, 0
        self._timer = None
        if self._open:
            self._wake()
        if texts or tokens:
            self._watch(Written(tuple(texts.items()), tokens))


def _drawable(text: str) -> str:
    """Without halves of surrogate pairs, whose other half may be in the next piece."""
    return text.encode("utf-8", "replace").decode()
