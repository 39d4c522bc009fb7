"""Whether a judge deserves belief: probes of a judge with the answers of an eval set, and what people say of them.

A judge is shown the same answers again with other seeds, the answers with an empty restatement behind them, nonsense
of the same length, and pairs in both orders. Thresholds are stated beside the probes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from msgspec import structs

from promptlab.compare.powered import FEWEST
from promptlab.errors import PromptlabError, UsageFault
from promptlab.lab.agreeing import People, people
from promptlab.lab.audits import Audit, Finding, folder_of, keep
from promptlab.lab.pair_probing import probe_pairs
from promptlab.lab.planning import JURY, evalset_name, model_names
from promptlab.lab.probing import probe_grades
from promptlab.lab.reviewing import reviews_of
from promptlab.models.values import Model
from promptlab.scoring.criteria import builtin, is_builtin
from promptlab.scoring.questions import table_of
from promptlab.scoring.values import JudgeItem
from promptlab.workspace.values import EvalSet, Example, Prompt

if TYPE_CHECKING:
    from promptlab.lab.lab import Lab

RUNS = 20
"""Newest runs that are looked at for answers that people have rated."""
ANSWERS = 20
"""Answers that are probed, the first ones of the eval set."""


async def audit(
    judge: Prompt, model: Model, evalset: EvalSet, candidates: Mapping[str, str], relatives: Sequence[str] = ()
) -> Audit:
    """Probe a judge with the answers that an eval set holds. Nothing comes from the cache, nothing goes into it.

    Args:
        judge: A prompt with a ``[judge]`` table.
        model: Which model judges.
        evalset: Its references, previous or expected texts are what is judged.
        candidates: Name and identity of the models whose answers the judge is to judge.
        relatives: Those of them that are of the judge's family.

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
        findings=(*probed.findings, _family(model, candidates, relatives)),
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


def _family(model: Model, candidates: Mapping[str, str], relatives: Sequence[str]) -> Finding:
    same = [name for name, identity in candidates.items() if name == model.name or identity == model.identity]
    if same:
        said = f"The judge's model is also a candidate ({', '.join(same)}): models favour their own answers."
        return Finding("family", "warned", said)
    if relatives:
        said = f"The judge's model is of the same family as {', '.join(relatives)}: models favour their own kind."
        return Finding("family", "warned", said)
    return Finding("family", "passed", "The judge's model is none of the default candidates.")


def family_of(target: str) -> str:
    """The word that a model's name begins with: ``gpt`` of gpt-4.1-mini, ``qwen`` of Qwen/Qwen3-8B-Q4.gguf."""
    found = re.match(r"[a-z]+", target.rpartition("/")[2].lower())
    return found[0] if found else ""


def people_finding(found: People) -> Finding:
    """What people's labels say of a judge: with enough of them it must agree with them more than by chance."""
    if found.agreement is None:
        return Finding("people", "warned", found.sentence)
    kappa = found.agreement.kappa
    if found.answers < FEWEST:
        said = f"{found.sentence} {FEWEST} answers or more would tell."
        return Finding("people", "warned", said, kappa if kappa == kappa else None)
    agrees = found.agreement.kappa_low > 0 or found.agreement.raw == 1
    return Finding("people", "passed" if agrees else "failed", found.sentence, kappa if kappa == kappa else None)


def _people(lab: Lab, judge: Prompt, identity: str, evalset: str) -> Finding:
    """Agreement in the newest run whose answers this judge and people have rated."""
    reviews = reviews_of(lab, evalset)
    for summary in lab.runs()[:RUNS] if reviews else ():
        try:
            table = lab.open_run(summary.id)
        except PromptlabError:
            continue  # damaged, or of a newer version: other runs may still tell
        for metric, prompt in table.judges.items():
            mine = prompt.content == judge.content and identity in table.judge_models.get(metric, "").split(JURY)
            if table.evalset == evalset and mine and (found := people(table, metric, reviews)).answers:
                return people_finding(found)
    return Finding("people", "warned", "No answer was rated by people and by this judge: key 8 of the program asks.")


async def audit_in(lab: Lab, judge: str, evalset: str, model: str) -> Audit:
    """Audit a judge of a workspace, and keep what was found."""
    prompt = builtin(judge) if is_builtin(judge) else lab.subject(judge).prompt
    name = model_names(lab.workspace, (model,) if model else ())[0]
    cases = lab.workspace.load_evalset(evalset_name(lab.workspace, evalset, prompt))
    infos = {info.name: info for info in lab.models()}
    candidates = {one: infos[one].identity for one in lab.default_models()}
    family = family_of(infos[name].target)
    relatives = [one for one in candidates if one != name and family and family_of(infos[one].target) == family]
    found = await audit(prompt, lab.model(name), cases, candidates, relatives)
    found = structs.replace(found, findings=(*found.findings, _people(lab, prompt, found.identity, cases.name)))
    keep(folder_of(lab), found)
    return found
