"""How the steps of a chain hang together: what each needs, and what is wrong with that before anything runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from msgspec import structs

from promptlab.workspace.expressions import Mention, mentions, mentions_of_expression
from promptlab.workspace.faults import TemplateFault
from promptlab.workspace.scan import KeyPath
from promptlab.workspace.sheet import Sheet
from promptlab.workspace.templates import render, variables_of
from promptlab.workspace.toml import did_you_mean, shown
from promptlab.workspace.values import (
    Ask,
    BestOf,
    Critique,
    Extract,
    Prompt,
    Retrieve,
    Step,
    Validate,
    Variables,
    Vote,
)

FIELDS: dict[type, tuple[str, ...]] = {
    Ask: ("text", "json"),
    Extract: ("text", "value"),
    Validate: ("text", "json", "valid", "reason"),
    BestOf: ("text", "json", "samples", "score"),
    Vote: ("text", "json", "samples", "agreement"),
    Critique: ("text", "json", "accepted", "rounds", "critique"),
    Retrieve: ("text", "passages"),
}
"""What other steps may ask of a step; of each also ``skipped``, and ``texts`` of one with ``foreach``."""


def wire(sheet: Sheet, steps: Sequence[Step], inputs: Sequence[str]) -> list[Step | None]:
    """The steps with what each needs; what is wrong with them is noted on the sheet.

    Args:
        sheet: Of the chain's file.
        steps: All of them, in the order of the file, with different names.
        inputs: The chain's.
    """
    by_name = {step.name: step for step in steps}
    used: set[str] = set()
    wired: list[Step | None] = []
    for index, step in enumerate(steps):
        needs: set[str] = set()
        for path, mention in _mentioned(step, ("steps", index)):
            used.add(mention.name)
            if mention.name in by_name:
                needs.add(mention.name)
                _check_field(sheet, path, mention, by_name[mention.name])
            elif mention.name not in inputs and not _is_item(step, path, mention):
                hint = did_you_mean(mention.name, [*by_name, *inputs])
                hint = hint or "Add it to the chain's `inputs`, or name a step."
                sheet.problem(path, f"`{shown(mention.name)}` is neither an input of the chain nor a step.", hint)
        _check_source(sheet, step, ("steps", index), by_name)
        _check_inputs(sheet, step, ("steps", index))
        wired.append(structs.replace(step, needs=tuple(name for name in by_name if name in needs)))
    found = [step for step in wired if step]
    _check_circle(sheet, found)
    _check_unused(sheet, found, inputs, used)
    return wired


def _is_item(step: Step, path: KeyPath, mention: Mention) -> bool:
    return bool(step.foreach) and mention.name == "item" and path[-1] not in ("when", "foreach")


def _mentioned(step: Step, path: KeyPath) -> Iterator[tuple[KeyPath, Mention]]:
    """Everything that a step takes from the chain, with the key that it stands at."""
    for key, expression in (("when", step.when), ("foreach", step.foreach)):
        if expression:
            yield from (((*path, key), mention) for mention in mentions_of_expression(expression))
    for name, template in step.inputs.items():
        yield from (((*path, "inputs", name), mention) for mention in mentions(template))
    match step.does:
        case Extract(source=template):
            yield from (((*path, "extract", "from"), mention) for mention in mentions(template))
        case Retrieve(query=template):
            yield from (((*path, "retrieve", "query"), mention) for mention in mentions(template))
        case Validate(step=name, fallback=fallback, reask=reask):
            yield (*path, "validate", "step"), Mention(name, "")
            yield from (((*path, "validate", "fallback"), mention) for mention in mentions(fallback))
            told = (mention for mention in mentions(reask) if mention.name != "reason")
            yield from (((*path, "validate", "reask"), mention) for mention in told)
        case Critique(step=name):
            yield (*path, "critique", "step"), Mention(name, "")
        case _:
            pass


def _check_field(sheet: Sheet, path: KeyPath, mention: Mention, step: Step) -> None:
    fields = (*FIELDS[type(step.does)], "skipped", *(("texts",) if step.foreach else ()))
    if mention.field and mention.field not in fields:
        hint = did_you_mean(mention.field, fields) or f"It has: {', '.join(fields)}."
        sheet.problem(path, f"The step `{step.name}` has no `{shown(mention.field)}`.", hint)
    elif not mention.field and path[-1] != "step":
        hint = f"Write `{step.name}.text`."
        sheet.problem(path, f"`{step.name}` is a step, not a text.", hint)


def _check_source(sheet: Sheet, step: Step, path: KeyPath, steps: Mapping[str, Step]) -> None:
    """What stands behind the ``step`` of an operation, and what ``foreach`` may stand before."""
    if step.foreach and not isinstance(step.does, Ask | Extract):
        sheet.problem((*path, "foreach"), "`foreach` is for `prompt` and `extract`.", "Remove it.")
    if not isinstance(step.does, Validate | Critique):
        return
    other = steps.get(step.does.step)
    here = (*path, "validate" if isinstance(step.does, Validate) else "critique", "step")
    if step.does.step not in steps:
        sheet.problem(here, f"There is no step `{shown(step.does.step)}`.", did_you_mean(step.does.step, steps))
    elif isinstance(step.does, Validate) and step.does.on_fail == "reask" and not _asks_once(other):
        message = f"Only a step with one `prompt` can be asked again, and `{step.does.step}` is none."
        sheet.problem(here, message, "Name such a step, or another `on_fail`.")


def _asks_once(step: Step | None) -> bool:
    return step is not None and isinstance(step.does, Ask) and not step.foreach


def _prompts(step: Step) -> list[tuple[Prompt, frozenset[str]]]:
    """The prompts that a step fills with its inputs, with what else they are given."""
    match step.does:
        case Ask(prompt=prompt) | BestOf(prompt=prompt) | Vote(prompt=prompt):
            return [(prompt, frozenset({"item"} if step.foreach else ()))]
        case Critique(critic=critic, revise=revise):
            return [(critic, frozenset({"answer"})), (revise, frozenset({"answer", "critique"}))]
        case _:
            return []


def _check_inputs(sheet: Sheet, step: Step, path: KeyPath) -> None:
    """Every variable of the step's prompts has an input, and every input a variable."""
    prompts = _prompts(step)
    if any(not prompt.messages for prompt, _ in prompts):
        return  # a reference that is not followed here
    wanted = frozenset[str]().union(*(variables_of(prompt) - given for prompt, given in prompts))
    for name in step.inputs:
        if name not in wanted:
            hint = did_you_mean(name, wanted) or "Remove it."
            sheet.problem((*path, "inputs", name), f"No prompt of this step has a variable `{shown(name)}`.", hint)
    for prompt, given in prompts:
        for name in sorted(_lacking(prompt, {*step.inputs, *given})):
            message = f"The variable `{shown(name)}` of `{shown(prompt.name)}` is missing."
            hint = 'Add it to the step\'s `inputs`, such as `{ ticket = "{{ ticket }}" }`.'
            sheet.problem((*path, "inputs"), message, hint)


def _lacking(prompt: Prompt, given: set[str]) -> set[str]:
    """The variables without which the prompt cannot be filled: one under ``default`` may be absent."""
    variables: Variables = dict.fromkeys(given, "x")
    lacking: set[str] = set()
    while True:
        try:
            render(prompt, variables)
        except TemplateFault as fault:
            if fault.variable and fault.variable not in lacking:
                lacking.add(fault.variable)
                variables[fault.variable] = "x"
                continue
        return lacking


def _check_circle(sheet: Sheet, steps: Sequence[Step]) -> None:
    settled: set[str] = set()
    left = list(steps)
    while ready := [step for step in left if settled.issuperset(step.needs)]:
        settled.update(step.name for step in ready)
        left = [step for step in left if step not in ready]
    if not left:
        return
    by_name = {step.name: step for step in left}
    way = [left[0].name]
    while (after := next(name for name in by_name[way[-1]].needs if name in by_name)) not in way:
        way.append(after)
    circle = [*way[way.index(after) :], after]
    index = next(index for index, step in enumerate(steps) if step.name == after)
    message = f"The steps need each other in a circle: {' → '.join(circle)}."
    sheet.problem(("steps", index), message, "Let one of them do without the other.")


def _check_unused(sheet: Sheet, steps: Sequence[Step], inputs: Sequence[str], used: set[str]) -> None:
    for index, step in enumerate(steps[:-1]):
        if not any(step.name in other.needs for other in steps if other is not step):
            message = f"Nothing uses the output of the step `{step.name}`, and the chain's answer is the last step's."
            sheet.problem(("steps", index, "name"), message, "Use it in another step, or remove it.")
    for index, name in enumerate(inputs):
        if name not in used:
            sheet.problem(("inputs", index), f"No step uses the input `{shown(name)}`.", "Remove it.")
