"""Text in, text out: the request that every model takes and the outcome that every model gives."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from typing import Literal, Protocol, runtime_checkable

from msgspec import Struct

from promptlab.models.gguf.header import Header
from promptlab.models.speed import Speed
from promptlab.workspace.values import Message, Params

FaultKind = Literal[
    "unavailable",  # connection refused, host not found, engine cannot start: the model as a whole
    "auth",  # 401, 403: the model as a whole
    "not_found",  # 404: wrong URL or model name: the model as a whole
    "rate_limit",  # 429 after all retries
    "server",  # 5xx after all retries
    "timeout",
    "malformed",  # the body was not what the protocol says
    "rejected",  # 400, 422: this request
    "context",  # the prompt does not fit the context
    "crashed",  # the model's child process died twice on this request
    "template",  # the messages could not be rendered
    "step",  # a step of a chain has no result: nothing to extract, not valid after all attempts
]

FATAL_FAULTS: frozenset[FaultKind] = frozenset({"unavailable", "auth", "not_found"})
"""Faults that every further request to the same model would meet: the run of that model stops."""

PASSING_FAULTS: frozenset[FaultKind] = frozenset({"rate_limit", "server", "timeout", "malformed", "crashed"})
"""Faults that another try may not meet: they were tried again before they became an outcome. All others are the
request's own: they fail one cell, and another try would meet them again."""


class Constraint(Struct, frozen=True, omit_defaults=True, gc=False):
    """What decoding is held to, where the model can: either choices or a schema.

    Attributes:
        rules: The model's ``schema_rules``, with a schema: other rules may give another answer.
    """

    choices: tuple[str, ...] | None = None
    json_schema: dict[str, object] | None = None
    rules: int = 0


class Request(Struct, frozen=True, gc=False):
    """One thing to ask a model.

    Attributes:
        key: Identity of the answer: requests with one key have one outcome.
        seed: Seed of this request alone.
        logprobs: Give the log probability of every token of the answer, and of so many of the most probable ones in
            its place (0 for none). None asks for nothing, and costs nothing. Only of a model with ``logprobs``.
        choice_probabilities: Do not write an answer: give the probability of each choice of the constraint, which
            must have some. Of a model with ``choice_probabilities``, or of an endpoint with ``logprobs``, which tells
            them by their first tokens; parameters and seed do not matter then.
    """

    key: str
    messages: tuple[Message, ...]
    params: Params
    seed: int = 0
    constraint: Constraint | None = None
    logprobs: int | None = None
    choice_probabilities: bool = False


class Usage(Struct, frozen=True, omit_defaults=True, gc=False):
    """Token counts as the model gave them."""

    prompt: int = 0
    completion: int = 0
    cached: int = 0
    reasoning: int = 0


class Alternative(Struct, frozen=True, gc=False):
    """A token that could have stood in a place, and the natural logarithm of its probability there."""

    text: str
    logprob: float


class TokenLogprob(Struct, frozen=True, omit_defaults=True, gc=False):
    """A token of an answer and how probable the model held it, given all before it.

    Attributes:
        text: What the token adds to the answer; a part of a character is shown as U+FFFD.
        logprob: Natural logarithm, of the model's own distribution: before temperature, penalties and contract.
        top: The most probable tokens in this place, the first of them the most probable, as many as were asked for.
    """

    text: str
    logprob: float
    top: tuple[Alternative, ...] = ()


class ChoiceProbabilities(Struct, frozen=True, gc=False):
    """How probable each choice is as the beginning of the model's answer.

    Each choice is weighed as the tokens that spell it. Where a choice begins another one (“1” and “10”), it counts
    as far as the model does not go on towards the longer one.

    Attributes:
        of: Choice to probability, in the order of the choices; they sum to 1.
        mass: The share of all answers that begin with any of the choices, 0 to 1: where it is small, the model
            would rather have said something else, and the probabilities say little.
    """

    of: dict[str, float]
    mass: float


class Fault(Struct, frozen=True, gc=False):
    """Why there is no answer. ``message`` is a sentence for the person."""

    kind: FaultKind
    message: str


NOT_STORED = "(this output was not stored with the run: store_outputs)"


class Outcome(Struct, frozen=True, omit_defaults=True, gc=False):
    """What came back for one request.

    Attributes:
        finish: Why the text ended, ``error`` when there is a fault.
        latency: Seconds from asking to the whole answer, without queueing. 0 when there is a fault.
        cost: In the currency of the model's price, or None when the model has no price.
        cached: True when it came from the cache and no model was asked now.
        fingerprint: What the model said of its own build, or "".
        reasoning: What the model thought before it answered, where it says so; no part of the answer.
        first: Seconds from asking to the first piece of the answer, where it came in pieces; else 0.
        fault: Set exactly when there is no answer; then text is "" and nothing may be scored as 0.
        logprobs: One for each token of the answer, when asked for.
        choices: When asked for; ``text`` is then the most probable choice.
        stored: False when the text was left out as the run was saved; then text is "" and says nothing.
    """

    key: str
    text: str = ""
    finish: Literal["stop", "length", "error"] = "stop"
    usage: Usage = Usage()
    latency: float = 0.0
    cost: float | None = None
    cached: bool = False
    fingerprint: str = ""
    reasoning: str = ""
    first: float = 0.0
    fault: Fault | None = None
    logprobs: tuple[TokenLogprob, ...] = ()
    choices: ChoiceProbabilities | None = None
    stored: bool = True

    @property
    def shown(self) -> str:
        """The text, or a sentence in place of one that was not stored."""
        return self.text if self.stored else NOT_STORED


class Written(Struct, frozen=True, gc=False):
    """What a model has done since it last said so.

    Attributes:
        texts: Key and whole text so far of the answers that grew.
        tokens: How many tokens of prompts and answers it has worked on.
        died: Why its process died, or "" where it did not. What it was at work on goes to a new process once more.
    """

    texts: tuple[tuple[str, str], ...] = ()
    tokens: int = 0
    died: str = ""


Watch = Callable[[Written], None]
"""Hears of answers while they are written, some times a second. Must be quick, and must not raise."""


class Capabilities(Struct, frozen=True):
    """What a model can do beside answering.

    Attributes:
        schema_rules: Edition of how a schema is enforced, where that is done here; 0 where it is the model's affair.
        elsewhere: It computes on another machine, or as if: other models may be asked at the same time.
    """

    choices: bool = False
    json_schema: bool = False
    schema_rules: int = 0
    seed: bool = False
    logprobs: bool = False
    choice_probabilities: bool = False
    streaming: bool = False
    embeddings: bool = False
    elsewhere: bool = False


class Traffic(Struct, frozen=True):
    """What goes on between this process and an endpoint.

    Attributes:
        in_flight: Requests under way.
        limit: How many may be, as found so far.
        retried: Tries after the first since the model was opened.
        notices: What the endpoint does not take and what is done instead, each a sentence, oldest first.
        samples: Of one answer that are asked for in one request at most, as far as the endpoint gives them.
    """

    in_flight: int = 0
    limit: int = 0
    retried: int = 0
    notices: tuple[str, ...] = ()
    samples: int = 1


class ModelInfo(Struct, frozen=True):
    """What is known of a model without asking it anything, for tables.

    Attributes:
        identity: Goes into every cell key: GGUF digest, or endpoint and model name.
        kind: A file on this machine or an endpoint.
        data_goes: Where prompts are sent: "this machine" or a host name.
        problem: Why it cannot be used now, or "".
        speed: How fast it is on this machine, where that was measured.
    """

    name: str
    kind: Literal["gguf", "endpoint"]
    identity: str
    target: str
    size: int | None
    context: int | None
    license: str | None
    price: str
    data_goes: str
    problem: str = ""
    speed: Speed | None = None


class ModelDetails(Struct, frozen=True):
    """All that is known of one model without asking it anything.

    Attributes:
        info: As in the table of models, but with the identity of a file of any size.
        header: What a file says of itself.
        context: Tokens of prompt and answer together that a run will use; None where an endpoint decides.
        threads: That will compute, for a file.
        key: Name of the variable that holds the key of an endpoint, or "".
        timeout, concurrency: Of an endpoint: seconds for one request, and requests in flight.
    """

    info: ModelInfo
    header: Header | None = None
    context: int | None = None
    threads: int | None = None
    key: str = ""
    timeout: float | None = None
    concurrency: int | None = None


Spend = Callable[[Usage, float | None], None]
"""Hears of what was used that is in no outcome, at the moment it was: tokens, and their cost where they have one."""


@runtime_checkable
class Embedding(Protocol):
    """A model with ``embeddings``."""

    async def embed(self, texts: Sequence[str], spend: Spend | None = None) -> Sequence[Sequence[float]]:
        """The vector of each text, of length 1: the product of two is their cosine.

        ``spend`` hears what an endpoint takes for it; a file takes nothing.

        Raises:
            ModelFault: The model gives no embeddings, cannot be started, or cannot take one of the texts.
        """
        ...


@runtime_checkable
class Preparing(Protocol):
    """A model that takes a while to load."""

    def prepare(self) -> None:
        """Load ahead of the first ``generate``, as far as that takes nothing from others. What fails is told then."""
        ...


class Model(Protocol):
    """Text in, text out. Many requests at once; the order of outcomes is the model's own."""

    @property
    def name(self) -> str: ...

    @property
    def identity(self) -> str: ...

    @property
    def capabilities(self) -> Capabilities: ...

    def generate(self, requests: Sequence[Request], watch: Watch | None = None) -> AsyncIterator[Outcome]:
        """Yield exactly one outcome per request, in any order, faults as outcomes.

        ``watch`` may be given to a model with ``streaming``; another one need not take it.

        Closing the iterator cancels what is in flight. Raises nothing but ModelFault, when the model as a
        whole cannot be started.
        """
        ...

    async def close(self) -> None:
        """Let go of processes and connections. May be called twice."""
        ...


@runtime_checkable
class Paced(Protocol):
    """A model whose requests can be held back while it is asked: an endpoint."""

    @property
    def traffic(self) -> Traffic: ...

    def hold(self, most: int | None) -> None:
        """Have at most so many requests in flight from now on; None: as many as the endpoint takes.

        0 sends no further ones; those that are under way still come to their end.
        """
        ...
