"""The text of an answer while it is being written."""

from __future__ import annotations

from collections.abc import Sequence


class AnswerText:
    """Bytes of an answer as they come, up to the first stop string."""

    def __init__(self, stop: Sequence[str]) -> None:
        self.tokens = 0
        self.stopped = False
        self._bytes = bytearray()
        self._stop = [text.encode() for text in stop if text]
        self._overlap = max((len(text) for text in self._stop), default=1) - 1

    def add(self, piece: bytes) -> None:
        self.tokens += 1
        begin = max(0, len(self._bytes) - self._overlap)
        self._bytes += piece
        found = [place for text in self._stop if (place := self._bytes.find(text, begin)) >= 0]
        if found:
            del self._bytes[min(found) :]
            self.stopped = True

    def text(self) -> str:
        """Decoded once: a character may come in several tokens, and the last one may be cut off."""
        return self._bytes.decode("utf-8", "replace")
