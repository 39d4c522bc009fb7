"""From the numbers that a model gives to the next token of an answer."""

from __future__ import annotations

import ctypes
from typing import cast

import llama_cpp as native  # noqa: TID251  (only the child process imports this module)
import msgspec
import numpy as np
import numpy.typing as npt

from promptlab.models.gguf.grammar import check_depth, choices_grammar
from promptlab.models.gguf.log import Log
from promptlab.models.gguf.model import Refused
from promptlab.models.gguf.schema import schema_grammar
from promptlab.models.gguf.vocabulary import Vocabulary
from promptlab.models.values import Constraint, Request
from promptlab.workspace.values import Params

_PENALTY_WINDOW = 64
_KEPT_GRAMMARS = 32
_CANDIDATE = np.dtype([("id", np.int32), ("logit", np.float32), ("p", np.float32)])  # llama_token_data


class Sampler:
    """Chooses the tokens of one answer. The same numbers and the same seed give the same tokens.

    Args:
        vocabulary: The model's.
        chain: What chooses among all tokens; None for the most probable one.
        grammar: What the answer is held to, or None.
    """

    def __init__(
        self, vocabulary: Vocabulary, chain: native.llama_sampler_p | None, grammar: native.llama_sampler_p | None
    ) -> None:
        self._vocabulary = vocabulary
        self._chain = chain
        self._grammar = grammar

    def close(self) -> None:
        """Let go of the native memory."""
        for part in (self._chain, self._grammar):
            if part is not None:
                native.llama_sampler_free(part)

    def pick(self, logits: npt.NDArray[np.float32], top: int) -> int:
        """The next token, and take note of it.

        With a grammar, the token that would be chosen without it is tried first: most are allowed, and looking at a
        single one costs a hundredth of looking at all.

        Args:
            logits: One number a token of the vocabulary.
            top: Index of the largest of them.
        """
        token = top if self._chain is None else self._choose(self._chain, _candidates(logits))
        if self._grammar is not None:
            if not self._allows(token):
                token = self._pick_allowed(logits)
            native.llama_sampler_accept(self._grammar, token)
        if self._chain is not None:
            native.llama_sampler_accept(self._chain, token)
        return token

    def _allows(self, token: int) -> bool:
        assert self._grammar is not None
        one = np.array([(token, 0.0, 0.0)], _CANDIDATE)
        _apply(self._grammar, one)
        return bool(one["logit"][0] == 0.0)

    def _pick_allowed(self, logits: npt.NDArray[np.float32]) -> int:
        assert self._grammar is not None
        candidates = _candidates(logits)
        _apply(self._grammar, candidates)
        if self._chain is None:
            return int(candidates["logit"].argmax())
        return self._choose(self._chain, candidates)

    def _choose(self, chain: native.llama_sampler_p, candidates: npt.NDArray[np.void]) -> int:
        array = _apply(chain, candidates)
        return int(array.data[array.selected].id)


class Samplers:
    """Makes the sampler of a request.

    Args:
        vocabulary: The model's.
        log: Where the native parser says what is wrong with a grammar.
    """

    def __init__(self, vocabulary: Vocabulary, log: Log) -> None:
        self._vocabulary = vocabulary
        self._log = log
        # The requests of a run mostly share a contract: each is parsed once, and copied.
        self._grammars: dict[bytes, native.llama_sampler_p] = {}

    def close(self) -> None:
        """Let go of the native memory."""
        while self._grammars:
            native.llama_sampler_free(self._grammars.popitem()[1])

    def check(self, request: Request) -> None:
        """Make sure that a request's contract can be held.

        Raises:
            Refused: It cannot.
        """
        if request.constraint is not None:
            self._grammar(request.constraint)

    def new(self, request: Request) -> Sampler:
        """The sampler of a request; ``None`` in its parameters means llama.cpp's own default.

        Raises:
            Refused: The contract cannot be held.
        """
        grammar = native.llama_sampler_clone(self._grammar(request.constraint)) if request.constraint else None
        return Sampler(self._vocabulary, self._new_chain(request.params, request.seed), grammar)

    def _new_chain(self, params: Params, seed: int) -> native.llama_sampler_p | None:
        parts: list[native.llama_sampler_p] = []
        penalties = (params.repeat_penalty, params.frequency_penalty, params.presence_penalty)
        if penalties != (None, None, None):
            repeat = 1.0 if params.repeat_penalty is None else params.repeat_penalty
            frequency, presence = params.frequency_penalty or 0.0, params.presence_penalty or 0.0
            parts.append(
                native.llama_sampler_init_penalties(
                    self._vocabulary.size, _PENALTY_WINDOW, repeat, frequency, presence
                )
            )
        if params.temperature <= 0:
            if not parts:
                return None
            parts.append(native.llama_sampler_init_greedy())
        else:
            parts += [
                native.llama_sampler_init_top_k(40 if params.top_k is None else params.top_k),
                native.llama_sampler_init_top_p(0.95 if params.top_p is None else params.top_p, 1),
                native.llama_sampler_init_min_p(0.05 if params.min_p is None else params.min_p, 1),
                native.llama_sampler_init_temp(params.temperature),
                # The largest seed means "a random one" there.
                native.llama_sampler_init_dist(seed % native.LLAMA_DEFAULT_SEED),
            ]
        chain = native.llama_sampler_chain_init(native.llama_sampler_chain_default_params())
        for part in parts:
            native.llama_sampler_chain_add(chain, part)
        return chain

    def _grammar(self, constraint: Constraint) -> native.llama_sampler_p:
        """The grammar of a contract, to be copied."""
        key = msgspec.msgpack.encode(constraint)
        if key not in self._grammars:
            if len(self._grammars) == _KEPT_GRAMMARS:
                self.close()
            self._grammars[key] = self._parse(constraint)
        return self._grammars[key]

    def _parse(self, constraint: Constraint) -> native.llama_sampler_p:
        self._log.reason()  # what was said before is not about this grammar
        try:
            if constraint.choices is not None:
                grammar = choices_grammar(constraint.choices)
            else:
                grammar = schema_grammar(constraint.json_schema)
            check_depth(grammar)
            sampler = native.llama_sampler_init_grammar(self._vocabulary.native, grammar.encode(), b"root")
            if not sampler:  # a null pointer
                raise ValueError(self._log.reason())
        except (
            Exception
        ) as fault:  # the converter raises what it likes: ValueError, KeyError, AssertionError, Exception
            reason = str(fault).rstrip(".")
            raise Refused(
                "rejected", f"The local engine cannot hold the answer to this contract: {reason}."
            ) from None
        return sampler


def _candidates(logits: npt.NDArray[np.float32]) -> npt.NDArray[np.void]:
    candidates = np.zeros(len(logits), _CANDIDATE)
    candidates["id"] = np.arange(len(logits))
    candidates["logit"] = logits
    return candidates


def _apply(sampler: native.llama_sampler_p, candidates: npt.NDArray[np.void]) -> native.llama_token_data_array:
    """The candidates after the sampler: changed in place, and in the order that it left."""
    data = ctypes.cast(candidates.ctypes.data, native.llama_token_data_p)
    array = native.llama_token_data_array(data, len(candidates), -1, False)
    native.llama_sampler_apply(
        sampler, cast("native.CtypesArray[native.llama_token_data_array]", ctypes.byref(array))
    )
    return array
