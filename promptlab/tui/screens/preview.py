"""What the prompt in the editor would send: checked, and filled with one example's variables."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from promptlab.errors import InvalidFile, Problem, PromptlabError
from promptlab.lab.previewing import StepPreview, preview_steps, tokens_about
from promptlab.tui.widgets.textview import Piece
from promptlab.workspace.values import EvalSet, Example, Prompt, Rendered

if TYPE_CHECKING:
    from promptlab.lab import Lab, RunTable


class Look(NamedTuple):
    """One look at a text of a prompt file.

    Attributes:
        problems: Why it does not load.
        missing: Variables that the prompt uses and the example lacks.
        unused: Variables of the example that the prompt does not use.
        fault: Why it could not be rendered, though it loads, or "".
        steps: What each step of a chain would send, as far as that is known.
        tokens: Of the rendered messages, about.
    """

    prompt: Prompt | None
    problems: tuple[Problem, ...] = ()
    rendered: Rendered | None = None
    used: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    unused: tuple[str, ...] = ()
    fault: str = ""
    steps: tuple[StepPreview, ...] = ()
    tokens: int = 0

    @property
    def sentence(self) -> str:
        """What is wrong, as one line; "" when nothing is."""
        if self.problems:
            more = f" (and {len(self.problems) - 1} more)" if len(self.problems) > 1 else ""
            return f"{next(iter(self.problems))}{more}"
        if self.missing:
            return f"The example has no variable {_listed(self.missing)}, which the prompt uses."
        return self.fault


def look(lab: Lab, name: str, text: str, example: Example | None, tried: RunTable | None = None) -> Look:
    """Parse the text, and render it with the example's variables. ``tried``: a run that says what its tokens are."""
    try:
        prompt = lab.parse(name, text)
    except InvalidFile as fault:
        return Look(None, problems=fault.problems)
    used = lab.variables(prompt)
    if prompt.judge or example is None:
        return Look(prompt, used=tuple(sorted(used)))
    missing = tuple(sorted(used - example.vars.keys()))
    unused = tuple(key for key in example.vars if key not in used)
    try:
        rendered = None if missing else lab.render(prompt, example.vars)
    except PromptlabError as fault:
        return Look(prompt, used=tuple(sorted(used)), unused=unused, fault=str(fault))
    steps = preview_steps(prompt, example.vars) if rendered else ()
    tokens = tokens_about(rendered.messages, tried) if rendered else 0
    return Look(prompt, (), rendered, tuple(sorted(used)), missing, unused, steps=steps, tokens=tokens)


def best_evalset(evalsets: Sequence[EvalSet], default: str | None, used: frozenset[str]) -> EvalSet | None:
    """The eval set whose examples have most of the variables; the default one among equals."""

    def lacks(evalset: EvalSet) -> tuple[int, bool]:
        first = evalset.examples[0].vars if evalset.examples else {}
        return len(used - first.keys()), evalset.name != default

    return min(evalsets, key=lacks, default=None)


def preview_pieces(seen: Look, evalset: EvalSet | None, at: int, input: Example | None = None) -> list[Piece]:
    """The preview: which example or input, its variables, the messages as a model would get them."""
    if seen.problems:
        pieces = [Piece("This text does not load yet.\n\n", "bad")]
        pieces += [Piece(f"{problem}\n", "warn") for problem in seen.problems]
        return pieces
    if seen.prompt is not None and seen.prompt.judge is not None:
        return _judge_pieces(seen.prompt, seen.used)
    size = f" · about {seen.tokens:,} tokens" if seen.tokens else ""
    if input is not None:
        example, pieces = (
            input,
            [Piece("your own input", "head"), Piece(f"{size}\na adds it to the eval set\n", "dim")],
        )
    elif evalset is not None and evalset.examples:
        example, count = evalset.examples[at], len(evalset.examples)
        pieces = [Piece(f"{evalset.name} · {example.id}", "head"), Piece(f"  {at + 1}/{count}{size}\n", "dim")]
    else:
        return [Piece("There is no example to fill it with: i types an input.", "dim")]
    for key, value in example.vars.items():
        tone = "dim" if key in seen.unused else "accent"
        pieces += [Piece(f"{key}", tone), Piece(f" = {_value(value)}\n", "dim" if tone == "dim" else "")]
    pieces += (
        [Piece(f"{key}", "bad"), Piece(" is used by the prompt and missing here\n", "bad")]
        if (key := _listed(seen.missing))
        else []
    )
    if example.expected is not None:
        pieces += [Piece("expected", "good"), Piece(f" = {_value(example.expected)}\n")]
    if seen.unused:
        pieces.append(Piece(f"not used by the prompt: {_listed(seen.unused)}\n", "dim"))
    if seen.fault:
        pieces.append(Piece(f"\n{seen.fault}\n", "bad"))
    for message in seen.rendered.messages if seen.rendered else ():
        pieces += [Piece(f"\n── {message.role} ──\n", "head"), Piece(f"{message.content}\n")]
    for step in seen.steps:
        pieces += _step_pieces(step)
    return pieces


def _step_pieces(step: StepPreview) -> list[Piece]:
    after = f"  after {_listed(step.needs)}" if step.needs else ""
    pieces = [Piece(f"\n── {step.step} · {step.op} ──", "head"), Piece(f"{after}\n", "dim")]
    for word, text in (("when", step.when), ("for each of", step.foreach), ("", step.rule)):
        if text:
            pieces += [Piece(f"{word} " if word else "", "accent"), Piece(f"{text}\n", "dim")]
    for label, messages in step.asks:
        for message in messages:
            pieces += [Piece(f"{label} {message.role}  ".lstrip(), "accent"), Piece(f"{message.content}\n")]
    return pieces


def _judge_pieces(prompt: Prompt, used: tuple[str, ...]) -> list[Piece]:
    assert prompt.judge is not None
    judge = prompt.judge
    pieces = [Piece("A judge: it is filled with the answer that it grades.\n", "dim")]
    pieces += [Piece("criterion", "accent"), Piece(f" = {judge.criterion or '–'}\n")]
    if judge.scale:
        pieces += [Piece("scale", "accent"), Piece(f" = {judge.scale[0]} to {judge.scale[1]}\n")]
    if judge.choices:
        pieces += [Piece("choices", "accent"), Piece(f" = {_value(judge.choices)}\n")]
    if used:
        pieces += [Piece("variables", "accent"), Piece(f" = {_listed(used)}\n")]
    for message in prompt.messages:
        pieces += [Piece(f"\n── {message.role} ──\n", "head"), Piece(f"{message.content}\n")]
    return pieces


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names)


def _value(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
