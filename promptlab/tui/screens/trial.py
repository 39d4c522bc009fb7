"""A trial: the text in the editor beside its last version, on a few examples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from promptlab.errors import PromptlabError
from promptlab.lab import wording
from promptlab.lab.values import PromptPast, PromptRow, RunRequest
from promptlab.tui.job import Job
from promptlab.tui.screens.run_dialog import RunDialog
from promptlab.tui.widgets.lines import Tone
from promptlab.tui.widgets.textview import Piece
from promptlab.tui.widgets.ticks import Option
from promptlab.workspace.values import EvalSet, Example, Prompt

if TYPE_CHECKING:
    from promptlab.lab import Lab, RunTable
    from promptlab.models.values import ModelInfo
    from promptlab.tui.screens.trying import Ready

EXAMPLES = 5
_VERSIONS = 8
"""Committed versions that the run dialog offers."""
_LONGEST = 600
"""Characters of an output that the trial shows; the whole of it is in Results."""


def no_candidate(prompt: Prompt) -> str:
    """Why this prompt is not run by itself, in a sentence, or ""."""
    if prompt.judge is None:
        return ""
    return f"{prompt.name} is a judge: it grades answers inside a run. Name it in an eval set's [[metrics]]."


def trial_request(
    prompt: Prompt, past: PromptPast | None, evalset: EvalSet, at: int, input: Example | None = None
) -> RunRequest:
    """What a trial runs: the text as it stands and, where it differs from it, the last version; five examples.

    Args:
        prompt: The text in the editor, parsed.
        at: The example in the preview; the trial takes it and those after it, starting over at the end.
        input: What the person typed: the trial takes it and no example.
    """
    inputs = (input,) if input else ()
    examples = () if input else few_examples(evalset, at)
    usable = [version for version in past.versions if not version.error] if past else []
    if not usable or usable[-1].content == prompt.content:
        return RunRequest((prompt.name,), evalset=evalset.name, only=examples, trials=1, inputs=inputs)
    before = f"{prompt.name}@{usable[-1].label}"
    both = (before, prompt.name)
    return RunRequest(both, evalset=evalset.name, baseline=before, only=examples, trials=1, inputs=inputs)


def few_examples(evalset: EvalSet, at: int) -> tuple[str, ...]:
    """Ids of the example at a place and of some after it, starting over at the end."""
    count = len(evalset.examples)
    return tuple(evalset.examples[(at + step) % count].id for step in range(min(EXAMPLES, count)))


def trial_pieces(job: Job) -> list[Piece]:
    """Outputs and scores of a trial, example by example, as far as they have arrived or are written."""
    table = job.table
    pieces: list[Piece] = []
    for variant in table.variants:
        means = table.summary(variant.column).means
        shown = "  ".join(
            f"{metric} {wording.mean(means[metric], table.infos[metric])}"
            for metric in table.infos
            if metric in means
        )
        pieces += [Piece(f"{variant.column} {variant.label}", "head"), Piece(f"  {shown or '…'}\n")]
    if job.reason:
        pieces.append(Piece(f"{job.reason}\n", "bad"))
    for example in table.examples:
        pieces.append(Piece(f"\n{example.id}", "accent"))
        if example.expected is not None:
            pieces.append(Piece(f"  expected {example.expected}", "dim"))
        pieces.append(Piece("\n"))
        for variant in table.variants:
            pieces += _cell(job, variant.column, example.id)
    return pieces


def _cell(job: Job, column: str, example: str) -> Sequence[Piece]:
    table = job.table
    outcome = table.outcome(column, example)
    if outcome is None:
        so_far = _cut(job.texts.get((column, example, 0), ""))
        return [Piece(f"{column}  "), Piece(f"{so_far}…\n" if job.active else "not run\n", "dim")]
    if outcome.fault is not None:
        return [Piece(f"{column} "), Piece(f"! {outcome.fault.message}\n", "bad")]
    return [Piece(f"{column} "), *_mark(table, column, example), Piece(f" {_cut(outcome.text)}\n")]


def _cut(text: str) -> str:
    text = text.strip()
    return text[:_LONGEST] + (" …" if len(text) > _LONGEST else "")


def _mark(table: RunTable, column: str, example: str) -> Sequence[Piece]:
    """✓ or ✗ for a binary primary metric, its number for another."""
    value = table.value(column, example)
    if value is None:
        return [Piece("·", "dim")]
    info = table.infos[table.primary]
    if info.kind == "binary":
        tone: Tone = "good" if value else "bad"
        return [Piece("✓" if value else "✗", tone)]
    return [Piece(wording.number(value, info), "strong")]


def run_dialog(
    ready: Ready,
    models: Sequence[ModelInfo],
    defaults: Sequence[str],
    *,
    until_clear: bool = False,
    only: tuple[str, ...] = (),
    others: Sequence[PromptRow] = (),
) -> RunDialog:
    """The dialog that asks what to run: the text as it stands and its last version, on the default models.

    Args:
        only: The examples to run, once each; all of them where none is named.
        others: Prompts and chains that can be run beside it.
    """
    prompt, evalset = ready.prompt, ready.evalset
    usable = [version for version in ready.past.versions if not version.error] if ready.past else []
    older = [version for version in usable if version.content != prompt.content][-_VERSIONS:]
    same = next((version.label for version in usable if version.content == prompt.content), "")
    subjects = [
        Option(f"{prompt.name}@{version.label}", f"{version.label}  {version.subject}", ticked=version is older[-1])
        for version in older
    ]
    saved = prompt.name not in ready.drafts
    state = f"= {same}" if same else "not committed" if saved else "as it stands in the editor, not saved"
    subjects.append(Option(prompt.name, f"working copy  {state}", ticked=True))
    subjects += [Option(row.name, f"{row.name}  another {row.kind}") for row in others]
    cells = len(only) or len(evalset.examples) * evalset.decision.trials
    lines = model_options(models, defaults)
    title = f"{'Compare' if only else 'Run'} {prompt.name}"
    return RunDialog(title, subjects, lines, evalset.name, cells, until_clear=until_clear, only=only)


def companions(lab: Lab, prompt: Prompt, evalset: EvalSet) -> list[PromptRow]:
    """The other prompts and chains that the examples of an eval set can fill. Reads files: called in a thread."""
    having = evalset.examples[0].vars.keys() if evalset.examples else set[str]()
    found: list[PromptRow] = []
    for row in lab.prompts():
        if row.name == prompt.name or row.kind == "judge" or row.problems:
            continue
        try:
            fits = lab.variables(lab.subject(row.name).prompt) <= having
        except PromptlabError:
            continue  # it cannot be run, and that is said where it is opened
        found += [row] if fits else []
    return found


def model_options(models: Sequence[ModelInfo], defaults: Sequence[str]) -> list[Option]:
    """The models to tick, the default ones ticked as far as they can be used."""
    return [
        Option(model.name, _model_line(model), ticked=model.name in defaults and not model.problem)
        for model in models
    ]


def _model_line(model: ModelInfo) -> str:
    """A model and what to know before using it: why it cannot be used, or where the data goes and the price."""
    if model.problem:
        return f"{model.name}  ! {model.problem}"
    if model.kind == "gguf":
        return f"{model.name}  a file on this machine"
    return f"{model.name}  {model.price or 'no price known'}; data goes to {model.data_goes}"
