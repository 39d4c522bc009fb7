"""Whether a judge deserves belief: probes of a judge with the answers of an eval set, and what people say of them.

A judge is shown the same answers again with other seeds, the answers with an empty restatement behind them, nonsense
of the same length, and pairs in both orders. Thresholds are stated beside the probes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from promptlab.errors import UsageFault
from promptlab.lab.audits import Audit, Finding, folder_of, keep
from promptlab.lab.pair_probing import probe_pairs
from promptlab.lab.planning import evalset_name, model_names
from promptlab.lab.probing import probe_grades
from promptlab.models.values import Model
from promptlab.scoring.criteria import builtin, is_builtin
from promptlab.scoring.questions import table_of
from promptlab.scoring.values import JudgeItem
from promptlab.workspace.values import EvalSet, Example, Prompt

if TYPE_CHECKING:
    from promptlab.lab.lab import Lab

ANSWERS = 20
"""Answers that are probed, the first ones of the eval set."""


async def audit(judge: Prompt, model: Model, evalset: EvalSet, candidates: Mapping[str, str]) -> Audit:
    """Probe a judge with the answers that an eval set holds. Nothing comes from the cache, nothing goes into it.

    Args:
        judge: A prompt with a ``[judge]`` table.
        model: Which model judges.
        evalset: Its references, previous or expected texts are what is judged.
        candidates: Name and identity of the models whose answers the judge is to judge.

    Raises:
        UsageFault: The eval set has no answers, or the judge cannot be filled with its examples.
        ModelFault: The model gave no answer to more than 5 % of the requests.
    """
    probe = probe_pairs if table_of(judge).kind == "pairwise" else probe_grades
    items = _items(evalset)
    probed = await probe(judge, model, items)
    return Audit(
        judge=judge.name,
        content=judge.content,
        model=model.name,
        identity=model.identity,
        evalset=evalset.name,
        answers=len(items),
        calls=probed.calls,
        findings=(*probed.findings, _family(model, candidates)),
    )


def _items(evalset: EvalSet) -> list[JudgeItem]:
    answered = ((example, _answer(example)) for example in evalset.examples)
    items = [JudgeItem(example.id, example, answer) for example, answer in answered if answer][:ANSWERS]
    if not items:
        raise UsageFault(
            f"The eval set {evalset.name} has nothing to grade: none of its examples has a `reference`, a `previous` "
            "or an `expected` text. Name another one with -e."
        )
    return items


def _answer(example: Example) -> str:
    expected = example.expected if isinstance(example.expected, str) else ""
    return (example.reference or example.previous or expected).strip()


def _family(model: Model, candidates: Mapping[str, str]) -> Finding:
    same = [name for name, identity in candidates.items() if name == model.name or identity == model.identity]
    if same:
        said = f"The judge's model is also a candidate ({', '.join(same)}): models favour their own answers."
        return Finding("family", "warned", said)
    return Finding("family", "passed", "The judge's model is none of the default candidates.")


async def audit_in(lab: Lab, judge: str, evalset: str, model: str) -> Audit:
    """Audit a judge of a workspace, and keep what was found."""
    prompt = builtin(judge) if is_builtin(judge) else lab.subject(judge).prompt
    name = model_names(lab.workspace, (model,) if model else ())[0]
    cases = lab.workspace.load_evalset(evalset_name(lab.workspace, evalset, prompt))
    candidates = {info.name: info.identity for info in lab.models() if info.name in lab.default_models()}
    found = await audit(prompt, lab.model(name), cases, candidates)
    keep(folder_of(lab), found)
    return found
