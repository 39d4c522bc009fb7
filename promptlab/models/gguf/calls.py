"""What is asked of a model and who waits for it: the program's side of the queue to the child process."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence

from promptlab.models.values import Fault, FaultKind, Outcome, Request, Watch, Written

DEATHS = 2
"""Of the child on one request: then that request is given up."""


class Call:
    """One ``generate`` or ``embed``: requests that wait, answers that nobody has taken yet, and who watches."""

    def __init__(self, requests: Sequence[Request | str], watch: Watch | None = None) -> None:
        self.watch = watch
        self.answers: asyncio.Queue[Outcome | tuple[str, bytes] | Exception] = asyncio.Queue()
        self.waiting = deque(Asked(self, request) for request in requests)


class Asked:
    """One request of a call, or a text to embed, and how often the child died on it."""

    def __init__(self, call: Call, request: Request | str) -> None:
        self.call = call
        self.request = request
        self.deaths = 0

    @property
    def key(self) -> str:
        return self.request.key if isinstance(self.request, Request) else ""

    def fail(self, kind: FaultKind, message: str) -> None:
        outcome = Outcome(key=self.key, finish="error", fault=Fault(kind, message))
        self.call.answers.put_nowait(outcome)


class Calls:
    """All open calls.

    Attributes:
        sent: What the child has, by number, in the order of sending.
        begun: Numbers of those that it is at work on.
    """

    def __init__(self) -> None:
        self._open: deque[Call] = deque()
        self._numbers = 0
        self.sent: dict[int, Asked] = {}
        self.begun: set[int] = set()

    @property
    def any(self) -> bool:
        """Whether anything waits, or is with the child."""
        return bool(self.sent) or any(call.waiting for call in self._open)

    @property
    def idle(self) -> bool:
        """Whether no call is open."""
        return not self._open

    def open(self, requests: Sequence[Request | str], watch: Watch | None = None) -> Call:
        """A new call."""
        call = Call(requests, watch)
        self._open.append(call)
        return call

    def next(self) -> list[Asked]:
        """What the child may have now: all that waits of a call, so that it can plan it as a whole.

        A request on which a child died, perhaps through no fault of its own, goes alone, before the others.
        """
        suspects = [one for call in self._open for one in call.waiting if one.deaths]
        if suspects and not self.sent:
            suspects[0].call.waiting.remove(suspects[0])
            return suspects[:1]
        if suspects or any(one.deaths for one in self.sent.values()):
            return []
        found: list[Asked] = []
        call = next((call for call in self._open if call.waiting), None)
        if call is not None:
            found, call.waiting = list(call.waiting), deque()
        return found

    def send(self, asked: Sequence[Asked]) -> range:
        """Note that the child has these: their numbers. All at once: it may die while they are being written."""
        numbers = range(self._numbers, self._numbers + len(asked))
        self._numbers += len(asked)
        self.sent.update(zip(numbers, asked, strict=True))
        return numbers

    def done(self, number: int) -> Asked | None:
        """The child is done with this one; None where nobody waits for it any more."""
        self.begun.discard(number)
        return self.sent.pop(number, None)

    def tell(self, texts: Sequence[tuple[int, str]], tokens: int) -> None:
        """Let those who watch hear of texts so far, by number, and of tokens worked on."""
        for call in [call for call in self._open if call.watch is not None]:
            own = [
                (one.key, text)
                for number, text in texts
                if (one := self.sent.get(number)) is not None and one.call is call
            ]
            assert call.watch is not None
            call.watch(Written(tuple(own), tokens))

    def tell_death(self, reason: str) -> None:
        """Let those who watch hear that the child is gone."""
        for call in self._open:
            if call.watch is not None:
                call.watch(Written(died=reason))

    def drop(self, call: Call) -> list[int]:
        """Nobody waits for this call's answers any more: numbers of those that the child has."""
        if call in self._open:
            self._open.remove(call)
        numbers = [number for number, one in self.sent.items() if one.call is call]
        for number in numbers:
            self.done(number)
        return numbers

    def take_back(self, blamed: bool) -> list[Asked]:
        """The child is gone: what it had waits for the next one, but for those that are given up, which are returned.

        Args:
            blamed: Whether what it was at work on may have been the death of it.
        """
        at_work = [one for number, one in self.sent.items() if number in self.begun]
        unfinished = list(self.sent.values())
        self.sent.clear()
        self.begun.clear()
        given_up: list[Asked] = []
        for suspect in (at_work or unfinished) if blamed else ():
            suspect.deaths += 1
            if suspect.deaths == DEATHS:  # the second time it was alone
                given_up.append(suspect)
        for one in reversed(unfinished):
            if one not in given_up:
                one.call.waiting.appendleft(one)
        return given_up

    def give_up(self, message: str) -> None:
        """Answer all that waits with a fault of the model as a whole."""
        for call in self._open:
            while call.waiting:
                call.waiting.popleft().fail("unavailable", message)

    def fail(self, fault: Exception) -> None:
        """Let every iterator raise this."""
        for call in self._open:
            call.waiting.clear()
            call.answers.put_nowait(fault)
        self.sent.clear()
        self.begun.clear()
