"""One GGUF model, one request at a time: the native engine as a pure function from request to outcome.

Lives in the child process only. State is cleared before each request, so an outcome depends on nothing but its
request (and on the file, the build, the processor and the number of threads).
"""

from __future__ import annotations

import ctypes
import json
import re
import sys
import time
from collections.abc import Iterator, Sequence
from typing import cast

import llama_cpp as native  # noqa: TID251  (only the child process imports this module)
from llama_cpp.llama_grammar import json_schema_to_gbnf  # noqa: TID251

from promptlab.models.gguf.chat import CONTINUE, ChatTemplate, TemplateRefusal
from promptlab.models.gguf.grammar import check_depth, choices_grammar
from promptlab.models.values import Constraint, Fault, FaultKind, Outcome, Request, Usage
from promptlab.workspace.values import Message, Params

DEFAULT_CONTEXT = 4096
"""Most tokens of context when nobody asked for more: memory grows with it."""

_BATCH = 512
_PENALTY_WINDOW = 64
_WARNING = 3  # ggml_log_level
_ERROR = 4


class CannotLoad(Exception):
    """Why the model cannot be used: the part of a sentence that follows the file's path."""


class Refused(Exception):
    """Why this request has no answer."""

    def __init__(self, kind: FaultKind, message: str) -> None:
        self.fault = Fault(kind, message)
        super().__init__(message)


class Engine:
    """A loaded model.

    Args:
        path: The GGUF file.
        context: Tokens of prompt and answer together; None for what the model was trained on, at most 4096.
        threads: Threads that compute.
        plain: Keep to the kernels of the plain instruction set: no rearranged weights, no matrix unit (AMX).

    Attributes:
        context: The same, as it is now.

    Raises:
        CannotLoad: The file is damaged, of an unknown architecture, no text generator, or memory does not suffice.
    """

    def __init__(self, path: bytes, context: int | None, threads: int, plain: bool = False) -> None:
        self._log = _Log()
        native.llama_backend_init()
        params = native.llama_model_default_params()
        params.use_extra_bufts = not plain
        model = native.llama_model_load_from_file(path, params)
        if model is None:
            raise CannotLoad(
                f"cannot be loaded: {self._log.reason()}. "
                "Download or copy the file again, or update llama-cpp-python if the model is newer than that."
            )
        self._model = model
        if native.llama_model_has_encoder(model) or not native.llama_model_has_decoder(model):
            raise CannotLoad("this model does not generate text on its own. Choose a chat model.")
        self._vocab = _Vocabulary(model)
        self._template = self._chat_template()
        trained = native.llama_model_n_ctx_train(model)
        wanted = context or min(trained, DEFAULT_CONTEXT)
        if wanted > trained:
            raise CannotLoad(
                f"a context of {wanted} tokens is asked for, and the model was trained on {trained}. "
                "Give the model a smaller `context` in promptlab.toml."
            )
        self._context = self._new_context(wanted, threads)
        self.context = min(wanted, native.llama_n_ctx(self._context))
        self._batch = native.llama_n_batch(self._context)
        self._build = f"llama-cpp-python {native.__version__}"

    def close(self) -> None:
        """Let go of the native memory. The engine must not be used again."""
        native.llama_free(self._context)
        native.llama_model_free(self._model)

    def answer(self, request: Request) -> Outcome:
        """The outcome of one request; what is wrong with the request is a fault of the outcome."""
        begin = time.perf_counter()
        try:
            prompt = self.tokens(request.messages)
            budget = self._budget(len(prompt), request.params)
            sampler = self._new_sampler(request)
        except Refused as refused:
            return Outcome(key=request.key, finish="error", fault=refused.fault)
        try:
            answer = _Answer(request.params.stop)
            for token in self._generate(prompt, sampler, budget):
                answer.add(self._vocab.piece(token))
                if answer.stopped:
                    break
            else:
                answer.stopped = answer.tokens < budget
        finally:
            native.llama_sampler_free(sampler)
        return Outcome(
            key=request.key,
            text=answer.text(),
            finish="stop" if answer.stopped else "length",
            usage=Usage(prompt=len(prompt), completion=answer.tokens),
            latency=time.perf_counter() - begin,
            fingerprint=self._build,
        )

    def tokens(self, messages: Sequence[Message]) -> list[int]:
        """The prompt as the model sees it.

        Raises:
            Refused: The chat template cannot render the messages, or nothing is left of them.
        """
        try:
            pieces = self._template.pieces(messages)
        except TemplateRefusal as refusal:
            raise Refused("template", f"The model's chat template refuses these messages: {refusal}.") from None
        found = [token for piece in pieces for token in self._vocab.tokens(piece)]
        if self._vocab.begins and found[:1] != [self._vocab.bos]:
            found.insert(0, self._vocab.bos)
        if not found:
            raise Refused("rejected", "The prompt is empty, and this model needs at least one token to begin with.")
        return found

    def _chat_template(self) -> ChatTemplate:
        source = native.llama_model_chat_template(self._model, None)
        text = source.decode("utf-8", "replace") if source else CONTINUE
        markers = self._vocab.markers(written_by=text)
        try:
            return ChatTemplate(text, self._vocab.text(self._vocab.bos), self._vocab.text(self._vocab.eos), markers)
        except TemplateRefusal as refusal:
            raise CannotLoad(f"{refusal}. Choose another file of this model.") from None

    def _new_context(self, wanted: int, threads: int) -> native.llama_context_p:
        params = native.llama_context_default_params()
        params.n_ctx = wanted
        params.n_batch = params.n_ubatch = _BATCH
        params.n_seq_max = 1
        params.n_threads = params.n_threads_batch = threads
        params.no_perf = True
        context = native.llama_init_from_model(self._model, params)
        if context is None:
            raise CannotLoad(
                f"a context of {wanted} tokens cannot be set up: {self._log.reason()}. "
                "Give the model a smaller `context` in promptlab.toml."
            )
        return context

    def _budget(self, prompt: int, params: Params) -> int:
        """How many tokens the answer may have."""
        if prompt >= self.context:
            raise Refused(
                "context",
                f"The prompt has {prompt} tokens, and the context holds {self.context} with room for an answer. "
                "Shorten the prompt or the example, or give the model a larger `context` in promptlab.toml.",
            )
        return min(params.max_tokens, self.context - prompt)

    def _generate(self, prompt: Sequence[int], sampler: native.llama_sampler_p, budget: int) -> Iterator[int]:
        """Tokens of the answer, until the model ends it or the budget is spent."""
        memory = native.llama_get_memory(self._context)
        assert memory is not None
        native.llama_memory_clear(memory, False)
        # More than a batch at once is not an error of the native code, but its end.
        for begin in range(0, len(prompt), self._batch):
            self._decode(prompt[begin : begin + self._batch])
        for spent in range(1, budget + 1):
            token = native.llama_sampler_sample(sampler, self._context, -1)
            if native.llama_vocab_is_eog(self._vocab.native, token):
                return
            yield token
            if spent < budget:
                self._decode([token])

    def _decode(self, tokens: Sequence[int]) -> None:
        array = (native.llama_token * len(tokens))(*tokens)
        code = native.llama_decode(self._context, native.llama_batch_get_one(array, len(tokens)))
        if code != 0:
            raise RuntimeError(f"llama_decode of {len(tokens)} tokens answered {code}")

    def _new_sampler(self, request: Request) -> native.llama_sampler_p:
        """A sampler chain; ``None`` in the parameters means llama.cpp's own default."""
        params = request.params
        parts = [self._new_grammar(request.constraint)] if request.constraint else []
        penalties = (params.repeat_penalty, params.frequency_penalty, params.presence_penalty)
        if penalties != (None, None, None):
            repeat = 1.0 if params.repeat_penalty is None else params.repeat_penalty
            frequency, presence = params.frequency_penalty or 0.0, params.presence_penalty or 0.0
            parts.append(
                native.llama_sampler_init_penalties(self._vocab.size, _PENALTY_WINDOW, repeat, frequency, presence)
            )
        if params.temperature <= 0:
            parts.append(native.llama_sampler_init_greedy())
        else:
            parts += [
                native.llama_sampler_init_top_k(40 if params.top_k is None else params.top_k),
                native.llama_sampler_init_top_p(0.95 if params.top_p is None else params.top_p, 1),
                native.llama_sampler_init_min_p(0.05 if params.min_p is None else params.min_p, 1),
                native.llama_sampler_init_temp(params.temperature),
                # The largest seed means "a random one" there.
                native.llama_sampler_init_dist(request.seed % native.LLAMA_DEFAULT_SEED),
            ]
        chain = native.llama_sampler_chain_init(native.llama_sampler_chain_default_params())
        for part in parts:
            native.llama_sampler_chain_add(chain, part)
        return chain

    def _new_grammar(self, constraint: Constraint) -> native.llama_sampler_p:
        self._log.reason()  # what was said before is not about this grammar
        try:
            if constraint.choices is not None:
                grammar = choices_grammar(constraint.choices)
            else:
                grammar = json_schema_to_gbnf(json.dumps(constraint.json_schema))
            check_depth(grammar)
            sampler = native.llama_sampler_init_grammar(self._vocab.native, grammar.encode(), b"root")
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


class _Answer:
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


class _Vocabulary:
    """Tokens and their texts."""

    def __init__(self, model: native.llama_model_p) -> None:
        self.native = cast("native.llama_vocab_p", native.llama_model_get_vocab(model))
        self.size = native.llama_vocab_n_tokens(self.native)
        # ctypes gives plain integers here, whatever its declarations say.
        self.bos = cast("int", native.llama_vocab_bos(self.native))
        self.eos = cast("int", native.llama_vocab_eos(self.native))
        self.begins = native.llama_vocab_get_add_bos(self.native) and self.bos >= 0
        self._piece = ctypes.create_string_buffer(64)

    def text(self, token: int) -> str:
        """How the vocabulary writes a token, or "" for none (-1)."""
        return native.llama_vocab_get_text(self.native, token).decode("utf-8", "replace") if token >= 0 else ""

    def markers(self, written_by: str) -> list[str]:
        """Texts that the tokenizer turns into control tokens.

        Some files declare the markers of their chat template as user-defined tokens: those count when the template
        writes them; other user-defined tokens are plain words or white space.
        """
        found: list[str] = []
        for token in range(self.size):
            attributes = native.llama_vocab_get_attr(self.native, token)
            if attributes & (native.LLAMA_TOKEN_ATTR_CONTROL | native.LLAMA_TOKEN_ATTR_UNKNOWN):
                found.append(self.text(token))
            elif attributes & native.LLAMA_TOKEN_ATTR_USER_DEFINED:
                text = self.text(token)
                if native.llama_vocab_is_eog(self.native, token) or (text in written_by and text[:1] in "<["):
                    found.append(text)
        return found

    def tokens(self, text: str) -> Sequence[int]:
        """Token ids of a text, control tokens recognised, nothing added in front or behind."""
        data = text.encode()
        room = len(data) + 8
        array = (native.llama_token * room)()
        count = native.llama_tokenize(self.native, data, len(data), array, room, False, True)
        if count < 0:
            array = (native.llama_token * -count)()
            count = native.llama_tokenize(self.native, data, len(data), array, -count, False, True)
        return array[:count]

    def piece(self, token: int) -> bytes:
        """The bytes that a token adds to an answer: none for a control token."""
        length = native.llama_token_to_piece(self.native, token, self._piece, len(self._piece), 0, False)
        if length < 0:
            self._piece = ctypes.create_string_buffer(-length)
            length = native.llama_token_to_piece(self.native, token, self._piece, -length, 0, False)
        return self._piece.raw[:length]


class _Log:
    """What the native code says: warnings and errors to standard error, errors kept to give a reason."""

    def __init__(self) -> None:
        self._errors: list[str] = []
        level_of_line = 0

        def take(level: int, text: bytes, _: object) -> None:
            nonlocal level_of_line
            # A level above "error" continues the line before.
            level_of_line = level if level <= _ERROR else level_of_line
            if level_of_line >= _WARNING:
                line = text.decode("utf-8", "replace")
                sys.stderr.write(line)
                sys.stderr.flush()
                if level_of_line == _ERROR:
                    self._errors.append(line.strip())

        self._callback = native.llama_log_callback(take)  # the native code keeps only a pointer to it
        native.llama_log_set(self._callback, ctypes.c_void_p(0))

    def reason(self) -> str:
        """The first error since the last call (the later ones follow from it), without the native function's name."""
        errors, self._errors = self._errors, []
        return (
            re.sub(r"^(\w+: )?(error loading model: )?", "", errors[0]).rstrip(".") if errors else "no reason given"
        )
