"""Whether a judge deserves belief: probes of a judge, what they found, and what that does to verdicts.

A judge is asked to grade the same answers again with other seeds, the answers with an empty restatement behind them,
and nonsense of the same length. Thresholds are stated here; the padding probe is the attack of Zheng 2023, arXiv
2306.05685, section 3.3.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from pathlib import Path
from statistics import fmean, variance
from typing import TYPE_CHECKING, Literal

import msgspec
from msgspec import Struct, structs

from promptlab.compare.intervals import wilson
from promptlab.compare.paired import numeric
from promptlab.errors import ModelFault, UsageFault
from promptlab.lab.planning import evalset_name, model_names
from promptlab.models.values import Model
from promptlab.scoring.judge import Judged, judge_outcomes
from promptlab.scoring.values import JudgeItem
from promptlab.workspace.values import EvalSet, Example, Judge, MetricSpec, Prompt

if TYPE_CHECKING:
    from promptlab.lab.lab import Lab
    from promptlab.lab.opening import Opener
    from promptlab.lab.table import RunTable

ANSWERS = 20
"""Answers that are probed, the first ones of the eval set."""
REPEATS = 5
PARSE_LIMIT = 0.05
"""Share of replies without a grade from which a judge fails."""
SPREAD_LIMIT = 0.1
"""Standard deviation of one answer's grades, as a share of the scale, from which a judge fails."""
ALPHA = 0.05
FEWEST = 6  # answers from which a sign-flip test can reach 0.05
_NONSENSE = "lorem ipsum dolor sit amet consectetur adipiscing elit sed do eiusmod tempor incididunt ut labore"

Result = Literal["passed", "warned", "failed"]
Grades = Mapping[str, float]


class Finding(Struct, frozen=True):
    """What one probe found. ``value`` is its figure: a share, a difference in grades …"""

    probe: Literal["replies", "stability", "padding", "range", "nonsense", "family"]
    result: Result
    sentence: str
    value: float | None = None


class Audit(Struct, frozen=True):
    """One audit of a judge on a model. It belongs to the judge's content and the model's name."""

    judge: str
    content: str
    model: str
    identity: str
    evalset: str
    answers: int
    calls: int
    findings: tuple[Finding, ...]

    @property
    def failed(self) -> tuple[Finding, ...]:
        return tuple(finding for finding in self.findings if finding.result == "failed")

    @property
    def doubt(self) -> str:
        """Why scores of this judge prove nothing, in a sentence, or ""."""
        if not self.failed:
            return ""
        why = " ".join(finding.sentence for finding in self.failed)
        return f"the judge {self.judge} on {self.model} failed its audit: {why}"


async def audit(judge: Prompt, model: Model, evalset: EvalSet, candidates: Mapping[str, str]) -> Audit:
    """Probe a judge with the answers that an eval set holds. Nothing comes from the cache, nothing goes into it.

    Args:
        judge: A prompt with a ``[judge]`` table.
        model: Which model judges.
        evalset: Its references, previous or expected texts are what is graded.
        candidates: Name and identity of the models whose answers the judge is to grade.

    Raises:
        UsageFault: The eval set has no answers, or the judge cannot be filled with its examples.
        ModelFault: The model gave no answer to more than 5 % of the requests.
    """
    table = judge.judge
    if table is None:
        raise UsageFault(f"“{judge.name}” is no judge: it has no [judge] table ({judge.source}).")
    items = _items(evalset)
    rounds = [await _ask(_seeded(judge, at), model, items) for at in range(REPEATS)]
    padded = await _ask(judge, model, [structs.replace(item, answer=_padded(item.answer)) for item in items])
    nonsense = await _ask(judge, model, [structs.replace(item, answer=_nonsense(item.answer)) for item in items])
    replies = [reply for asked in (*rounds, padded, nonsense) for reply in asked]
    _answered(replies)
    grades = [_grades(asked) for asked in rounds]
    low, high = _scale(table)
    return Audit(
        judge=judge.name,
        content=judge.content,
        model=model.name,
        identity=model.identity,
        evalset=evalset.name,
        answers=len(items),
        calls=len(replies),
        findings=(
            _replies(replies),
            _stability(grades, high - low),
            _padding(grades[0], _grades(padded)),
            _range([*grades, _grades(padded), _grades(nonsense)]),
            _noticed(grades[0], _grades(nonsense)),
            _family(model, candidates),
        ),
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


def _seeded(judge: Prompt, at: int) -> Prompt:
    return structs.replace(judge, params=structs.replace(judge.params, seed=judge.params.seed + at))


def _padded(answer: str) -> str:
    return f"{answer}\n\nTo put it another way: {answer}\n\nIn short, what stands above is the whole answer."


def _nonsense(answer: str) -> str:
    words = _NONSENSE.split()
    return " ".join(words[at % len(words)] for at in range(max(3, len(answer.split()))))


async def _ask(judge: Prompt, model: Model, items: Sequence[JudgeItem]) -> list[Judged]:
    async with aclosing(judge_outcomes(judge, "audit", model, items)) as graded:
        return [one async for one in graded]


def _answered(replies: Sequence[Judged]) -> None:
    faults = [reply.outcome.fault for reply in replies if reply.outcome.fault is not None]
    if len(faults) <= PARSE_LIMIT * len(replies):
        return
    if faults[0].kind == "template":
        raise UsageFault(f"The judge cannot be filled with the examples of this eval set: {faults[0].message}")
    raise ModelFault(f"{len(faults)} of {len(replies)} requests had no answer: {faults[0].message}")


def _grades(replies: Sequence[Judged]) -> dict[str, float]:
    return {reply.id: reply.score.value for reply in replies if reply.score.value is not None}


def _scale(judge: Judge) -> tuple[float, float]:
    grades = judge.scale or tuple((judge.choices or {}).values())
    return float(min(grades)), float(max(grades))


def _replies(replies: Sequence[Judged]) -> Finding:
    answered = [reply for reply in replies if reply.outcome.fault is None]
    without = [reply for reply in answered if reply.score.value is None]
    share = len(without) / len(answered)
    low, high = wilson(share, len(answered), 0.95)
    said = f"{len(without)} of {len(answered)} replies have no grade (95 % interval {low:.1%} to {high:.1%})"
    example = f", such as: {without[0].score.missing}" if without else ""
    return Finding("replies", "failed" if share > PARSE_LIMIT else "passed", f"{said}{example}.", share)


def _stability(rounds: Sequence[Grades], span: float) -> Finding:
    repeated = [[asked[id] for asked in rounds if id in asked] for id in rounds[0]]
    repeated = [grades for grades in repeated if len(grades) > 1]
    if not repeated:
        return Finding("stability", "failed", "No answer was graded twice.")
    spread = math.sqrt(fmean(variance(grades) for grades in repeated))
    same = sum(len(set(grades)) == 1 for grades in repeated)
    said = (
        f"{same} of {len(repeated)} answers have the same grade all {REPEATS} times; "
        f"the grades of one answer spread by {spread:.2g}"
    )
    return Finding("stability", "failed" if spread > SPREAD_LIMIT * span else "passed", f"{said}.", spread)


def _padding(plain: Grades, padded: Grades) -> Finding:
    changes = [padded[id] - plain[id] for id in plain if id in padded]
    if len(changes) < FEWEST:
        return Finding("padding", "warned", f"{len(changes)} answers are too few to see whether padding pays.")
    estimate = numeric(changes, None, bounded=False)
    said = (
        f"An empty restatement behind the answer changes its grade by {estimate.effect:+.2g} (p = {estimate.p:.2g})"
    )
    pays = estimate.effect > 0 and estimate.p < ALPHA
    return Finding("padding", "failed" if pays else "passed", f"{said}.", estimate.effect)


def _range(rounds: Sequence[Grades]) -> Finding:
    used = sorted({grade for asked in rounds for grade in asked.values()})
    listed = ", ".join(f"{grade:g}" for grade in used)
    if len(used) == 1:
        return Finding("range", "failed", f"Everything has the grade {listed}, nonsense too.", 1)
    return Finding("range", "passed", f"Grades given: {listed or 'none'}.", len(used))


def _noticed(plain: Grades, nonsense: Grades) -> Finding:
    changes = [plain[id] - nonsense[id] for id in plain if id in nonsense]
    if len(changes) < FEWEST:
        return Finding(
            "nonsense", "warned", f"{len(changes)} answers are too few to see whether nonsense is noticed."
        )
    estimate = numeric(changes, None, bounded=False)
    noticed = estimate.effect > 0 and estimate.p < ALPHA
    said = f"Answers are graded {estimate.effect:+.2g} against nonsense of the same length (p = {estimate.p:.2g})"
    # Some criteria, such as "is not rude", are met by nonsense.
    return Finding("nonsense", "passed" if noticed else "warned", f"{said}.", estimate.effect)


def _family(model: Model, candidates: Mapping[str, str]) -> Finding:
    same = [name for name, identity in candidates.items() if name == model.name or identity == model.identity]
    if same:
        said = f"The judge's model is also a candidate ({', '.join(same)}): models favour their own answers."
        return Finding("family", "warned", said)
    return Finding("family", "passed", "The judge's model is none of the default candidates.")


# -- kept audits ----------------------------------------------------------------------------------


def keep(folder: Path, found: Audit) -> None:
    """Write an audit to where :func:`known` finds it."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / _name(found.content, found.model)
    fresh = path.with_suffix(".tmp")
    fresh.write_bytes(msgspec.json.encode(found))
    fresh.replace(path)


def known(folder: Path, content: str, model: str) -> Audit | None:
    """The last audit of a judge's content on a model, or None."""
    try:
        return msgspec.json.decode((folder / _name(content, model)).read_bytes(), type=Audit)
    except (OSError, msgspec.DecodeError):
        return None


def _name(content: str, model: str) -> str:
    return f"{content}-{model.encode().hex()[:120]}.json"


def doubts(
    folder: Path, metrics: Sequence[MetricSpec], judges: Mapping[str, Prompt], identities: Mapping[str, str]
) -> dict[str, str]:
    """Name of each judge metric whose judge failed its last audit, and why.

    Args:
        folder: Where audits are kept.
        metrics: Of a run.
        judges: Metric name to judge.
        identities: Metric name to the model that judged: an audit of another file or endpoint says nothing of it.
    """
    found: dict[str, str] = {}
    for spec in metrics:
        if spec.name in judges:
            audited = known(folder, judges[spec.name].content, str(spec.options.get("model", "")))
            if audited is not None and audited.doubt and audited.identity == identities.get(spec.name):
                found[spec.name] = audited.doubt
    return found


async def audit_in(lab: Lab, judge: str, evalset: str, model: str) -> Audit:
    """Audit a judge of a workspace, and keep what was found."""
    prompt = lab.subject(judge).prompt
    name = model_names(lab.workspace, (model,) if model else ())[0]
    cases = lab.workspace.load_evalset(evalset_name(lab.workspace, evalset, prompt))
    candidates = {info.name: info.identity for info in lab.models() if info.name in lab.default_models()}
    found = await audit(prompt, lab.model(name), cases, candidates)
    keep(_folder(lab), found)
    return found


def mark(lab: Opener, table: RunTable) -> None:
    """Let a table know which of its judges failed their last audits."""
    table.distrust(doubts(_folder(lab), table.metrics, table.judges, table.judge_models))


def _folder(lab: Opener) -> Path:
    return lab.journal_root() / "audits"
