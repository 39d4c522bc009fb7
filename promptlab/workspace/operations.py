"""The operations of a chain's steps: the keys that each takes, from raw tables to values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple, cast

import msgspec

from promptlab.errors import InvalidFile, PromptlabError
from promptlab.workspace import sheet as check
from promptlab.workspace.names import CORPUS
from promptlab.workspace.prompts import OUTPUT, Fetch, parse_prompt, read_prompt
from promptlab.workspace.scan import KeyPath
from promptlab.workspace.sheet import Check, Expected, Sheet
from promptlab.workspace.toml import parse, shown
from promptlab.workspace.values import (
    Ask,
    BestOf,
    Critique,
    Extract,
    MetricSpec,
    Operation,
    Prompt,
    Retrieve,
    Validate,
    Vote,
)

REACHES_A_MODEL = ("messages", "params", "output", "judge")
"""The tables of a prompt that are part of a version."""

_MOST_SAMPLES = 64


class Reading(NamedTuple):
    """One chain being read.

    Attributes:
        used: Where a reference stands to what it stands for; where the digest of a corpus belongs to that digest.
        fetch: Gives the bytes of what is referred to, or None: then references stay open.
    """

    sheet: Sheet
    source: str
    fetch: Fetch | None
    used: dict[KeyPath, object]

    def prompt(self, raw: object, path: KeyPath, judge: bool = False) -> Prompt | None:
        """A prompt written out at ``path``, or referred to by its name there; None when it is wrong."""
        if isinstance(raw, str):
            return self._referred(raw, path, judge)
        checks = _PROMPT if not judge else {**_PROMPT, "judge": check.anything}
        top = self.sheet.table(raw, path, checks, required=("messages", "judge") if judge else ("messages",))
        if "messages" not in top:
            return None
        where = ".".join(str(part) for part in path)
        return read_prompt(top, self.sheet, path, where, f"{self.source}: {where}")

    def digest(self, corpus: str, path: KeyPath) -> str:
        """The digest of a corpus, "" where it is not looked at or cannot be read."""
        try:
            data = self.fetch(f"{CORPUS}{corpus}") if self.fetch else None
        except PromptlabError as fault:
            self.sheet.problem(path, f"The corpus cannot be used: {fault}")
            return ""
        return data.decode() if data else ""

    def _referred(self, name: str, path: KeyPath, judge: bool) -> Prompt | None:
        try:
            data = self.fetch(name) if self.fetch else None
            if data is None:
                return Prompt(name, "", name, ())
            table = parse(data, name)
            prompt = parse_prompt(data, name.partition("@")[0], name)
        except InvalidFile as fault:
            self.sheet.problem(path, f"The prompt `{shown(name)}` does not load: {fault.problems[0]}")
            return None
        except PromptlabError as fault:
            self.sheet.problem(path, f"The prompt `{shown(name)}` cannot be used: {fault}")
            return None
        if prompt.steps:
            self.sheet.problem(path, f"`{shown(name)}` is a chain, and a step asks one prompt.", "Name a prompt.")
            return None
        if judge != (prompt.judge is not None):
            kind = "no judge: it has no `[judge]` table" if judge else "a judge, which grades answers"
            self.sheet.problem(path, f"The prompt `{shown(name)}` is {kind}.", "Name another prompt.")
            return None
        if judge and prompt.judge and prompt.judge.kind != "grade":
            self.sheet.problem(path, "Only a judge that grades single answers can choose one.", "Name another.")
            return None
        self.used[path] = {key: table[key] for key in REACHES_A_MODEL if key in table}
        return prompt


def read_ask(reading: Reading, raw: object, path: KeyPath) -> Operation | None:
    """``prompt = "triage"``, or a table with messages."""
    prompt = reading.prompt(raw, path)
    return Ask(prompt) if prompt else None


def read_extract(reading: Reading, raw: object, path: KeyPath) -> Operation | None:
    """``extract = { from = "{{ draft.text }}", regex = "…" }``."""
    top = reading.sheet.table(raw, path, _EXTRACT, required=("from",))
    ways = [way for way in ("regex", "pointer", "last_line", "fence") if top.get(way, False) is not False]
    if len(ways) != 1:
        message = "`extract` needs exactly one of `regex`, `pointer`, `last_line = true` and `fence`."
        reading.sheet.problem(path, message)
    if "from" not in top or len(ways) != 1:
        return None
    return msgspec.convert({**_renamed(top, "from", "source"), "op": "extract"}, Extract)


def read_validate(reading: Reading, raw: object, path: KeyPath) -> Operation | None:
    """``validate = { step = "draft", choices = […], on_fail = "reask" }``."""
    sheet = reading.sheet
    top = sheet.table(raw, path, _VALIDATE, required=("step",))
    rules = [rule for rule in ("choices", "json_schema", "regex", "length", "metric") if rule in top]
    if len(rules) != 1:
        sheet.problem(
            path, "`validate` needs exactly one of `choices`, `json_schema`, `regex`, `length` and `metric`."
        )
    on_fail = top.get("on_fail", "fail")
    for key, way in (("attempts", "reask"), ("reask", "reask"), ("fallback", "fallback")):
        if key in top and on_fail != way:
            sheet.problem((*path, key), f'`{key}` is for `on_fail = "{way}"`.', "Remove it.")
    if on_fail == "fallback" and "fallback" not in top:
        sheet.problem(path, "The key `fallback` is missing.", 'Add it: a text, or another step: "{{ other.text }}".')
    if on_fail == "fix" and not {"json_schema"} & top.keys():
        sheet.problem((*path, "on_fail"), "Only JSON can be repaired.", "Use it with `json_schema`.")
    if "least" in top and "metric" not in top:
        sheet.problem((*path, "least"), "`least` is for `metric`.", "Remove it.")
    if "step" not in top or len(rules) != 1:
        return None
    if "metric" in top:
        top["metric"] = _metric(reading, top["metric"], (*path, "metric"))
    return None if sheet.problems() else msgspec.convert({**top, "op": "validate"}, Validate)


def read_best_of(reading: Reading, raw: object, path: KeyPath) -> Operation | None:
    """``best_of = { prompt = "reply", n = 5, judge = "judges/polite" }``."""
    top = reading.sheet.table(raw, path, _BEST_OF, required=("prompt", "n"))
    if ("metric" in top) == ("judge" in top):
        reading.sheet.problem(path, "`best_of` needs exactly one of `metric` and `judge`, to choose by.")
    prompt = _sampled(reading, top, path)
    judge = reading.prompt(top["judge"], (*path, "judge"), judge=True) if "judge" in top else None
    metric = _metric(reading, top["metric"], (*path, "metric")) if "metric" in top else None
    n = top.get("n")
    return BestOf(prompt, n, metric, judge) if prompt and isinstance(n, int) else None


def read_vote(reading: Reading, raw: object, path: KeyPath) -> Operation | None:
    """``vote = { prompt = "triage", n = 5 }``."""
    top = reading.sheet.table(raw, path, _VOTE, required=("prompt", "n"))
    prompt = _sampled(reading, top, path)
    if prompt is None or "n" not in top:
        return None
    return msgspec.structs.replace(Vote(prompt, 2), **{key: top[key] for key in ("n", "normalise") if key in top})


def read_critique(reading: Reading, raw: object, path: KeyPath) -> Operation | None:
    """``critique = { step = "draft", critic = "critic", revise = "revise", limit = 2 }``."""
    top = reading.sheet.table(raw, path, _CRITIQUE, required=("step", "critic", "revise"))
    prompts = {key: reading.prompt(top[key], (*path, key)) for key in ("critic", "revise") if key in top}
    critic, revise = prompts.get("critic"), prompts.get("revise")
    if critic is None or revise is None or "step" not in top:
        return None
    rest = {key: top[key] for key in ("accept", "limit") if key in top}
    return msgspec.structs.replace(Critique(cast("str", top["step"]), critic, revise), **rest)


def read_retrieve(reading: Reading, raw: object, path: KeyPath) -> Operation | None:
    """``retrieve = { corpus = "docs", query = "{{ ticket }}", k = 3 }``."""
    top = reading.sheet.table(raw, path, _RETRIEVE, required=("corpus", "query"))
    if cast("int", top.get("overlap", 20)) >= cast("int", top.get("words", 120)):
        reading.sheet.problem((*path, "overlap"), "`overlap` must be less than `words`.")
    by_vectors = top.get("method") == "embedding"
    if by_vectors and "model" not in top:
        reading.sheet.problem(path, "The key `model` is missing.", "Add it: a model of promptlab.toml that embeds.")
    if "model" in top and not by_vectors:
        reading.sheet.problem((*path, "model"), '`model` is for `method = "embedding"`.', "Remove it.")
    if not {"corpus", "query"} <= top.keys():
        return None
    if digest := reading.digest(cast("str", top["corpus"]), (*path, "corpus")):
        top["digest"] = digest
        reading.used[(*path, "digest")] = digest
    return msgspec.convert({**top, "op": "retrieve"}, Retrieve)


Read = Callable[[Reading, object, KeyPath], "Operation | None"]

OPERATIONS: dict[str, Read] = {
    "prompt": read_ask,
    "extract": read_extract,
    "validate": read_validate,
    "best_of": read_best_of,
    "vote": read_vote,
    "critique": read_critique,
    "retrieve": read_retrieve,
}


def _sampled(reading: Reading, top: Mapping[str, object], path: KeyPath) -> Prompt | None:
    if "prompt" not in top:
        return None
    prompt = reading.prompt(top["prompt"], (*path, "prompt"))
    if prompt is not None and prompt.messages and prompt.params.temperature == 0:
        message = f"The prompt has temperature 0, so all {top.get('n', 'n')} answers would be the same."
        reading.sheet.problem((*path, "prompt"), message, "Give it a temperature above 0 in its `params`.")
    return prompt


def _metric(reading: Reading, raw: object, path: KeyPath) -> MetricSpec | None:
    table = check.mapping(raw)
    id = table.get("id") if table else None
    if table is None or not isinstance(id, str):
        reading.sheet.problem(path, 'Expected a metric, such as { id = "regex", pattern = "…" }.')
        return None
    return MetricSpec(id, id, {key: check.plain(value) for key, value in table.items() if key != "id"})


def _renamed(table: Mapping[str, object], old: str, new: str) -> dict[str, object]:
    return {new if key == old else key: value for key, value in table.items()}


def template(value: object) -> str:
    """A template that compiles."""
    from promptlab.workspace.expressions import template_fault

    text = check.text(value)
    if fault := template_fault(text):
        raise Expected("a template", f"one that is wrong: {fault}")
    return text


def _length(value: object) -> object:
    match value:
        case [int(low), int(high)] if 0 <= low <= high and not isinstance(low, bool):
            return [low, high]
        case _:
            raise Expected("the least and the most characters, such as [1, 500]")


def _pointer(value: object) -> str:
    pointer = check.text(value)
    if pointer and not pointer.startswith("/"):
        raise Expected("a JSON pointer, such as /order/0")
    return pointer


_PROMPT: dict[str, Check] = {"messages": check.anything, "params": check.anything, "output": check.anything}
_EXTRACT: dict[str, Check] = {
    "from": template,
    "regex": OUTPUT["regex"],
    "pointer": _pointer,
    "last_line": check.boolean,
    "fence": check.text,
}
_VALIDATE: dict[str, Check] = {
    "step": check.word,
    "choices": OUTPUT["choices"],
    "json_schema": OUTPUT["json_schema"],
    "regex": OUTPUT["regex"],
    "length": _length,
    "metric": check.anything,
    "least": check.number(-1e9, 1e9),
    "on_fail": check.one_of("fail", "reask", "fix", "fallback"),
    "attempts": check.whole(1, 10),
    "reask": template,
    "fallback": template,
}
_SAMPLED: dict[str, Check] = {"prompt": check.anything, "n": check.whole(2, _MOST_SAMPLES)}
_BEST_OF: dict[str, Check] = {**_SAMPLED, "metric": check.anything, "judge": check.anything}
_VOTE: dict[str, Check] = {**_SAMPLED, "normalise": check.one_of("text", "exact", "number", "json")}
_CRITIQUE: dict[str, Check] = {
    "step": check.word,
    "critic": check.anything,
    "revise": check.anything,
    "accept": OUTPUT["regex"],
    "limit": check.whole(1, 10),
}
_RETRIEVE: dict[str, Check] = {
    "corpus": check.word,
    "query": template,
    "k": check.whole(1, 100),
    "method": check.one_of("bm25", "embedding"),
    "model": check.word,
    "words": check.whole(5, 10_000),
    "overlap": check.whole(0, 5_000),
    "digest": check.text,
}
