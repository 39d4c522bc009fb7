"""Texts to vectors, with a model that was made for it.

Lives in the child process only.
"""

from __future__ import annotations

import ctypes
from collections import deque
from collections.abc import Collection, Sequence

import llama_cpp as native  # noqa: TID251  (only the child process imports this module)
import numpy as np

from promptlab.models.gguf.model import GgufFile, Refused
from promptlab.models.values import Fault

_NOT_ONE = "This model gives no embeddings: its file names no pooling. Choose an embedding model."
_POOLINGS = (native.LLAMA_POOLING_TYPE_MEAN, native.LLAMA_POOLING_TYPE_CLS, native.LLAMA_POOLING_TYPE_LAST)


class Embedder:
    """Embeds texts one after the other: a vector is a function of its text alone, to the last bit.

    Args:
        file: The loaded model; its metadata say how the vectors of tokens become one.
        threads: Threads that compute.
    """

    def __init__(self, file: GgufFile, threads: int) -> None:
        self._file = file
        self._threads = threads
        self._waiting: deque[tuple[int, str]] = deque()
        self._context: native.llama_context_p | None = None

    def close(self) -> None:
        """Let go of the native memory."""
        if self._context is not None:
            native.llama_free(self._context)
            self._context = None

    @property
    def busy(self) -> bool:
        """Whether a text waits."""
        return bool(self._waiting)

    def add(self, asks: Sequence[tuple[int, str]]) -> None:
        """Take on texts, each with a number of the caller's own."""
        self._waiting.extend(asks)

    def drop(self, numbers: Collection[int]) -> None:
        """Give up texts."""
        self._waiting = deque(one for one in self._waiting if one[0] not in numbers)

    def step(self) -> tuple[int, bytes | Fault]:
        """The next text's number, and its vector of length 1 as 32-bit numbers, or why it has none."""
        number, text = self._waiting.popleft()
        try:
            return number, self.vector(text).tobytes()
        except Refused as refused:
            return number, refused.fault

    def vector(self, text: str) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
        """The vector of a text.

        Raises:
            Refused: The model gives none, the text is empty or too long, or memory is short.
        """
        if self._context is None:
            self._context = self._open()
        tokens = self._file.vocabulary.whole(text)
        if not tokens:
            raise Refused("rejected", "The text is empty, and this model needs at least one token.")
        if len(tokens) > self._file.context:
            raise Refused(
                "context",
                f"The text has {len(tokens)} tokens, and the model embeds at most {self._file.context}. "
                + self._file.make_room("the text"),
            )
        memory = native.llama_get_memory(self._context)
        if memory:
            native.llama_memory_clear(memory, False)
        array = (native.llama_token * len(tokens))(*tokens)
        batch = native.llama_batch_get_one(array, len(tokens))
        batch.logits = (ctypes.c_int8 * len(tokens))(*[1] * len(tokens))  # else it is done, with a warning a text
        code = native.llama_decode(self._context, batch)
        found = native.llama_get_embeddings_seq(self._context, 0) if code == 0 else None
        if not found:
            raise RuntimeError(f"llama_decode of {len(tokens)} tokens to embed answered {code}")
        width = native.llama_model_n_embd_out(self._file.native)
        wide = np.ctypeslib.as_array(found, (width,)).astype(np.float64)
        length = float(np.linalg.norm(wide))
        if not 0 < length < np.inf:
            raise Refused("malformed", "The model gave no numbers for this text: its file may be damaged.")
        return (wide / length).astype(np.float32)

    def _open(self) -> native.llama_context_p:
        """A context that gives vectors.

        Raises:
            Refused: The model gives none, or memory is short.
        """
        params = native.llama_context_default_params()
        # A text goes through at once: in an embedding model every token may look at every other.
        params.n_ctx = params.n_batch = params.n_ubatch = self._file.context
        params.n_seq_max = 1
        params.n_threads = params.n_threads_batch = self._threads
        params.embeddings = True
        params.no_perf = True
        context = native.llama_init_from_model(self._file.native, params)
        if context is None:
            raise Refused("unavailable", f"There is no memory to embed texts with: {self._file.log.reason()}.")
        if native.llama_pooling_type(context) not in _POOLINGS:
            native.llama_free(context)
            raise Refused("unavailable", _NOT_ONE)
        return context
