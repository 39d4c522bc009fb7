"""One GGUF model: from requests to outcomes, many at once.

Lives in the child process only.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Collection, Sequence

import llama_cpp as native  # noqa: TID251  (only the child process imports this module)
import msgspec

from promptlab.models.gguf.answer import AnswerText, AnswerWriter
from promptlab.models.gguf.choosing import spelled_choices
from promptlab.models.gguf.embedding import Embedder
from promptlab.models.gguf.invariance import is_invariant
from promptlab.models.gguf.model import CannotLoad, GgufFile, Refused
from promptlab.models.gguf.prefixes import Tokens
from promptlab.models.gguf.sampling import Samplers
from promptlab.models.gguf.scheduler import Job, Mode, Scheduler
from promptlab.models.gguf.tasks import Task, Weighing, Writing
from promptlab.models.values import Fault, Outcome, Request
from promptlab.workspace.values import Message

__all__ = ["CannotLoad", "Engine", "Refused"]

_ALONE = Mode(slots=1, share=False, afresh=True)


class Engine:
    """A loaded model.

    Args:
        path: The GGUF file.
        context: Tokens of prompt and answer together; None for what the model was trained on, at most 4096.
        threads: Threads that compute.
        plain: Keep to the kernels of the plain instruction set: no rearranged weights, no matrix unit (AMX).
        mode: How requests share the machine. An invariant mode is tried with this file first: where it does not
            give the same numbers, requests are answered one after the other, which always does.

    Attributes:
        context: As above, as it is now.
        embedder: The same model, where it gives vectors.
        mode: The mode in use.

    Raises:
        CannotLoad: The file is damaged, of an unknown architecture, or no text generator.
    """

    def __init__(
        self, path: bytes, context: int | None, threads: int, plain: bool = False, mode: Mode | None = None
    ) -> None:
        self._file = GgufFile(path, context, plain)
        self.context = self._file.context
        self.mode = mode or Mode()
        if self.mode.invariant and self._file.writes and not is_invariant(self._file, threads):
            sys.stderr.write("This file gives other numbers in a batch than alone: it is asked one by one.\n")
            self.mode = _ALONE
        self.embedder = Embedder(self._file, threads)
        self._scheduler = Scheduler(self._file, threads, self.mode)
        self._samplers = Samplers(self._file.vocabulary, self._file.log)
        self._at_work: dict[Job, _Asked] = {}
        self._refused: list[tuple[int, Outcome]] = []
        self._watched = False  # whether anybody wants to hear the news
        self._told = 0  # how many tokens the last news were of
        way = ", batch-invariant" if self.mode.invariant else ", one by one" if self.mode == _ALONE else ""
        self._fingerprint = f"llama-cpp-python {native.__version__}{way}"

    def close(self) -> None:
        """Let go of the native memory. The engine must not be used again."""
        self._samplers.close()
        self._scheduler.close()
        self.embedder.close()
        self._file.close()

    @property
    def evaluated(self) -> int:
        """Tokens of prompts and answers that the model has worked on so far."""
        return self._scheduler.evaluated

    @property
    def busy(self) -> bool:
        """Whether a step would do anything."""
        return bool(self._refused) or self._scheduler.busy

    def tokens(self, messages: Sequence[Message]) -> Tokens:
        """The prompt as the model sees it.

        Raises:
            Refused: The chat template cannot render the messages, or nothing is left of them.
        """
        return self._file.tokens(messages)

    def answer(self, requests: Sequence[Request]) -> list[Outcome]:
        """The outcomes of requests, in their order."""
        self.add(list(enumerate(requests)))
        found: dict[int, Outcome] = {}
        while self.busy:
            self.admit()
            found.update(self.step())
        return [found[number] for number in range(len(requests))]

    def add(self, asks: Sequence[tuple[int, Request]], watched: bool = False) -> None:
        """Take on the requests of one call, each with a number of the caller's own.

        Requests that must have one answer, since they differ in nothing that it depends on, are answered once.
        ``watched`` ones are part of ``news``.
        """
        self._watched = watched or (self._watched and self.busy)
        tasks: dict[bytes, _Asked] = {}
        for number, request in asks:
            try:
                prompt = self._file.tokens(request.messages)
                what = _what_matters(prompt, request)
                if what not in tasks:
                    tasks[what] = _Asked(self._new_task(request, prompt), watched)
            except Refused as refused:
                self._refused.append((number, _failed(request.key, refused.fault)))
            else:
                tasks[what].keys.append((number, request.key))
        for asked in tasks.values():
            self._at_work.update(dict.fromkeys(asked.task.jobs, asked))
        self._scheduler.add([job for asked in tasks.values() for job in asked.task.jobs])

    def admit(self) -> list[int]:
        """Begin with as many requests as there is room for: the numbers of those."""
        return [number for job in self._scheduler.admit() for number, _ in self._at_work[job].keys]

    def step(self) -> list[tuple[int, Outcome]]:
        """One step of the model: what is complete with it. What is wrong with a request is a fault of its outcome."""
        found, self._refused = self._refused, []
        for job in self._scheduler.step():
            asked = self._at_work.pop(job)
            asked.left -= 1
            if not asked.left:
                outcome = self._outcome(asked.task)
                found += [(number, msgspec.structs.replace(outcome, key=key)) for number, key in asked.keys]
        return found

    def drop(self, numbers: Collection[int]) -> None:
        """Give up requests: nothing more is done for them, and there is no outcome."""
        dropped = set(numbers)
        self._refused = [one for one in self._refused if one[0] not in dropped]
        for asked in list(dict.fromkeys(self._at_work.values())):
            asked.keys = [one for one in asked.keys if one[0] not in dropped]
        jobs = {job for job, asked in self._at_work.items() if not asked.keys}
        for job in jobs:
            del self._at_work[job]
        self._scheduler.drop(jobs)

    def news(self) -> tuple[tuple[tuple[int, str], ...], int] | None:
        """Of watched requests, since the last time: the texts that grew and the tokens that were worked on."""
        texts: list[tuple[int, str]] = []
        at_work = dict.fromkeys(self._at_work[job] for job in self._scheduler.running)
        for asked in at_work:
            text = asked.task.text() if asked.watched else ""
            if text != asked.told:
                asked.told = text
                texts += [(number, text) for number, _ in asked.keys]
        tokens, self._told = self.evaluated - self._told, self.evaluated
        return (tuple(texts), tokens) if self._watched and tokens else None

    def _new_task(self, request: Request, prompt: Tokens) -> Task:
        """What is to be done for a request.

        Raises:
            Refused: It cannot be.
        """
        if request.choice_probabilities:
            choices = spelled_choices(self._file.vocabulary, request.constraint)
            self._file.budget(len(prompt) + max(map(len, choices.places)), request.params)
            return Weighing(prompt, choices)
        budget = self._file.budget(len(prompt), request.params)
        self._samplers.check(request)
        return Writing(prompt, budget, lambda: self._new_writer(request, budget))

    def _new_writer(self, request: Request, budget: int) -> AnswerWriter:
        text = AnswerText(request.params.stop)
        return AnswerWriter(self._file.vocabulary, self._samplers.new(request), text, budget, request.logprobs)

    def _outcome(self, task: Task) -> Outcome:
        for job in task.jobs:
            if job.problem:
                size = job.cells * self._file.token_bytes // 2**20
                message = (
                    f"The prompt and its answer need memory for {job.cells} tokens, about {size} MB, and that cannot "
                    f"be had: {job.problem}. Lower `max_tokens`, shorten the prompt, or close other programs."
                )
                return _failed("", Fault("context", message))
        latency = time.perf_counter() - min(job.begun for job in task.jobs)
        return msgspec.structs.replace(task.outcome(), latency=latency, fingerprint=self._fingerprint)


class _Asked:
    """A task at work, and the numbers and keys of the requests that it answers.

    Attributes:
        watched: Whether it is told how far it is.
        told: The text that was told last.
        left: How many of its jobs are not done.
    """

    def __init__(self, task: Task, watched: bool) -> None:
        self.task = task
        self.watched = watched
        self.told = ""
        self.keys: list[tuple[int, str]] = []
        self.left = len(task.jobs)


def _what_matters(prompt: Tokens, request: Request) -> bytes:
    """Equal for requests that must have one answer: a greedy one does not depend on the seed."""
    seed = request.seed if request.params.temperature > 0 else 0
    how = (request.params, seed % native.LLAMA_DEFAULT_SEED, request.constraint)
    beside = (request.logprobs, request.choice_probabilities)
    return prompt.tobytes() + msgspec.msgpack.encode((how, beside))


def _failed(key: str, fault: Fault) -> Outcome:
    return Outcome(key=key, finish="error", fault=fault)
