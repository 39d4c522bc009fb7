"""Messages → the text that a model was trained to see, so that no control token of it comes from a person's text."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from itertools import pairwise

import jinja2
import jinja2.ext
import jinja2.nodes
import jinja2.parser
from jinja2.sandbox import ImmutableSandboxedEnvironment

from promptlab.workspace.values import Message

CONTINUE = "{% for message in messages %}{{ message.content }}{{ '' if loop.last else '\\n\\n' }}{% endfor %}"
"""Template of a model that brings none: a base model, which continues the text."""

_TODAY = datetime(2025, 1, 1, tzinfo=UTC)
"""Templates that print the date are given this one: the same request must give the same prompt on any day."""

# Noncharacters: Unicode keeps them for use inside a program, so they mean nothing in a text.
_CUTS = [chr(code) for code in range(0xFDD0, 0xFDF0)]


class TemplateRefusal(Exception):
    """The chat template cannot render the messages. Its text says why."""


class ChatTemplate:
    """A model's own chat template.

    Args:
        source: The Jinja template of the GGUF file.
        bos: Text of the token that begins a text, or "".
        eos: Text of the token that ends a text, or "".
        markers: Texts of control tokens, as ``marker_texts`` gives them.

    Raises:
        TemplateRefusal: The template is not valid Jinja.
    """

    def __init__(self, source: str, bos: str, eos: str, markers: Iterable[str]) -> None:
        environment = ImmutableSandboxedEnvironment(
            loader=jinja2.BaseLoader(),
            trim_blocks=True,
            lstrip_blocks=True,
            extensions=[_GenerationTag, jinja2.ext.loopcontrols],
        )
        environment.filters["tojson"] = _tojson
        try:
            self._template = environment.from_string(source)
        except jinja2.TemplateError as fault:
            raise TemplateRefusal(f"the chat template is not valid: {_words(fault)}") from None
        self._source = source
        self._names = {
            "bos_token": bos,
            "eos_token": eos,
            "add_generation_prompt": True,
            "raise_exception": _refuse,
            "strftime_now": _TODAY.strftime,
            "tools": None,
            "documents": None,
        }
        longest_first = sorted((text for text in markers if len(text) > 1), key=len, reverse=True)
        # A lookahead finds markers that overlap, too: each of them must be cut.
        self._marker = re.compile("(?=" + "|".join(map(re.escape, longest_first)) + ")") if longest_first else None

    def pieces(self, messages: Sequence[Message]) -> list[str]:
        """The prompt, to be tokenised piece by piece with control tokens recognised.

        A control token's text inside a message is cut after its first character, so that no piece holds it whole and
        it reaches the model as plain text. Without such text there is one piece.

        Raises:
            TemplateRefusal: The template refuses these messages, or fails on them.
        """
        contents = [message.content for message in messages]
        cut = next((char for char in _CUTS if not any(char in text for text in (*contents, self._source))), None)
        if cut is None:
            raise TemplateRefusal("the messages hold every noncharacter from U+FDD0 to U+FDEF")
        safe = [{"role": message.role, "content": self._cut_markers(message.content, cut)} for message in messages]
        try:
            return self._template.render(messages=safe, **self._names).split(cut)
        except jinja2.TemplateError as fault:
            raise TemplateRefusal(_words(fault)) from None
        except (ArithmeticError, LookupError, TypeError, ValueError, RecursionError) as fault:
            raise TemplateRefusal(f"{type(fault).__name__}: {fault}") from None

    def _cut_markers(self, text: str, cut: str) -> str:
        if self._marker is None:
            return text
        starts = [found.start() + 1 for found in self._marker.finditer(text)]
        edges = [0, *starts, len(text)]
        return cut.join(text[begin:end] for begin, end in pairwise(edges))


def _words(fault: Exception) -> str:
    return str(fault).rstrip(".")


def _refuse(message: str) -> None:
    raise jinja2.TemplateError(message)


def _tojson(value: object, ensure_ascii: bool = False, indent: int | None = None) -> str:
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent)


class _GenerationTag(jinja2.ext.Extension):
    """``{% generation %}`` marks what a trainer learns from; for a prompt it means nothing."""

    tags = {"generation"}  # noqa: RUF012  (Jinja declares it so)

    def parse(self, parser: jinja2.parser.Parser) -> list[jinja2.nodes.Node]:
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)
