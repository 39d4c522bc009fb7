"""A trial: the text in the editor beside its last version, on a few examples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

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

LOOP = """r  tries the text on five examples
e  edits it; ctrl+r tries what you see, Esc leaves the text
R  runs all examples beside the last version, and says whether it got better
c  commits it"""
"""What the pane says before the first trial: the way from here to a better prompt."""
EXAMPLES = 5
_VERSIONS = 8
"""Committed versions that the run dialog offers."""
_SHORT = 24
"""Characters of an output that can stand beside others in one line."""
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


class _Answer(NamedTuple):
    """What one column said to one example, as it is shown."""

    column: str
    mark: Piece
    text: str
    tone: Tone = ""


def trial_pieces(job: Job) -> list[Piece]:
    """Outputs and scores of a trial, example by example, as far as they have arrived or are written.

    What decides is said first, what else is measured last: it would push the answers out of sight.
    """
    table = job.table
    columns = [variant.column for variant in table.variants]
    pieces: list[Piece] = []
    for variant in table.variants:
        figures = _means(table, variant.column, [table.primary]) or ("…" if job.active else "no score")
        pieces += [Piece(f"{variant.column} {variant.label}", "head"), Piece(f"  {figures}\n")]
    if job.reason:
        pieces.append(Piece(f"{job.reason}\n", "bad"))
    answers = {each.id: [_answer(job, column, each.id) for column in columns] for each in table.examples}
    expected = {each.id: f"expected {each.expected}" for each in table.examples if each.expected is not None}
    texts = [*expected.values(), *(answer.text for row in answers.values() for answer in row)]
    short = all(len(text) <= _SHORT and "\n" not in text for text in texts)
    pieces += [Piece("\n"), *(_beside(answers, expected) if short else _below(answers, expected))]
    others = [metric for metric in table.infos if metric != table.primary]
    said = {column: (_spent(table, column), _means(table, column, others)) for column in columns}
    rest = ((column, "  ".join(part for part in parts if part)) for column, parts in said.items())
    return [*pieces, *(Piece(f"\n{column}  {words}", "dim") for column, words in rest if words)]


def _spent(table: RunTable, column: str) -> str:
    """What the answers of a column took: tokens, the time of one, money where there is a price."""
    summary = table.summary(column)
    parts = [f"{summary.tokens_in:,} tokens in, {summary.tokens_out:,} out"] if summary.tokens_in else []
    if summary.latency_p50 is not None:
        parts.append(f"{wording.seconds(summary.latency_p50)} each")
    if summary.cost is not None:
        parts.append(f"{summary.cost:.4f} {table.currency}".rstrip())
    return " · ".join(parts)


def _means(table: RunTable, column: str, metrics: Sequence[str]) -> str:
    """Means with their intervals; of a metric that is met or not, how often it is, in place of the share."""
    means = table.summary(column).means
    parts: list[str] = []
    for metric in metrics:
        if metric in means:
            info = table.infos[metric]
            values = [table.value(column, example.id, metric) for example in table.examples]
            known = [value for value in values if value is not None]
            said = wording.mean(means[metric], info)
            if info.kind == "binary":
                share, percent, interval = said.partition(" % ")
                count = f"{sum(1 for value in known if value)} of {len(known)}"
                said = f"{count} {interval}{percent.rstrip()}" if percent else f"{count} · {share}"
            parts.append(f"{metric} {said}")
    return "  ".join(parts)


def _beside(answers: Mapping[str, Sequence[_Answer]], expected: Mapping[str, str]) -> list[Piece]:
    """A line for each example: short answers stand beside each other, so that all are seen at once."""
    wide = max((len(text) for text in expected.values()), default=-2) + 2
    rooms = [max(len(answer.text) for answer in column) + 2 for column in zip(*answers.values(), strict=True)]
    rooms[-1:] = [0]
    pieces: list[Piece] = []
    for example, row in answers.items():
        pieces += [Piece(example, "accent"), Piece(f"  {expected.get(example, ''):<{wide}}", "dim")]
        for answer, room in zip(row, rooms, strict=True):
            pieces += [Piece(f"{answer.column} "), answer.mark, Piece(f" {answer.text:<{room}}", answer.tone)]
        pieces.append(Piece("\n"))
    return pieces


def _below(answers: Mapping[str, Sequence[_Answer]], expected: Mapping[str, str]) -> list[Piece]:
    """Long answers one below the other, under the example and what is expected of it."""
    pieces: list[Piece] = []
    for number, (example, row) in enumerate(answers.items()):
        wanted = f"  {expected[example]}\n" if example in expected else "\n"
        pieces += [Piece("\n" if number else ""), Piece(example, "accent"), Piece(wanted, "dim")]
        for answer in row:
            pieces += [Piece(f"{answer.column} "), answer.mark, Piece(f" {answer.text}\n", answer.tone)]
    return pieces


def _answer(job: Job, column: str, example: str) -> _Answer:
    outcome = job.table.outcome(column, example)
    if outcome is None:
        so_far = _cut(job.texts.get((column, example, 0), ""))
        return _Answer(column, Piece(" "), f"{so_far}…" if job.active else "not run", "dim")
    if outcome.fault is not None:
        return _Answer(column, Piece("!", "bad"), outcome.fault.message, "bad")
    return _Answer(column, _mark(job.table, column, example), _cut(outcome.text))


def _cut(text: str) -> str:
    text = text.strip()
    return text[:_LONGEST] + (" …" if len(text) > _LONGEST else "")


def _mark(table: RunTable, column: str, example: str) -> Piece:
    """✓ or ✗ for a binary primary metric, its number for another."""
    value = table.value(column, example)
    if value is None:
        return Piece("·", "dim")
    info = table.infos[table.primary]
    if info.kind == "binary":
        return Piece("✓", "good") if value else Piece("✗", "bad")
    return Piece(wording.number(value, info), "strong")


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
