"""Chains in plain text: the steps of one cell, and those of a column summed up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from promptlab.cli.output import line, table
from promptlab.lab import wording
from promptlab.lab.stepping import StepSummary
from promptlab.lab.trace_lines import lines_of, sources_of
from promptlab.runs.traces import StepTrace, Trace


def print_trace(trace: Trace) -> None:
    """Each step on a line, and below it what it asked and was answered."""
    for step, said in zip(trace.steps, lines_of(trace), strict=True):
        flags = "".join(f"  [{flag}]" for flag in said.flags)
        line(f"   {said.head}{flags}")
        _print_calls(step)
        for source in sources_of(step):
            line(indented(f"from {source}"))
        if step.state == "done" and (not step.calls or step.text != step.calls[-1].outcome.text):
            line(indented(f"= {step.text}"))


def _print_calls(step: StepTrace) -> None:
    for call in step.calls:
        for message in call.messages:
            line(indented(f"{call.label}: {message.role}: {message.content}"))
        answer = f"! {call.outcome.fault.message}" if call.outcome.fault else call.outcome.text
        line(indented(f"{call.label} → {answer}"))


def indented(text: str) -> str:
    """Below the line of a step."""
    return "\n".join(f"       {row}" for row in text.splitlines() or [""])


def print_steps(columns: Mapping[str, Sequence[StepSummary]]) -> None:
    """What each step of the chains of a run did and cost; nothing for a run of prompts."""
    rows = [
        (
            column,
            step.step,
            step.op,
            f"{step.done}",
            f"{step.skipped or '–'}",
            f"{step.failed or '–'}",
            f"{step.calls or '–'}",
            f"{step.tokens_in}+{step.tokens_out}" if step.calls else "–",
            wording.seconds(step.seconds) if step.calls else "–",
            f"{step.cost:.4f}" if step.cost is not None else "–",
            "; ".join(step.notes),
        )
        for column, steps in columns.items()
        for step in steps
    ]
    if rows:
        table(("", "step", "does", "done", "skipped", "failed", "calls", "tokens", "time", "cost", ""), rows)
