"""How sure a model is of each token of an answer: the one question of a run that is asked again for it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from msgspec import Struct, structs

from promptlab.errors import ModelFault, NotFound, UsageFault
from promptlab.models.values import Outcome, Request, TokenLogprob
from promptlab.runs.plan import cell_key
from promptlab.runs.values import Cell, Plan, Variant
from promptlab.workspace.toml import did_you_mean

if TYPE_CHECKING:
    from promptlab.lab.lab import Lab
    from promptlab.lab.values import RunRequest


class TokenReport(Struct, frozen=True):
    """An answer of one column, token by token.

    Attributes:
        column: The column's label.
        text: The answer as it came this time.
        tokens: In the answer's order; empty where there is a problem.
        perplexity: e to the mean of the negative log probabilities: 1 for an answer that the model is certain of, n
            where it was at every token as unsure as between n equally probable ones. None without tokens.
        problem: Why there is no answer, as a sentence, or "".
    """

    column: str
    text: str = ""
    tokens: tuple[TokenLogprob, ...] = ()
    perplexity: float | None = None
    problem: str = ""


async def token_reports(lab: Lab, request: RunRequest, example: str, top: int) -> list[TokenReport]:
    """Ask every column of a request about one example, with log probabilities. Nothing is kept but the cache.

    Args:
        lab: The workspace.
        request: The columns.
        example: Its id.
        top: Tokens to give for each place, the most probable ones.

    Raises:
        PromptlabError: As ``Lab.plan``, or a column cannot be asked this.
    """
    plan = lab.plan(structs.replace(request, trials=1))
    cells = {cell.column: cell for cell in plan.cells if cell.example == example}
    if not cells:
        near = did_you_mean(example, [one.id for one in plan.examples])
        raise NotFound(f"The eval set {plan.evalset} has no example “{example}”. {near}".rstrip())
    return [await _report(lab, plan, variant, cells[variant.column], top) for variant in plan.variants]


async def _report(lab: Lab, plan: Plan, variant: Variant, cell: Cell, top: int) -> TokenReport:
    if variant.column in plan.chains:
        raise UsageFault(
            f"“{variant.subject}” is a chain, whose answer is not that of one question. Name the prompt of a step."
        )
    model = lab.model(variant.model)
    if not model.capabilities.logprobs:
        raise UsageFault(
            f"The model {variant.model} gives no log probabilities. `promptlab models` lists the others."
        )
    if cell.request is None:
        return TokenReport(variant.label, problem=cell.problem)
    asked = cell.request
    key = cell_key(variant.identity, asked.messages, asked.params, asked.constraint, logprobs=top)
    return _told(variant, await _outcome(lab, variant.model, structs.replace(asked, key=key, logprobs=top)))


async def _outcome(lab: Lab, model: str, request: Request) -> Outcome:
    from promptlab.scoring.asking import replies_of

    async for outcome in replies_of(lab.model(model), {request.key: request}, lab.cache()):
        return outcome
    raise ModelFault(f"{model}: the model gave no answer.")


def _told(variant: Variant, outcome: Outcome) -> TokenReport:
    if outcome.fault is not None:
        return TokenReport(variant.label, problem=outcome.fault.message)
    tokens = outcome.logprobs
    if not tokens:
        reason = (
            "The model ended its answer at once." if not outcome.text else "The model left log probabilities out."
        )
        return TokenReport(variant.label, outcome.text, problem=reason)
    perplexity = math.exp(-sum(token.logprob for token in tokens) / len(tokens))
    return TokenReport(variant.label, outcome.text, tokens, perplexity)
