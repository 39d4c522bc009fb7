"""From a run request to a plan: subjects × models over an eval set, every name resolved before the first call."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from hashlib import sha256

from msgspec import structs

from promptlab.errors import InvalidFile, NotFound, Problem, UsageFault
from promptlab.lab.custom import code_in, require_trust, with_content
from promptlab.lab.problems import metric_problems, model_problems, search_problems
from promptlab.lab.values import RunRequest, Subject
from promptlab.models.values import Model
from promptlab.runs.options import apply_overrides, choose_examples, override_steps
from promptlab.runs.plan import ColumnSpec, make_plan
from promptlab.runs.values import Plan, Variant
from promptlab.scoring import catalogue
from promptlab.scoring.criteria import builtin, builtin_bytes, is_builtin
from promptlab.scoring.defaults import default_metrics
from promptlab.scoring.families.meaning import MEANINGS
from promptlab.scoring.steps import chain_problems
from promptlab.workspace.chains import prompts_in
from promptlab.workspace.corpora import Corpora
from promptlab.workspace.faults import TemplateFault
from promptlab.workspace.folder import Workspace
from promptlab.workspace.identity import examples_hash
from promptlab.workspace.prompts import parse_prompt
from promptlab.workspace.templates import missing_variables, render
from promptlab.workspace.toml import did_you_mean
from promptlab.workspace.values import EvalSet, Example, MetricSpec, Prompt, Retrieve

JURY = " + "
"""Stands between the identities of several models that judge together, or of a model and those it searches with."""
OTHER_SEEDS = 1_000_000
"""How far the seeds of the second half of an A/A run are from those of the first: no number of trials reaches it."""


def build(
    workspace: Workspace,
    request: RunRequest,
    subject_of: Callable[[str], Subject],
    model_of: Callable[[str], Model],
) -> Plan:
    """Resolve everything a run names.

    Raises:
        UsageFault: Nothing to run, or names that contradict each other.
        NotFound: A prompt, version, model or eval set that does not exist.
        InvalidFile: A file that does not load, or an eval set that lacks a variable on every example.
    """
    subjects = [subject_of(text) for text in request.subjects or _default_prompt(workspace)]
    evalset = workspace.load_evalset(evalset_name(workspace, request.evalset, subjects[0].prompt))
    if request.inputs:
        evalset = structs.replace(evalset, examples=request.inputs)
    metrics = judged_by_default(workspace, evalset.metrics or default_metrics(evalset.examples))
    there = workspace.settings.models
    problems = [*metric_problems(evalset, metrics), *model_problems(evalset, metrics, there)]
    for subject in subjects:
        problems += [*chain_problems(subject.prompt), *search_problems(subject.prompt, there)]
    if problems:
        raise InvalidFile(*problems)
    code = code_in(workspace, metrics)
    require_trust(workspace, code.values())
    metrics = with_content(metrics, code)
    for subject in subjects:
        _check_variables(subject, evalset)
    models = [model_of(name) for name in model_names(workspace, request.models)]
    ordered = _with_baseline(subjects, request.baseline, subject_of)
    plan = make_plan(
        evalset=evalset,
        examples=choose_examples(evalset, request.sample, request.only),
        columns=_columns(ordered, models, request, model_of),
        trials=request.trials or evalset.decision.trials,
        baseline="a",
        metrics=metrics,
        decision=evalset.decision,
        sources=_sources(workspace, ordered, evalset, metrics) | {file: one.data for file, one in code.items()},
    )
    plan = _with_judges(workspace, plan, model_of)
    whole = plan.examples is evalset.examples and not request.inputs
    plan = structs.replace(
        plan,
        # Of the examples that are run: a sample is other cases than the whole eval set.
        evalset_content=evalset.content if whole else examples_hash(plan.examples),
        variants=_labelled(plan.variants, request),
        prompts=plan.prompts | {_version(subject.prompt): subject.whole for subject in ordered},
        currency=_currency(workspace, (model.name for model in models)),
    )
    if not request.until_clear:
        return plan
    from promptlab.lab.sequential import sequential_plan

    return sequential_plan(plan, request)


def identity_for(prompt: Prompt, model: Model, model_of: Callable[[str], Model]) -> str:
    """What answers of a prompt are made by: the model, and the embedding models that steps of a chain search with.

    Other vectors find other passages, so a chain whose embedding model was exchanged is another column.
    """
    searching = [step.does.model for step in prompt.steps if isinstance(step.does, Retrieve) and step.does.model]
    return identity_of([model, *map(model_of, dict.fromkeys(searching))])


def _columns(
    subjects: Sequence[Subject], models: Sequence[Model], request: RunRequest, model_of: Callable[[str], Model]
) -> list[ColumnSpec]:
    """Subjects × models; each twice in an A/A run."""
    columns = [
        ColumnSpec(
            subject=subject.asked,
            prompt=override_steps(subject.prompt, request.overrides),
            version=subject.version,
            model=model.name,
            identity=identity_for(subject.prompt, model, model_of),
            params=apply_overrides(subject.prompt.params, request.overrides),
            capabilities=model.capabilities,
        )
        for subject in subjects
        for model in models
    ]
    return _twice(columns, subjects) if request.again else columns


def _labelled(variants: Sequence[Variant], request: RunRequest) -> tuple[Variant, ...]:
    """The columns with the overrides that their labels show; the second half of an A/A run has other seeds."""
    overrides = ", ".join(f"{name}={text}" for name, text in request.overrides)
    words = (overrides, f"{overrides}, other seeds".removeprefix(", ")) if request.again else (overrides,)
    return tuple(structs.replace(variant, overrides=words[at % len(words)]) for at, variant in enumerate(variants))


def _with_judges(workspace: Workspace, plan: Plan, model_of: Callable[[str], Model]) -> Plan:
    """The plan with its judges: their texts, the models behind them, and a digest that tells both."""
    judges = judge_prompts(workspace, plan.metrics)
    models = judge_models(plan.metrics, model_of)
    return structs.replace(
        plan,
        digest=_digest(plan, judges, models),
        prompts={_version(judge): judge_bytes(workspace, judge) for judge in judges.values()},
        judges={metric: _version(judge) for metric, judge in judges.items()},
        judge_models=models,
    )


def _default_prompt(workspace: Workspace) -> tuple[str, ...]:
    if workspace.settings.defaults.prompt is None:
        raise UsageFault("Say which prompt to run, for example `promptlab run triage`. Or set defaults.prompt.")
    return (workspace.settings.defaults.prompt,)


def _twice(columns: Sequence[ColumnSpec], subjects: Sequence[Subject]) -> list[ColumnSpec]:
    """Each column, and behind it the same with other seeds."""
    if len(subjects) > 1:
        raise UsageFault("An A/A run compares a subject with itself: name one.")
    pairs = (
        (
            column,
            structs.replace(column, params=structs.replace(column.params, seed=column.params.seed + OTHER_SEEDS)),
        )
        for column in columns
    )
    return [column for pair in pairs for column in pair]


def _version(prompt: Prompt) -> str:
    return f"{prompt.name}@{prompt.content}"


def _digest(plan: Plan, judges: Mapping[str, Prompt], models: Mapping[str, str]) -> str:
    """A changed judge, or another model behind it, makes other scores, so it makes another plan."""
    if not models:
        return plan.digest
    content = {metric: judge.content for metric, judge in judges.items()}
    words = sorted(f"{metric} {content.get(metric, '')} {identity}" for metric, identity in models.items())
    return sha256("\n".join([plan.digest, *words]).encode()).hexdigest()


def _currency(workspace: Workspace, models: Iterable[str]) -> str:
    prices = [entry.price for name in models if (entry := workspace.settings.models[name]).price]
    currencies = {price.currency for price in prices if price}
    return currencies.pop() if len(currencies) == 1 else ""


def prompts_of(plan: Plan) -> dict[str, Prompt]:
    """The prompt of each column."""
    return {variant.column: _prompt(plan, f"{variant.prompt}@{variant.content}") for variant in plan.variants}


def judges_of(plan: Plan) -> dict[str, Prompt]:
    """The judge of each judge metric."""
    return {metric: _prompt(plan, version) for metric, version in plan.judges.items()}


def _prompt(plan: Plan, version: str) -> Prompt:
    name = version.rpartition("@")[0]
    return parse_prompt(plan.prompts[version], name, f"prompts/{name}.toml")


def _with_baseline(subjects: Sequence[Subject], baseline: str, subject_of: Callable[[str], Subject]) -> list[Subject]:
    """The subjects with the baseline first: its columns are then the first of the run."""
    if not baseline:
        return list(subjects)
    asked = next((subject for subject in subjects if subject.asked == baseline), None) or subject_of(baseline)
    return [asked, *(subject for subject in subjects if subject.asked != baseline)]


def evalset_name(workspace: Workspace, asked: str, prompt: Prompt | None = None) -> str:
    """The eval set asked for, else the prompt's usual one, else the default of the workspace, else the only one.

    Raises:
        NotFound: There is none of that name, or none at all.
        UsageFault: Several, and none is the default.
    """
    names = workspace.evalset_names()
    usual = prompt.evalset if prompt else None
    name = asked or usual or workspace.settings.defaults.evalset or (names[0] if len(names) == 1 else "")
    if name in names:
        return name
    if not names:
        raise NotFound("There is no eval set yet. Create evalsets/NAME.toml with [[examples]] and [[metrics]].")
    if not name:
        raise UsageFault(f"Say which eval set to use with -e: {', '.join(names)}. Or set defaults.evalset.")
    raise NotFound(f"There is no eval set “{name}”.{_hint(name, names)} Eval sets here: {', '.join(names)}.")


def model_names(workspace: Workspace, asked: Sequence[str]) -> tuple[str, ...]:
    """The models asked for, else the defaults of the workspace, else the only one.

    Raises:
        NotFound: One of them is not in promptlab.toml, or no model is.
        UsageFault: Several, and none is the default.
    """
    there = workspace.settings.models
    if not there:
        raise NotFound("No model is declared. Add [models.NAME] with gguf = … or model = … to promptlab.toml.")
    for name in asked:
        if name not in there:
            raise NotFound(f"There is no model “{name}”.{_hint(name, there)} Models here: {', '.join(there)}.")
    names = tuple(dict.fromkeys(asked)) or workspace.settings.defaults.models
    if not names and len(there) > 1:
        raise UsageFault(f"Say which model to use with -m: {', '.join(there)}. Or set defaults.models.")
    return names or tuple(there)


def judged_by_default(workspace: Workspace, metrics: Sequence[MetricSpec]) -> tuple[MetricSpec, ...]:
    """Judge metrics that name no judge or model get the default ones of the workspace, so that both are on record.

    ``builtin:conciseness`` as the id of a metric is short for a judge metric with that judge.
    """
    return tuple(_judged_by_default(workspace, spec) for spec in metrics)


def _judged_by_default(workspace: Workspace, spec: MetricSpec) -> MetricSpec:
    defaults = workspace.settings.defaults
    if is_builtin(spec.id):
        spec = MetricSpec(id=catalogue.JUDGE, name=spec.name, options={"judge": spec.id, **spec.options})
    if spec.id != catalogue.JUDGE:
        return spec
    model = next(iter(defaults.models or workspace.settings.models), None)
    given = {"judge": defaults.judge, "model": None if "models" in spec.options else model}
    options = {name: value for name, value in given.items() if value} | spec.options
    return MetricSpec(id=spec.id, name=spec.name, options=options)


def judge_models(metrics: Iterable[MetricSpec], model_of: Callable[[str], Model]) -> dict[str, str]:
    """Metric name to the identity of what judges or embeds for it: scores of another model are other scores."""
    return {
        spec.name: identity_of([model_of(name) for name in catalogue.jurors(spec)])
        for spec in metrics
        if spec.id == catalogue.JUDGE or spec.id in MEANINGS
    }


def identity_of(models: Iterable[Model]) -> str:
    """What is made by these models together."""
    return JURY.join(model.identity for model in models)


def _check_variables(subject: Subject, evalset: EvalSet) -> None:
    """A prompt that no example can fill is a mistake of the command, not of the cells."""
    if not any(_fills(subject.prompt, example) for example in evalset.examples):
        raise InvalidFile(*missing_variables(subject.prompt, evalset))


def _fills(prompt: Prompt, example: Example) -> bool:
    try:
        render(prompt, example.vars)
    except TemplateFault as fault:
        return not fault.variable
    return True


def judge_prompts(workspace: Workspace, metrics: Iterable[MetricSpec]) -> dict[str, Prompt]:
    """Metric name to its judge's prompt.

    Raises:
        InvalidFile: A judge metric names a prompt that does not exist or is no judge.
    """
    found: dict[str, Prompt] = {}
    for spec in metrics:
        if spec.id != "judge":
            continue
        name = str(spec.options.get("judge", ""))
        if is_builtin(name):
            found[spec.name] = builtin(name)
            continue
        if name not in workspace.prompt_names():
            close = _hint(name, workspace.prompt_names())
            raise InvalidFile(Problem(f"metric “{spec.name}” names the judge “{name}”, which does not exist.{close}"))
        prompt = workspace.load_prompt(name)
        if prompt.judge is None:
            raise InvalidFile(
                Problem(
                    f"“{name}” is used as a judge by metric “{spec.name}” but has no [judge] table.", prompt.source
                )
            )
        found[spec.name] = prompt
    return found


def judge_bytes(workspace: Workspace, judge: Prompt) -> bytes:
    """The text of a judge: of its file, or of the criterion that promptlab brings."""
    return builtin_bytes(judge.name) if is_builtin(judge.name) else workspace.read(judge.source)


def _sources(
    workspace: Workspace, subjects: Iterable[Subject], evalset: EvalSet, metrics: Iterable[MetricSpec]
) -> dict[str, bytes]:
    """Every input file with the bytes that are used, to go into the run's snapshot.

    Only a working copy's bytes stand for its file: an old version is already in git, at the commit that brought it.
    """
    sources = {file: workspace.read(file) for file in evalset.files}
    for prompt in judge_prompts(workspace, metrics).values():
        if not is_builtin(prompt.name):
            sources[prompt.source] = workspace.read(prompt.source)
    for subject in subjects:
        if "@" not in subject.asked:
            sources[subject.source] = subject.data
            sources |= {file: workspace.read(file) for file in _used(workspace, subject.prompt)}
    sources["promptlab.toml"] = workspace.read("promptlab.toml")
    return sources


def _used(workspace: Workspace, chain: Prompt) -> list[str]:
    """The files of the working copy that a chain uses."""
    corpora = Corpora(workspace)
    files = [
        file
        for step in chain.steps
        if isinstance(step.does, Retrieve)
        for file in corpora.corpus(step.does.corpus).files
    ]
    names = [prompt.name for prompt in prompts_in(chain) if prompt.content and "@" not in prompt.source]
    return [workspace.prompt_path(name).relative_to(workspace.root).as_posix() for name in names] + files


def _hint(word: str, known: Iterable[str]) -> str:
    return f" {near}" if (near := did_you_mean(word, known)) else ""
