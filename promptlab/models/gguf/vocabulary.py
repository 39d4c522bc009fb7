"""Tokens and their texts."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import cast

import llama_cpp as native  # noqa: TID251  (only the child process imports this module)


class Vocabulary:
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

    def tokens(self, text: str, control: bool = True) -> Sequence[int]:
        """Token ids of a text, nothing added in front or behind. ``control`` tokens are recognised, or plain text."""
        return self._tokens(text, False, control)

    def whole(self, text: str) -> Sequence[int]:
        """Token ids of a plain text by itself, with what the model wants in front and behind."""
        return self._tokens(text, True, False)

    def _tokens(self, text: str, ends: bool, control: bool) -> Sequence[int]:
        data = text.encode()
        room = len(data) + 8
        array = (native.llama_token * room)()
        count = native.llama_tokenize(self.native, data, len(data), array, room, ends, control)
        if count < 0:
            array = (native.llama_token * -count)()
            count = native.llama_tokenize(self.native, data, len(data), array, -count, ends, control)
        return array[:count]

    def spell(self, text: str) -> Sequence[int]:
        """The tokens with which an answer begins that begins with this text.

        Raises:
            ValueError: No tokens make up exactly this text.
        """
        # Some tokenizers put a space before the first word of a text: not behind the first line of one.
        line = self.tokens("\n", control=False)
        behind = self.tokens("\n" + text, control=False)
        for found in (self.tokens(text, control=False), behind[len(line) :]):
            if found and b"".join(map(self.piece, found)) == text.encode():
                return found
        raise ValueError(f"the model has no tokens that make up exactly “{text}”")

    def ends(self, token: int) -> bool:
        """Whether a token ends an answer."""
        return native.llama_vocab_is_eog(self.native, token)

    def piece(self, token: int) -> bytes:
        """The bytes that a token adds to an answer: none for a control token."""
        length = native.llama_token_to_piece(self.native, token, self._piece, len(self._piece), 0, False)
        if length < 0:
            self._piece = ctypes.create_string_buffer(-length)
            length = native.llama_token_to_piece(self.native, token, self._piece, -length, 0, False)
        return self._piece.raw[:length]
