"""A prompt or chain for use in a Python program: filled, asked, answered, with the requests that a run would send."""

from __future__ import annotations

import asyncio
import threading
import tomllib
import weakref
from collections.abc import AsyncGenerator, Mapping, Sequence
from pathlib import Path
from typing import Self, cast

import msgspec
from msgspec import Struct

from promptlab.errors import InvalidFile, ModelFault, NotFound, Problem, UsageFault
from promptlab.lab import planning
from promptlab.lab.lab import Lab
from promptlab.lab.tracing import grades_for
from promptlab.models import registry, trust
from promptlab.models.cache import Cache
from promptlab.models.values import Model, Outcome
from promptlab.runs.plan import ColumnSpec, make_plan
from promptlab.runs.traces import Trace
from promptlab.runs.values import Plan, StepProgress
from promptlab.workspace.corpora import Corpora, Corpus, Document
from promptlab.workspace.prompts import parse_prompt
from promptlab.workspace.settings import parse_settings
from promptlab.workspace.settings_values import ModelEntry
from promptlab.workspace.values import EvalSet, Example, Message, Prompt, Retrieve

_EXAMPLE = "call"
_MOST_CHARACTERS = 2_000_000  # of a corpus in an exported file


class Answer(Struct, frozen=True):
    """What came back.

    Attributes:
        outcome: With token counts, time and cost.
        trace: How a chain came to it, None for a prompt.
    """

    text: str
    outcome: Outcome
    trace: Trace | None = None


class Loaded:
    """A prompt or a chain on a model, ready to be asked. Close it, or use it in a ``with``, to end a local model.

    Attributes:
        prompt: What was loaded.
        model: The entry of the model that it asks.
    """

    def __init__(
        self, prompt: Prompt, name: str, entries: Mapping[str, ModelEntry], root: Path, corpora: Corpora
    ) -> None:
        self.prompt = prompt
        self.model = entries[name]
        self._entries = entries
        self._root = root
        self._open: dict[str, Model] = {}
        self._asked = self._model(name)
        self._grades = grades_for(corpora, self._model, Cache()) if prompt.steps else None
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._end = weakref.finalize(self, lambda: None)

    def render(self, **vars: object) -> tuple[Message, ...]:
        """The messages that the model would be sent; of a chain those of its first questions, one after the other.

        Raises:
            TemplateFault: A variable is missing.
        """
        from promptlab.runs.chains.waves import look_up, walks_of

        plan = self._plan(vars)
        if self._grades is None:
            request = plan.cells[0].request
            assert request is not None, "a prompt has a request, or a problem that was raised"
            return request.messages
        walks = list(walks_of(plan, plan.cells, self._asked, self._grades).values())
        if walks[0].lookups:
            asyncio.run_coroutine_threadsafe(
                look_up(walks, self._grades, asyncio.Event(), _untold), self._own_loop()
            ).result()
        return tuple(message for request in walks[0].requests for message in request.messages)

    def run(self, **vars: object) -> Answer:
        """Ask, and wait for the answer. May be called from any thread; not where an event loop is running.

        Raises:
            TemplateFault: A variable is missing.
            ModelFault: There is no answer; the text says why.
        """
        return asyncio.run_coroutine_threadsafe(self._answer(self._plan(vars)), self._own_loop()).result()

    async def arun(self, **vars: object) -> Answer:
        """As ``run``, from a coroutine. Many may be under way at once."""
        future = asyncio.run_coroutine_threadsafe(self._answer(self._plan(vars)), self._own_loop())
        return await asyncio.wrap_future(future)

    def close(self) -> None:
        """End the model's process or connections. May be called twice."""
        with self._lock:
            self._end()
            self._loop = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _model(self, name: str) -> Model:
        """A model by name, open until this is closed."""
        if name not in self._entries:
            raise NotFound(f"There is no model “{name}”. Models here: {', '.join(self._entries) or 'none'}.")
        if name not in self._open:
            entry = self._entries[name]
            self._open[name] = registry.open_model(entry, self._root, trusted=trust.is_trusted(self._root, entry))
        return self._open[name]

    def _own_loop(self) -> asyncio.AbstractEventLoop:
        """The loop that the model lives in, in a thread of its own: it stays loaded from one call to the next."""
        with self._lock:
            if self._loop is None:
                loop = self._loop = asyncio.new_event_loop()
                thread = threading.Thread(target=loop.run_forever, name="promptlab", daemon=True)
                thread.start()
                self._end = weakref.finalize(self, _end, loop, thread, self._open)
            return self._loop

    def _plan(self, vars: dict[str, object]) -> Plan:
        """The same plan that a run over one example would have."""
        example = Example(_EXAMPLE, vars)
        evalset = EvalSet("python", "", "python", (), (example,))
        prompt, model = self.prompt, self._asked
        column = ColumnSpec(prompt.name, prompt, "*", model.name, model.identity, prompt.params, model.capabilities)
        plan = make_plan(evalset, (example,), (column,), trials=1)
        if problem := plan.cells[0].problem:
            from promptlab.workspace.faults import TemplateFault

            raise TemplateFault(problem)
        return plan

    async def _answer(self, plan: Plan) -> Answer:
        (cell,) = plan.cells
        if cell.request is not None:
            return _told(Answer("", await _one(self._asked, cell.request.key, plan)))
        from promptlab.runs.chains.waves import Wanted, walk, walks_of

        assert self._grades is not None, "a chain is loaded with grades"
        walks = await asyncio.to_thread(walks_of, plan, plan.cells, self._asked, self._grades)

        async def answers(wanted: Wanted) -> AsyncGenerator[list[Outcome], None]:
            requests = [request for request, _, _ in wanted.values()]
            async for outcome in self._asked.generate(requests):
                yield [outcome]

        async for ended in walk(walks, answers, self._grades, asyncio.Event(), _untold):
            for _, one in ended:
                return _told(Answer("", one.outcome(cell.key), one.trace))
        raise ModelFault(f"{self._asked.name} gave no answer.")


def _untold(progress: StepProgress) -> None:
    """Nobody watches."""


async def _one(model: Model, key: str, plan: Plan) -> Outcome:
    request = plan.cells[0].request
    assert request is not None, "asked only of a prompt"
    async for outcome in model.generate([request]):
        if outcome.key == key:
            return outcome
    raise ModelFault(f"{model.name} gave no answer.")


def _told(answer: Answer) -> Answer:
    if answer.outcome.fault is not None:
        raise ModelFault(answer.outcome.fault.message)
    return Answer(answer.outcome.text, answer.outcome, answer.trace)


def _end(loop: asyncio.AbstractEventLoop, thread: threading.Thread, models: Mapping[str, Model]) -> None:
    for model in models.values():
        asyncio.run_coroutine_threadsafe(model.close(), loop).result(10)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(10)
    loop.close()


# -- finding it -----------------------------------------------------------------------------------


def load(subject: str, path: Path | str = ".", *, model: str = "") -> Loaded:
    """A prompt or chain by what a person writes, ``reply``, ``reply@v3``, ``reply@production``; or an exported file.

    Args:
        subject: The subject, or the path of a file that ``promptlab export`` wrote.
        path: A folder in the workspace, for a subject.
        model: A name of ``promptlab.toml``, or of the exported file; the default one when "".

    Raises:
        NotFound: No such workspace, prompt, version or model.
        InvalidFile: Its file does not load.
        ModelFault: The model cannot be used.
    """
    if subject.endswith(".toml") and Path(subject).is_file() and _is_export(Path(subject)):
        return _from_file(Path(subject), model)
    lab = Lab.open(Path(path))
    found = lab.subject(subject)
    name = model or planning.model_names(lab.workspace, ())[0]
    planning.model_names(lab.workspace, (name,))
    return Loaded(found.prompt, name, lab.settings.models, lab.root, Corpora(lab.workspace))


def export(lab: Lab, subject: str, models: Sequence[str] = ()) -> bytes:
    """A file that ``load`` takes without a workspace and without git: the subject, all it uses, and its models.

    Raises:
        NotFound: No such subject or model.
        UsageFault: A corpus is too large for one file.
    """
    import tomli_w

    found = lab.subject(subject)
    searches = [step.does for step in found.prompt.steps if isinstance(step.does, Retrieve)]
    names = planning.model_names(lab.workspace, models)
    embedding = planning.model_names(lab.workspace, [rule.model for rule in searches if rule.model] or names)
    settings = tomllib.loads(lab.workspace.read("promptlab.toml").decode("utf-8-sig"))
    entries = cast("dict[str, object]", settings.get("models", {}))
    root = tomllib.loads(found.whole.decode("utf-8-sig"))
    root["export"] = {
        "subject": subject,
        "version": found.version,
        "content": found.prompt.content,
        "models": {name: entries[name] for name in dict.fromkeys([*names, *embedding])},
        **({"corpora": _corpora(lab, subject, searches)} if searches else {}),
    }
    return tomli_w.dumps(root, multiline_strings=True).encode()


def _corpora(lab: Lab, subject: str, searches: Sequence[Retrieve]) -> dict[str, object]:
    """The texts of the corpora of a chain, by their paths."""
    corpora = Corpora(lab.workspace)
    found: dict[str, object] = {}
    for rule in searches:
        corpus = corpora.corpus(rule.corpus)
        size = sum(len(document.text) for document in corpus.documents)
        if size > _MOST_CHARACTERS:
            raise UsageFault(
                f"{subject} retrieves from the corpus {rule.corpus}, whose {size:,} characters are too many for one "
                f"file: {_MOST_CHARACTERS:,} at most. Use it in its workspace."
            )
        texts = [{"source": document.source, "text": document.text} for document in corpus.documents]
        found[rule.corpus] = {"digest": corpus.digest, "texts": texts}
    return found


class _Text(Struct):
    source: str
    text: str


class _Texts(Struct):
    digest: str
    texts: list[_Text]


def _given(head: Mapping[str, object], path: Path) -> Corpora:
    """The corpora of an exported file."""
    try:
        found = msgspec.convert(head.get("corpora", {}), dict[str, _Texts])
    except msgspec.ValidationError as fault:
        raise InvalidFile(Problem(f"{fault}.", str(path), key="export.corpora", hint="Export it again.")) from None
    texts = {name: tuple(Document(each.source, each.text) for each in one.texts) for name, one in found.items()}
    return Corpora(None, {name: Corpus(texts[name], (), one.digest) for name, one in found.items()})


def _is_export(path: Path) -> bool:
    try:
        return "export" in tomllib.loads(path.read_text("utf-8-sig"))
    except (OSError, ValueError):
        return False


def _from_file(path: Path, model: str) -> Loaded:
    import tomli_w

    data = path.read_bytes()
    root = tomllib.loads(data.decode("utf-8-sig"))
    head = cast("dict[str, object]", root["export"])
    prompt = parse_prompt(data, str(head.get("subject", path.stem)).partition("@")[0], str(path))
    if prompt.content != head.get("content"):
        message = f"The text was changed since it was exported: it is {prompt.content} and was {head.get('content')}."
        raise InvalidFile(Problem(message, str(path), key="export.content", hint="Export it again."))
    entries = parse_settings(tomli_w.dumps({"models": head.get("models", {})}).encode(), str(path)).models
    name = model or next(iter(entries), "")
    if name not in entries:
        there = ", ".join(entries) or "none"
        raise NotFound(f"{path}: there is no model “{name}” in this file. Models in it: {there}.")
    return Loaded(prompt, name, entries, path.resolve().parent, _given(head, path))
