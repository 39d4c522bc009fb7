"""A GGUF file as the native engine knows it: weights, vocabulary and chat template, without memory of any prompt."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import cast

import llama_cpp as native  # noqa: TID251  (only the child process imports this module)
import numpy as np

from promptlab.models.gguf.chat import CONTINUE, ChatTemplate, TemplateRefusal
from promptlab.models.gguf.log import the_log
from promptlab.models.gguf.machine import DEFAULT_CONTEXT
from promptlab.models.gguf.prefixes import Tokens
from promptlab.models.gguf.vocabulary import Vocabulary
from promptlab.models.values import Fault, FaultKind
from promptlab.workspace.values import Message, Params

_CELL_BYTES = 2  # of one number of the memory: f16


class CannotLoad(Exception):
    """Why the model cannot be used: the part of a sentence that follows the file's path."""


class Refused(Exception):
    """Why this request has no answer."""

    def __init__(self, kind: FaultKind, message: str) -> None:
        self.fault = Fault(kind, message)
        super().__init__(message)


class GgufFile:
    """A loaded file.

    Args:
        path: The GGUF file.
        context: Tokens of prompt and answer together; None for what the model was trained on, at most 4096.
        plain: Keep to the kernels of the plain instruction set: no rearranged weights, no matrix unit (AMX).

    Attributes:
        native: The native model.
        context: The same, as it is now.
        trained: The most that it can be.
        vocabulary: Its tokens.
        log: What the native code says, of this model and of all that is done with it.
        writes: Whether it generates text: a model whose tokens look at those behind them can only embed.
        can_share: Whether a sequence can begin with a part of another: not where memory is a running state.
        token_bytes: Memory that one token takes in a context.

    Raises:
        CannotLoad: The file is damaged, of an unknown architecture, or no text generator.
    """

    def __init__(self, path: bytes, context: int | None, plain: bool = False) -> None:
        self.log = the_log()
        native.llama_backend_init()
        params = native.llama_model_default_params()
        params.use_extra_bufts = not plain
        model = native.llama_model_load_from_file(path, params)
        if model is None:
            raise CannotLoad(
                f"cannot be loaded: {self.log.reason()}. "
                "Download or copy the file again, or update llama-cpp-python if the model is newer than that."
            )
        self.native = model
        self.writes = self._metadata("attention.causal") != "false"
        if native.llama_model_has_encoder(model) or not native.llama_model_has_decoder(model):
            raise CannotLoad("this model does not generate text on its own. Choose a chat model.")
        self.vocabulary = Vocabulary(model)
        self._template = self._chat_template()
        self.trained = native.llama_model_n_ctx_train(model)
        self.context = context or min(self.trained, DEFAULT_CONTEXT)
        if self.context > self.trained:
            raise CannotLoad(
                f"a context of {self.context} tokens is asked for, and the model was trained on {self.trained}. "
                "Give the model a smaller `context` in promptlab.toml."
            )
        self.can_share = not (native.llama_model_is_recurrent(model) or native.llama_model_is_hybrid(model))
        heads = max(1, native.llama_model_n_head(model))
        # The first layer of a hybrid model may have no attention, and so no such heads: then all are reckoned with.
        kept = native.llama_model_n_head_kv(model) or heads
        width = native.llama_model_n_embd(model) * kept // heads
        self.token_bytes = max(1, 2 * native.llama_model_n_layer(model) * width * _CELL_BYTES)

    def close(self) -> None:
        """Let go of the native memory."""
        native.llama_model_free(self.native)

    def tokens(self, messages: Sequence[Message]) -> Tokens:
        """The prompt as the model sees it.

        Raises:
            Refused: The chat template cannot render the messages, nothing is left of them, or it only embeds.
        """
        if not self.writes:
            raise Refused("unavailable", "This model gives embeddings and generates no text. Choose a chat model.")
        try:
            pieces = self._template.pieces(messages)
        except TemplateRefusal as refusal:
            raise Refused("template", f"The model's chat template refuses these messages: {refusal}.") from None
        found = [token for piece in pieces for token in self.vocabulary.tokens(piece)]
        if self.vocabulary.begins and found[:1] != [self.vocabulary.bos]:
            found.insert(0, self.vocabulary.bos)
        if not found:
            raise Refused("rejected", "The prompt is empty, and this model needs at least one token to begin with.")
        return np.array(found, np.int32)

    def budget(self, prompt: int, params: Params) -> int:
        """How many tokens the answer to a prompt of so many tokens may have.

        Raises:
            Refused: The prompt fills the context.
        """
        if prompt >= self.context:
            raise Refused(
                "context",
                f"The prompt has {prompt} tokens, and the context holds {self.context} with room for an answer. "
                + self.make_room("the prompt or the example"),
            )
        return min(params.max_tokens, self.context - prompt)

    def make_room(self, what: str) -> str:
        """What to do about a text that does not fit the context, in a sentence."""
        if self.context < self.trained:
            return f"Shorten {what}, or give the model a larger `context` in promptlab.toml."
        return f"Shorten {what}: the model was trained on no more, so choose another model for long texts."

    def _metadata(self, key: str) -> str:
        """What the file says of the model's architecture under a key, or ""."""
        return self._value(f"{self._value('general.architecture')}.{key}")

    def _value(self, key: str) -> str:
        buffer = ctypes.create_string_buffer(256)
        room = cast("bytes", buffer)  # ctypes takes what its declarations do not say
        found = native.llama_model_meta_val_str(self.native, key.encode(), room, len(buffer))
        return buffer.value.decode("utf-8", "replace") if found >= 0 else ""

    def _chat_template(self) -> ChatTemplate:
        source = native.llama_model_chat_template(self.native, None)
        text = source.decode("utf-8", "replace") if source else CONTINUE
        vocabulary = self.vocabulary
        markers = vocabulary.markers(written_by=text)
        try:
            return ChatTemplate(text, vocabulary.text(vocabulary.bos), vocabulary.text(vocabulary.eos), markers)
        except TemplateRefusal as refusal:
            raise CannotLoad(f"{refusal}. Choose another file of this model.") from None
