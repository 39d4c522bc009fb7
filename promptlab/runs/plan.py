"""From columns, examples and trials to cells: what a run will ask, decided before the first call.

A cell key is a hash of all that can change the answer, so the same key may be answered from the cache or the
journal, and a changed prompt, model or parameter never is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from hashlib import sha256

import msgspec
from msgspec import Struct

from promptlab.errors import UsageFault
from promptlab.models.values import Capabilities, Constraint
from promptlab.runs.asks import Asks, encoded, seed_of
from promptlab.runs.cells import Cells, ColumnCells
from promptlab.runs.values import Cell, Plan, Variant
from promptlab.workspace.faults import TemplateFault
from promptlab.workspace.packed import PackedExamples, by_id, held, ids_of
from promptlab.workspace.templates import render
from promptlab.workspace.values import Decision, EvalSet, Example, Message, MetricSpec, Params, Prompt

_KEY_FORMAT = "promptlab cell 2"
"""Part of every key: raised when the same key fields would be sent to a model differently."""


class ColumnSpec(Struct, frozen=True):
    """One column as it was resolved: a version of a prompt on a model, with ``--set`` overrides applied.

    Attributes:
        subject: As the person asked for it: ``triage``, ``triage@v3``.
        version: ``v3``, or ``*`` for a working copy that is no committed version.
        model: The model's name in ``promptlab.toml``.
        identity: The model's identity.
    """

    subject: str
    prompt: Prompt
    version: str
    model: str
    identity: str
    params: Params
    capabilities: Capabilities = Capabilities()


class _Filled(Struct, frozen=True):
    """What goes into the key of a prompt that was filled with one example; and why it could not be, or ""."""

    encoded: bytes
    problem: str = ""


def make_plan(
    evalset: EvalSet,
    examples: Sequence[Example],
    columns: Sequence[ColumnSpec],
    *,
    trials: int | None = None,
    baseline: str = "",
    metrics: Sequence[MetricSpec] | None = None,
    decision: Decision | None = None,
    sources: Mapping[str, bytes] | None = None,
) -> Plan:
    """Lay out every cell of a run.

    An example that a prompt cannot be filled with gives cells without a request: the run goes on without them.

    Args:
        evalset: The eval set that the examples are from.
        examples: Those to run, usually all of ``evalset.examples`` or what ``choose_examples`` left.
        columns: In the order of their letters.
        trials: Samples per example; the decision's when None.
        baseline: A subject as asked, or a column's letter; the first column when "".
        metrics: Those of the eval set when None.
        decision: That of the eval set when None.
        sources: Path relative to the workspace root to bytes of every input file.

    Raises:
        UsageFault: Nothing to run, two equal columns, an unknown baseline, text that cannot be sent.
    """
    decision = decision or evalset.decision
    trials = decision.trials if trials is None else trials
    metrics = tuple(evalset.metrics if metrics is None else metrics)
    examples = held(examples)
    _check(evalset, examples, columns, trials)
    variants = tuple(_variant(_letter(index), column) for index, column in enumerate(columns))
    cells = _cells(examples, columns, variants, trials)
    base = _baseline(baseline, variants)
    return Plan(
        subject=_subject(columns, evalset),
        digest=_digest(cells, variants, (evalset.name, evalset.content, metrics, decision, trials, base)),
        evalset=evalset.name,
        evalset_content=evalset.content,
        examples=examples,
        variants=variants,
        baseline=base,
        trials=trials,
        metrics=metrics,
        decision=decision,
        cells=cells,
        sources=dict(sources or {}),
        chains={v.column: c.prompt for c, v in zip(columns, variants, strict=True) if c.prompt.steps},
    )


def cell_key(
    identity: str,
    messages: Sequence[Message],
    params: Params,
    constraint: Constraint | None,
    trial: int = 0,
    *,
    logprobs: int | None = None,
    choice_probabilities: bool = False,
) -> str:
    """The key of one cell: SHA-256 in hex over everything that can change the answer.

    What ``Request`` can ask for beside the text is part of it only when it is asked for.
    """
    asked = {"logprobs": logprobs, "choice_probabilities": choice_probabilities or None}
    beside = {name: value for name, value in asked.items() if value is not None}
    column = _column_part(identity, params, constraint) + (encoded(beside) if beside else b"")
    return _key(column, encoded(tuple(messages)), params.seed, trial).hex()


def cell_seed(messages: Sequence[Message], seed: int, trial: int = 0) -> int:
    """The seed of one cell, below 2³¹: its own for every text and trial.

    With one seed for all examples their first tokens would be drawn with the same random number: a hundred examples
    would be right or wrong together, and every interval would be far too narrow.
    """
    return seed_of(encoded(tuple(messages)), seed, trial)


def constraint_for(prompt: Prompt, capabilities: Capabilities) -> Constraint | None:
    """What decoding is held to: the prompt's output contract, when it is to be enforced and the model can."""
    output = prompt.output
    if output is None or not output.enforce:
        return None
    if output.choices is not None and capabilities.choices:
        return Constraint(choices=output.choices)
    if output.json_schema is not None and capabilities.json_schema:
        return Constraint(json_schema=output.json_schema, rules=capabilities.schema_rules)
    return None


# A key is hashed over three parts, so that what a column or an example has in common is encoded once. Each part
# ends in a line feed, which JSON text never holds unescaped: no two different cells hash the same bytes.


def _column_part(identity: str, params: Params, constraint: Constraint | None) -> bytes:
    # Defaults are written out: a default that changes in a later promptlab must not keep its old answers.
    # A schema keeps its order: it is the order in which a model has to write the properties.
    fields = msgspec.structs.asdict(params)
    given = {name: value for name, value in fields.items() if name != "seed" and value is not None}
    return encoded((_KEY_FORMAT, identity, given, constraint))


def _key(column: bytes, messages: bytes, seed: int, trial: int) -> bytes:
    return sha256(b"%b%b[%d,%d]\n" % (column, messages, seed + trial, trial)).digest()


def _check(evalset: EvalSet, examples: Sequence[Example], columns: Sequence[ColumnSpec], trials: int) -> None:
    if not columns:
        raise UsageFault("There is nothing to run: name at least one prompt and one model.")
    if not examples:
        raise UsageFault(f"There is nothing to run: no examples are left of eval set {evalset.name}.")
    if trials < 1:
        raise UsageFault(f"The number of trials must be at least 1, not {trials}.")
    for example in examples if not isinstance(examples, PackedExamples) else ():
        try:
            msgspec.json.encode(example)
        except UnicodeEncodeError:
            raise UsageFault(
                f"{evalset.source}: example {example.id!a} holds half of a surrogate pair (\\ud800 to \\udfff), "
                "which is no text that can be sent or stored. Replace that character."
            ) from None
    seen: dict[tuple[str, str, Params], ColumnSpec] = {}
    for column in columns:
        twin = seen.setdefault((column.prompt.content, column.identity, column.params), column)
        if twin is not column:
            raise UsageFault(
                f"Two columns are the same: {twin.subject} on {twin.model} and {column.subject} on {column.model} "
                "have the same prompt, model and parameters. Leave one of them out."
            )


def _letter(index: int) -> str:
    """a, b … z, aa, ab …, counted from 0."""
    rest, last = divmod(index, 26)
    return (_letter(rest - 1) if rest else "") + chr(ord("a") + last)


def _variant(letter: str, column: ColumnSpec) -> Variant:
    return Variant(
        column=letter,
        subject=column.subject,
        prompt=column.prompt.name,
        version=column.version,
        content=column.prompt.content,
        model=column.model,
        identity=column.identity,
        params=column.params,
    )


def _cells(
    examples: Sequence[Example], columns: Sequence[ColumnSpec], variants: Sequence[Variant], trials: int
) -> Cells:
    """Model by model, so that one at a time is resident; then version by version, which share a prompt prefix."""
    models = {column.model: place for place, column in reversed(list(enumerate(columns)))}
    pairs = sorted(zip(columns, variants, strict=True), key=lambda pair: models[pair[0].model])
    of_content: dict[str, list[_Column]] = {}
    named = by_id(examples)
    made = [_Column(column, variant.column, named) for column, variant in pairs]
    for column in made:
        of_content.setdefault(column.prompt.content, []).append(column)
    for alike in of_content.values():
        for example in examples:
            filled = _fill(alike[0].prompt, example)
            for column in alike:
                column.add(filled, trials)
    return Cells([column.cells for column in made], ids_of(examples), trials)


def _fill(prompt: Prompt, example: Example) -> _Filled:
    try:
        messages = render(prompt, example.vars).messages
    except TemplateFault as fault:
        return _Filled(encoded((prompt.content, example.id, str(fault))), str(fault))
    if prompt.steps:
        # What it will ask depends on the answers on the way: its cell is known by where it begins.
        return _Filled(encoded((prompt.content, example.id, [example.vars[name] for name in prompt.inputs])))
    return _Filled(encoded(messages))


class _Column:
    """A column whose cells are being laid out, one example after the other. No text of theirs is kept."""

    def __init__(self, spec: ColumnSpec, letter: str, examples: Mapping[str, Example]) -> None:
        constraint = constraint_for(spec.prompt, spec.capabilities)
        asks = None if spec.prompt.steps else Asks(spec.prompt, spec.params, constraint, examples)
        self.prompt = spec.prompt
        self.cells = ColumnCells(letter, asks)
        self._seed = spec.params.seed
        self._part = _column_part(spec.identity, spec.params, constraint)

    def add(self, filled: _Filled, trials: int) -> None:
        """The cells of the next example."""
        for trial in range(trials):
            self.cells.add(_key(self._part, filled.encoded, self._seed, trial), filled.problem)


def _baseline(asked: str, variants: Sequence[Variant]) -> str:
    """The letter of the baseline: the first column of that subject, or of that letter."""
    if not asked:
        return variants[0].column
    for variant in variants:
        if asked in (variant.subject, variant.label):
            return variant.column
    for variant in variants:
        if asked == variant.column:
            return variant.column
    known = ", ".join(dict.fromkeys(variant.subject for variant in variants))
    raise UsageFault(f"The baseline {asked} is no column of this run. Choose one of: {known}.")


def _subject(columns: Sequence[ColumnSpec], evalset: EvalSet) -> str:
    """What the run is filed under, safe as part of a git reference."""
    prompts = {column.prompt.name for column in columns}
    name = prompts.pop() if len(prompts) == 1 else evalset.name
    parts = (re.sub(r"[^a-z0-9]+", "-", part).strip("-") for part in name.lower().split("/"))
    return "/".join(part for part in parts if part) or "run"


def _digest(cells: Sequence[Cell], variants: Sequence[Variant], rest: tuple[object, ...]) -> str:
    # The contents of the prompts, and not only what they render to: their output contracts are scored.
    columns = [(variant.prompt, variant.content, variant.model) for variant in variants]
    digest = sha256(encoded((_KEY_FORMAT, columns, *rest)))
    for cell in cells:
        digest.update(encoded((cell.column, cell.example, cell.trial, cell.key)))
    return digest.hexdigest()
