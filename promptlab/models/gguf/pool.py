"""The memory of a model's context: cells of one token each, in sequences that may share them."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast

import llama_cpp as native  # noqa: TID251  (only the child process imports this module)
import numpy as np
import numpy.typing as npt

from promptlab.models.gguf.prefixes import Tokens

_ROWS = 512
_LEAST = 512  # cells; the native code cannot plan for sequences that have next to none
_INVARIANT_ROWS = 60
_PAD = 4  # rearranged q4_0 weights take rows by four and single rows otherwise, with different rounding
_SHORT = 2048  # cells; beyond, flash attention saves much memory


class NoMemory(Exception):
    """The memory of the machine does not hold the context. The text is the reason."""


@dataclass(frozen=True)
class Layout:
    """How a context's memory is divided.

    Attributes:
        sequences: How many there can be, numbered from 0.
        cells: Tokens that a sequence can hold where each has its own; else what all can hold together.
        apart: Each sequence has cells of its own: a row looks at nothing but them, and what is shared is copied.
            Otherwise they lie in one store, and a shared cell is there once.
        invariant: The numbers that a row gives are the same whatever rows stand beside it and wherever its sequence
            lies. For that, attention must take its path of one row after the other (fewer than 64 at a time), matrix
            products the path of many rows (never a single one: steps are filled up to a multiple of four), and sums
            over a sequence must run in the order of its positions (cells are never used again before ``clear``).
            Not with ``apart``.
    """

    sequences: int
    cells: int
    apart: bool = False
    invariant: bool = False

    @property
    def total(self) -> int:
        """Cells in all."""
        return self.cells * self.sequences if self.apart else self.cells


class Pool:
    """A native context with room for many sequences at once.

    Args:
        model: The loaded model.
        layout: As above.
        threads: Threads that compute.
        reason: Gives the native code's own reason for a failure.

    Attributes:
        layout: As above.
        rows: The most rows of one step.

    Raises:
        NoMemory: There is not enough.
    """

    def __init__(
        self, model: native.llama_model_p, layout: Layout, *, threads: int, reason: Callable[[], str]
    ) -> None:
        rows = _INVARIANT_ROWS if layout.invariant else _ROWS
        extra = 2 if layout.invariant else 0
        params = native.llama_context_default_params()
        params.n_ctx = max(layout.total, _LEAST)
        params.n_batch = params.n_ubatch = rows
        params.n_seq_max = layout.sequences + extra
        params.n_threads = params.n_threads_batch = threads
        params.kv_unified = not layout.apart
        params.swa_full = True  # a part of a prefix can be copied only when all of it is there
        params.no_perf = True
        if layout.invariant:
            params.flash_attn_type = native.LLAMA_FLASH_ATTN_TYPE_ENABLED
        elif layout.apart and layout.cells <= _SHORT and slow_flash():
            params.flash_attn_type = native.LLAMA_FLASH_ATTN_TYPE_DISABLED
        context = native.llama_init_from_model(model, params)
        if context is None:
            raise NoMemory(reason())
        self._context = context
        self._memory = cast("native.llama_memory_t", native.llama_get_memory(context))
        self._pad = _PAD if layout.invariant else 1
        self._filler, self._spent = layout.sequences, layout.sequences + 1
        vocabulary = cast("native.llama_vocab_p", native.llama_model_get_vocab(model))
        self._vocabulary = native.llama_vocab_n_tokens(vocabulary)
        self.layout = layout
        # More rows than a batch holds are not an error of the native code, but its end.
        self.rows = min(rows, native.llama_n_batch(context))
        self._batch = _Batch(self.rows)
        self._parts: list[_Part] = []

    def close(self) -> None:
        """Let go of the native memory."""
        native.llama_free(self._context)

    @property
    def room(self) -> int:
        """Rows that the next step can still take."""
        return self.rows - sum(len(part.tokens) for part in self._parts)

    def put(self, tokens: Tokens, position: int, sequence: int, sample: bool) -> None:
        """Add rows to the next step: tokens of a sequence from a position on.

        Args:
            tokens: At most ``room``.
            position: Of the first.
            sequence: Where they belong.
            sample: Whether the step is to say what follows the last of them.
        """
        self._parts.append(_Part(tokens, position, sequence, sample))

    def decode(self) -> npt.NDArray[np.float32]:
        """Evaluate the rows that were put.

        Returns:
            An array of (sampled parts in the order of putting, vocabulary), valid until the next step.
        """
        parts, self._parts = self._parts, []
        if not self.layout.apart:
            return self._evaluate(parts)
        # Sequences of different lengths in one batch would be torn into many small ones.
        single = sorted((part for part in parts if len(part.tokens) == 1), key=lambda part: part.sequence)
        batches = [[part] for part in parts if len(part.tokens) > 1]
        found: dict[int, npt.NDArray[np.float32]] = {}
        for batch in [*batches, single] if single else batches:
            rows = self._evaluate(batch)
            if batch is not single:
                rows = rows.copy()  # the next batch takes its place
            found.update(zip((part.sequence for part in batch if part.sample), rows, strict=True))
        rows = [found[part.sequence] for part in parts if part.sample]
        return np.stack(rows) if rows else np.empty((0, self._vocabulary), np.float32)

    def _evaluate(self, parts: Sequence[_Part]) -> npt.NDArray[np.float32]:
        batch = self._batch
        for part in parts:
            batch.put(part)
        sampled = batch.sampled
        padding = -batch.count % self._pad
        if padding:
            batch.put(_Part(np.zeros(padding, np.int32), 0, self._filler, sample=False))
        count = batch.count
        code = native.llama_decode(self._context, batch.take())
        if code != 0:
            raise RuntimeError(f"llama_decode of {count} tokens answered {code}")
        if padding:
            native.llama_memory_seq_rm(self._memory, self._filler, -1, -1)
        if not sampled:
            return np.empty((0, self._vocabulary), np.float32)
        return np.ctypeslib.as_array(native.llama_get_logits(self._context), (sampled, self._vocabulary))

    def copy(self, source: int, target: int, length: int) -> None:
        """Let a new sequence begin with the first tokens of another."""
        if self.layout.apart:
            native.llama_memory_seq_cp(self._memory, source, target, -1, -1)  # there is no copying a part
            native.llama_memory_seq_rm(self._memory, target, length, -1)
        else:
            native.llama_memory_seq_cp(self._memory, source, target, 0, length)

    def forget(self, sequence: int, beyond: int = 0) -> None:
        """Forget what a sequence holds behind its first tokens."""
        if self.layout.invariant:
            native.llama_memory_seq_cp(self._memory, sequence, self._spent, beyond, -1)
        native.llama_memory_seq_rm(self._memory, sequence, beyond, -1)

    def clear(self) -> None:
        """Forget all sequences."""
        native.llama_memory_clear(self._memory, False)


def slow_flash() -> bool:
    """Whether the library's flash attention is slow for less than 64 rows, as every answer's next token is.

    It takes 2.2 times as long where the compiler was allowed AVX512-FP16 instructions, and is the faster way
    elsewhere. The library does not tell of those, but of AMX, which the same processors have: a library built for the
    machine at hand has both or neither.
    """
    return b"AMX_INT8 = 1" in native.llama_print_system_info()


@dataclass(frozen=True)
class _Part:
    """Successive rows of one sequence; ``sample`` asks what follows the last of them."""

    tokens: Tokens
    position: int
    sequence: int
    sample: bool


class _Batch:
    """Rows of a step, in arrays that the native code reads in place."""

    def __init__(self, rows: int) -> None:
        self.count = 0
        self.sampled = 0
        self._tokens = np.zeros(rows, np.int32)
        self._positions = np.zeros(rows, np.int32)
        self._sequences = np.zeros(rows, np.int32)
        self._sample = np.zeros(rows, np.int8)
        self._ones = np.ones(rows, np.int32)
        addresses = self._sequences.ctypes.data + self._sequences.itemsize * np.arange(rows)
        self._addresses = addresses.astype(np.uintp)
        self._native = native.llama_batch(
            token=ctypes.cast(self._tokens.ctypes.data, ctypes.POINTER(native.llama_token)),
            pos=ctypes.cast(self._positions.ctypes.data, ctypes.POINTER(native.llama_pos)),
            n_seq_id=ctypes.cast(self._ones.ctypes.data, ctypes.POINTER(ctypes.c_int32)),
            seq_id=ctypes.cast(self._addresses.ctypes.data, ctypes.POINTER(ctypes.POINTER(native.llama_seq_id))),
            logits=ctypes.cast(self._sample.ctypes.data, ctypes.POINTER(ctypes.c_int8)),
        )

    def put(self, part: _Part) -> None:
        begin, end = self.count, self.count + len(part.tokens)
        assert end <= len(self._tokens)
        self._tokens[begin:end] = part.tokens
        self._positions[begin:end] = np.arange(part.position, part.position + len(part.tokens))
        self._sequences[begin:end] = part.sequence
        self._sample[begin:end] = 0
        if part.sample:
            self._sample[end - 1] = 1
            self.sampled += 1
        self.count = end

    def take(self) -> native.llama_batch:
        self._native.n_tokens = self.count
        self.count = self.sampled = 0
        return self._native
