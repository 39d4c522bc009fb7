"""What a run's options mean: ``--set``, ``--sample`` and ``--only``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import sha256
from typing import cast

import msgspec
from msgspec import structs

from promptlab.errors import UsageFault
from promptlab.workspace.packed import ids_of
from promptlab.workspace.prompts import PARAMS
from promptlab.workspace.sheet import Expected
from promptlab.workspace.toml import did_you_mean, shown
from promptlab.workspace.values import EvalSet, Example, Params, Prompt, Step


def parse_override(name: str, text: str) -> object:
    """The value of ``--set name=text``, as the parameter takes it.

    ``none`` takes a parameter back to the model's own default. ``stop`` takes one text, or a JSON list of texts.

    Raises:
        UsageFault: No such parameter (the nearest is named), or not a value it takes.
    """
    if name not in PARAMS:
        hint = did_you_mean(name, PARAMS) or f"Known parameters: {', '.join(PARAMS)}."
        raise UsageFault(f"--set {shown(name)}: there is no such parameter. {hint}")
    optional = getattr(Params(), name) is None
    if optional and text.lower() == "none":
        return None
    try:
        return PARAMS[name](_raw(name, text))
    except Expected as expected:
        also = ", or none" if optional else ""
        raise UsageFault(f"--set {name}={shown(text)}: expected {expected.what}{also}.") from None


def apply_overrides(params: Params, overrides: Iterable[tuple[str, str]]) -> Params:
    """The parameters with every ``(name, text)`` of ``--set`` in place; the last one of a name wins.

    Raises:
        UsageFault: As :func:`parse_override`.
    """
    given = {name: parse_override(name, text) for name, text in overrides}
    return msgspec.convert(msgspec.structs.asdict(params) | given, Params)


def override_steps(chain: Prompt, overrides: Sequence[tuple[str, str]]) -> Prompt:
    """A chain with ``--set`` applied to every prompt that its steps ask; judges stay as they are, and so do seeds.

    A seed is the column's: every step adds its own to it.

    Raises:
        UsageFault: As :func:`parse_override`.
    """
    wanted = [(name, text) for name, text in overrides if name != "seed"]

    def changed(step: Step) -> Step:
        fields = {
            field: structs.replace(prompt, params=apply_overrides(prompt.params, wanted))
            for field in ("prompt", "critic", "revise")
            if isinstance(prompt := getattr(step.does, field, None), Prompt)
        }
        return structs.replace(step, does=structs.replace(step.does, **fields))

    return structs.replace(chain, steps=tuple(map(changed, chain.steps))) if wanted else chain


def choose_examples(evalset: EvalSet, sample: int | None = None, only: Sequence[str] = ()) -> Sequence[Example]:
    """The examples that a run asks for, in the order of the eval set.

    Args:
        evalset: Where they are from.
        sample: How many at most, or None for all. Which ones depends on their ids only: a larger sample holds the
            smaller one, and the same command takes the same ones again.
        only: Tags and ids; an example with any of them is kept. Empty keeps all.

    Raises:
        UsageFault: An unknown tag or id (the nearest is named), or a sample of less than one.
    """
    chosen = evalset.examples
    if only:
        known = {name for example in chosen for name in (example.id, *example.tags)}
        for name in only:
            if name not in known:
                hint = did_you_mean(name, sorted(known))
                raise UsageFault(
                    f"--only {shown(name)}: no example of eval set {evalset.name} has this tag or id. {hint}".rstrip()
                )
        wanted = set(only)
        chosen = tuple(example for example in chosen if wanted.intersection((example.id, *example.tags)))
    if sample is None:
        return chosen
    if sample < 1:
        raise UsageFault(f"--sample {sample}: expected a whole number of at least 1.")
    ids = ids_of(chosen)
    by_hash = sorted(range(len(ids)), key=lambda at: _chance(ids[at]))
    return tuple(chosen[at] for at in sorted(by_hash[:sample]))


def by_chance(examples: Iterable[Example], seed: int, grouped: bool) -> list[Example]:
    """The examples in an order that only their ids and the seed decide; with ``grouped`` each group in one piece.

    The same eval set is asked in the same order every time, so that known answers are found again.
    """

    def place(example: Example) -> tuple[bytes, bytes]:
        unit = f"group {example.group}" if grouped and example.group else f"example {example.id}"
        return _chance(f"{seed} {unit}"), _chance(example.id)

    return sorted(examples, key=place)


def _chance(text: str) -> bytes:
    return sha256(text.encode("utf-8", "surrogatepass")).digest()


def _raw(name: str, text: str) -> object:
    """What a shell word stands for: a number or a list where it reads as JSON, else the text itself."""
    try:
        value: object = msgspec.json.decode(text)
    except ValueError:
        value = text
    return [text] if name == "stop" and not isinstance(value, list) else cast("object", value)
