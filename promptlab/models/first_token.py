"""How probable choices are as the beginning of an endpoint's answer, read from the first token of one.

An endpoint tells the most probable tokens of a place and no more, so a choice counts by the token that begins it.
Where one token may begin several choices they cannot be told apart; a model in a file can, it weighs all tokens.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from msgspec import structs

from promptlab.models.values import Alternative, ChoiceProbabilities, Fault, Outcome, Request, TokenLogprob
from promptlab.workspace.values import Params

MOST = 20
"""Tokens of a place that are asked for: OpenAI and vLLM give no more."""

_UNCLEAR = 0.01
"""Share of what is found that may be of tokens which begin several choices."""


def for_first_token(request: Request) -> Request:
    """The request that asks for the first token of an answer and what else might have stood there.

    At temperature 1 the numbers are the model's own, whether a server takes them before the temperature or after.
    """
    return structs.replace(
        request,
        params=Params(temperature=1.0, max_tokens=1),
        constraint=None,
        logprobs=MOST,
        choice_probabilities=False,
    )


def weighed(request: Request, outcome: Outcome, tokens: Sequence[TokenLogprob], who: str) -> Outcome:
    """The outcome of :func:`for_first_token` with the probability of each choice; or with the fault why not.

    Args:
        tokens: Of the answer. A choice that does not begin among the most probable ones counts as 0.
        who: Whose answer it is, for the sentence.
    """
    choices = (request.constraint and request.constraint.choices) or ()
    found = _probabilities(choices, tokens[0].top if tokens else ())
    if isinstance(found, str):
        return Outcome(request.key, finish="error", fault=Fault("rejected", f"{who} {found}."))
    best = max(choices, key=lambda choice: found.of[choice])
    return structs.replace(outcome, text=best, finish="stop", choices=found)


def _probabilities(choices: Sequence[str], first: Sequence[Alternative]) -> ChoiceProbabilities | str:
    if not first:
        return "gave no log probabilities, from which those of choices are read"
    found = dict.fromkeys(choices, 0.0)
    unclear = dict.fromkeys(choices, 0.0)
    texts = [one.text.strip() for one in first]
    for one, text in zip(first, texts, strict=True):
        begun = _begun(choices, text, texts)
        for choice in begun:
            (found if len(begun) == 1 else unclear)[choice] += math.exp(one.logprob)
    mass, alike = sum(found.values()), max(unclear.values())
    if alike > _UNCLEAR * (mass + alike):
        names = " and ".join(f"“{choice}”" for choice, share in unclear.items() if share)
        return f"begins {names} with the same token, so they cannot be weighed by it; a model in a GGUF file can"
    if mass == 0:
        return f"has none of the choices among the {MOST} most probable beginnings of its answer"
    return ChoiceProbabilities({choice: share / mass for choice, share in found.items()}, min(1.0, mass))


def _begun(choices: Sequence[str], text: str, texts: Sequence[str]) -> list[str]:
    """The choices that a token may begin, or hold whole, among all tokens that may stand there."""
    if not text:
        return []
    whole = max((choice for choice in choices if text.startswith(choice)), key=len, default="")
    longer = [choice for choice in choices if choice != whole and choice.startswith(text)]
    if not whole:
        return longer
    # “1” is the beginning of “10” as well, unless “10” has a token of its own.
    spelled = [choice for choice in longer if any(len(one) > len(text) and choice.startswith(one) for one in texts)]
    return [whole, *(choice for choice in longer if choice not in spelled)]
