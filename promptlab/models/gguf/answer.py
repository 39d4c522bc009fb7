"""An answer while it is being written."""

from __future__ import annotations

from codecs import getincrementaldecoder
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from promptlab.models.gguf.probabilities import logprobs, most_probable
from promptlab.models.gguf.sampling import Sampler
from promptlab.models.gguf.vocabulary import Vocabulary
from promptlab.models.values import Alternative, TokenLogprob


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
        return _text(self._bytes)

    def so_far(self) -> str:
        """Without a character that is not complete."""
        return getincrementaldecoder("utf-8")("replace").decode(bytes(self._bytes))


class AnswerWriter:
    """Writes the answer to a request, token by token.

    Args:
        vocabulary: The model's.
        sampler: Chooses the tokens.
        text: Where they go.
        budget: The most of them.
        alternatives: How many to note beside each token's own probability; None notes nothing.

    Attributes:
        logprobs: One for each token of the text, when they are asked for.
    """

    def __init__(
        self, vocabulary: Vocabulary, sampler: Sampler, text: AnswerText, budget: int, alternatives: int | None
    ) -> None:
        self.text = text
        self.logprobs: list[TokenLogprob] = []
        self._vocabulary = vocabulary
        self._sampler = sampler
        self._budget = budget
        self._alternatives = alternatives

    def take(self, logits: npt.NDArray[np.float32], top: int) -> int | None:
        token = self._sampler.pick(logits, top)
        if self._vocabulary.ends(token):
            self.text.stopped = True
            return None
        self.text.add(self._vocabulary.piece(token))
        if self._alternatives is not None:
            self.logprobs.append(self._logprob(logits, token, self._alternatives))
        return None if self.text.stopped or self.text.tokens == self._budget else token

    def close(self) -> None:
        self._sampler.close()

    def _logprob(self, logits: npt.NDArray[np.float32], token: int, alternatives: int) -> TokenLogprob:
        tokens = [token, *most_probable(logits, alternatives)]
        texts = [_text(self._vocabulary.piece(one)) for one in tokens]
        own, *others = map(Alternative, texts, logprobs(logits, tokens))
        return TokenLogprob(own.text, own.logprob, tuple(others))


def _text(data: bytes | bytearray) -> str:
    return data.decode("utf-8", "replace")
