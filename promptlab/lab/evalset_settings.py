"""What an eval set says besides its examples: how it is decided and what is measured, line by line, to change."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal, cast

from msgspec import Struct

from promptlab.errors import InvalidFile, Problem, PromptlabError, UsageFault
from promptlab.lab import planning
from promptlab.lab.problems import metric_problems, model_problems
from promptlab.scoring.catalogue import CATALOGUE
from promptlab.workspace import edit
from promptlab.workspace.edit import literal
from promptlab.workspace.evalsets import parse_evalset
from promptlab.workspace.scan import KeyPath
from promptlab.workspace.tables import GONE, Change, change_tables
from promptlab.workspace.values import EvalSet, Guardrail, MetricSpec

if TYPE_CHECKING:
    from promptlab.lab.reading import Reader

_DECISION = ("decision",)
_RAILS = ("decision", "guardrails")
_METRIC = 'A metric is an id such as exact, or a table such as { id = "regex", name = "greeting", pattern = "^Hi" }.'


class Setting(Struct, frozen=True):
    """One line of what an eval set says.

    Attributes:
        path: Where it stands in the file, or would.
        label: What it is called.
        text: What it says, as it is typed; "" for nothing.
        note: What that means, in a few words.
        given: The file says it; otherwise it is the default.
        kind: How it is typed: a word, a number, a guardrail as ``metric margin 0.03``, a metric as a table of TOML.
    """

    path: KeyPath
    label: str
    text: str
    note: str
    given: bool
    kind: Literal["text", "number", "guardrail", "metric"] = "text"


def settings_of(lab: Reader, evalset: EvalSet) -> list[Setting]:
    """Every line, those that the file leaves to a default too."""
    given = _given(lab.workspace.read(evalset.source))
    decision = cast("Mapping[str, object]", given.get("decision", {}))
    now = evalset.decision
    primary = now.primary or (evalset.metrics[0].name if evalset.metrics else "")
    lines = [
        Setting(("description",), "description", evalset.description, "what it is for", "description" in given),
        _line("primary", primary, "the metric that decides", decision),
        _line("min_effect", f"{now.min_effect:g}", "the smallest difference that matters", decision, "number"),
        _line(
            "alpha", f"{now.alpha:g}", f"1 in {1 / now.alpha:.0f} verdicts may be wrong by chance", decision, "number"
        ),
        _line("cluster_by", now.cluster_by or "", "group: examples of a group stand or fall together", decision),
        _line("trials", f"{now.trials}", "times that each example is asked", decision, "number"),
    ]
    for index, rail in enumerate(now.guardrails):
        lines.append(
            Setting((*_RAILS, index), "guardrail", _rail_text(rail), "must not get worse", True, "guardrail")
        )
    for index, metric in enumerate(evalset.metrics):
        note = CATALOGUE[metric.id].summary if metric.id in CATALOGUE else ""
        lines.append(Setting(("metrics", index), "metric", _metric_text(metric), note, True, "metric"))
    return lines


def new_setting(evalset: EvalSet, kind: Literal["guardrail", "metric"], text: str) -> Setting:
    """A guardrail or a metric that is not there yet, to be typed."""
    index = len(evalset.metrics if kind == "metric" else evalset.decision.guardrails)
    path: KeyPath = ("metrics", index) if kind == "metric" else (*_RAILS, index)
    return Setting(path, kind, text, "", False, kind)


def change_setting(lab: Reader, name: str, setting: Setting, text: str) -> None:
    """Write one line; "" takes it out of the file. Comments and all else stay.

    Raises:
        UsageFault: The text is no number, no guardrail, no table; or the line was changed on disk since it was shown.
        InvalidFile: The eval set would be wrong with it, in another way than before.
        CannotEdit: The file cannot be changed in place.
    """
    evalset = lab.workspace.load_evalset(name)
    data = lab.workspace.read(evalset.source)
    if setting.given and setting not in settings_of(lab, evalset):
        raise UsageFault(
            f"{evalset.source}: {setting.label} was changed on disk meanwhile. Look at it and try again."
        )
    value = _value(setting, text.strip()) if text.strip() else GONE
    edited = change_tables(data, _changes(setting, value, data, evalset), above="examples")
    check_settings(lab, evalset, edited)
    path = lab.workspace.locate(evalset.source)
    edit.write_if_unchanged(path, edited, edit.stamp(data))
    lab.wrote(evalset.source, data, edited, f"changed {setting.label} in {evalset.source}")


def read_source(lab: Reader, name: str) -> str:
    """The text of an eval set's own file.

    Raises:
        NotFound: There is none.
        InvalidFile: It is not UTF-8.
    """
    path = lab.workspace.evalset_path(name)
    source = path.relative_to(lab.root).as_posix()
    try:
        return lab.workspace.read(source).decode("utf-8")
    except UnicodeDecodeError:
        raise InvalidFile(Problem("The file is not UTF-8 text.", source, hint="Save it as UTF-8.")) from None


def write_source(lab: Reader, name: str, before: str, text: str) -> str:
    """Write an eval set's own file. Gives what is wrong with it now, as sentences, or "".

    Args:
        lab: The lab.
        name: Of the eval set.
        before: Its text as it was read: a file that changed since is not written.
        text: To write. A text that does not load is written, too: it is what the person saved.

    Raises:
        FileChanged: Somebody else changed the file.
        StorageFault: It cannot be written.
    """
    path = lab.workspace.evalset_path(name)
    source = path.relative_to(lab.root).as_posix()
    data = before.encode()
    edit.write_if_unchanged(path, text.encode(), edit.stamp(data))
    lab.wrote(source, data, text.encode(), f"wrote {source}")
    try:
        return "\n".join(map(str, _problems(lab, lab.workspace.load_evalset(name))))
    except PromptlabError as fault:
        return str(fault)


def check_settings(lab: Reader, evalset: EvalSet, data: bytes) -> None:
    """Say what is wrong with an eval set's file as it would be, and is not so already.

    Raises:
        InvalidFile: Something is.
    """
    folder = evalset.source.rpartition("/")[0]
    new = parse_evalset(
        data, evalset.name, evalset.source, lambda relative: lab.workspace.read(f"{folder}/{relative}")
    )
    known = _problems(lab, evalset)
    problems = [problem for problem in _problems(lab, new) if problem not in known]
    if problems:
        raise InvalidFile(*problems)


def _problems(lab: Reader, evalset: EvalSet) -> list[Problem]:
    metrics = planning.judged_by_default(lab.workspace, evalset.metrics)
    problems = [*metric_problems(evalset, metrics), *model_problems(evalset, metrics, lab.settings.models)]
    if not problems:
        try:
            planning.judge_prompts(lab.workspace, metrics)
        except PromptlabError as fault:
            problems = [Problem(str(fault), evalset.source)]
    return problems


def _line(
    key: str, text: str, note: str, given: Mapping[str, object], kind: Literal["text", "number"] = "text"
) -> Setting:
    return Setting((*_DECISION, key), key, text, note, key in given, kind)


def _given(data: bytes) -> Mapping[str, object]:
    return tomllib.loads(data.decode("utf-8-sig"))


def _changes(setting: Setting, value: object, data: bytes, evalset: EvalSet) -> list[Change]:
    if setting.kind == "guardrail" and not evalset.decision.guardrails:
        return [Change(_RAILS, [value])]
    if setting.kind == "metric" and isinstance(value, dict) and setting.given:
        # Key by key, so that what is written beside a key that stays is not touched.
        index = cast("int", setting.path[1])
        table = cast("list[dict[str, object]]", _given(data)["metrics"])[index]
        new = cast("dict[str, object]", value)
        keys = {**table, **new}
        return [
            Change((*setting.path, key), new.get(key, GONE)) for key in keys if table.get(key) != new.get(key, GONE)
        ]
    return [Change(setting.path, value)]


def _value(setting: Setting, text: str) -> object:
    match setting.kind:
        case "number":
            return _number(setting.label, text)
        case "guardrail":
            return _rail(text)
        case "metric":
            return _metric(text)
        case _:
            return text


def _number(label: str, text: str) -> object:
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise UsageFault(f"{label}: expected a number, such as {'3' if label == 'trials' else '0.05'}.")
    return value


def _rail(text: str) -> dict[str, object]:
    words = text.split()
    if len(words) != 3 or words[1] not in ("margin", "ratio"):
        raise UsageFault("A guardrail is a metric, margin or ratio, and a number: `greeting margin 0.03`.")
    return {"metric": words[0], words[1]: _number("guardrail", words[2])}


def _rail_text(rail: Guardrail) -> str:
    return (
        f"{rail.metric} ratio {rail.ratio:g}" if rail.ratio is not None else f"{rail.metric} margin {rail.margin:g}"
    )


def _metric(text: str) -> dict[str, object]:
    """A table of TOML, or the id alone."""
    source = text if text.startswith("{") else f'{{ id = "{text}" }}'
    try:
        found: object = tomllib.loads(f"metric = {source}")["metric"]
    except tomllib.TOMLDecodeError as fault:
        raise UsageFault(f"{_METRIC} {fault}.") from None
    if not isinstance(found, dict):
        raise UsageFault(_METRIC)
    return cast("dict[str, object]", found)


def _metric_text(metric: MetricSpec) -> str:
    table: dict[str, object] = {"id": metric.id}
    table |= {"name": metric.name} if metric.name != metric.id else {}
    table |= {"on": metric.on} if metric.on else {}
    table |= metric.options
    return metric.id if len(table) == 1 else literal(table)
