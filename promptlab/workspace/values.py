"""The files of prompts, judges, chains and eval sets that a person edits, as typed values.

Every value is immutable. JSON-like content (a variable's value, a schema) is typed ``object``: it is whatever
``tomllib`` or ``json`` gives, and is only ever rendered, compared or serialised.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from msgspec import Struct

Role = Literal["system", "user", "assistant"]
Variables = dict[str, object]


class Message(Struct, frozen=True, gc=False):
    """One message of a prompt: a template before rendering, plain text after."""

    role: Role
    content: str


class Params(Struct, frozen=True, omit_defaults=True):
    """Sampling parameters. ``None`` leaves the choice to the model's own default.

    Attributes:
        temperature: 0 is greedy.
        max_tokens: The most tokens an answer may have.
        seed: Where randomness begins. Every example and trial draws with a seed of its own that follows from it.
    """

    temperature: float = 0.0
    max_tokens: int = 256
    seed: int = 0
    top_p: float | None = None
    top_k: int | None = None
    min_p: float | None = None
    repeat_penalty: float | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    stop: tuple[str, ...] = ()


class Output(Struct, frozen=True, omit_defaults=True):
    """A prompt's output contract (``[output]``): exactly one of choices, json_schema, regex.

    Attributes:
        enforce: Constrain decoding where the model can. The contract is checked as a metric either way.
    """

    choices: tuple[str, ...] | None = None
    json_schema: dict[str, object] | None = None
    regex: str | None = None
    enforce: bool = True


class Judge(Struct, frozen=True, omit_defaults=True):
    """What makes a prompt a judge (``[judge]``).

    Attributes:
        kind: ``grade`` scores one output; ``claims`` scores each sentence of it; ``pairwise`` prefers one of two.
        scale: Lowest and highest whole grade, or None when ``choices`` is given. A pairwise judge has neither.
        choices: Answer word to score, such as ``{"yes": 1.0, "no": 0.0}``.
        criterion: What is judged, in one sentence.
        reason: The judge says why before it answers.
        expected: The score is the mean of the grades weighed by their probabilities, where the model gives them.
        claims_of: Of a ``claims`` judge: whose sentences are judged one by one. Those of the example's ``reference``,
            or of its ``expected`` facts, are looked for in the answer; of ``both`` the score is F1 of the shares.
        turned: Of a ``grade`` judge: it is asked again with answer and reference exchanged; the score is the mean.
        quote: The judge quotes from the answer what it goes by; a grade whose quote is not there does not count.
    """

    kind: Literal["grade", "pairwise", "claims"] = "grade"
    scale: tuple[int, int] | None = None
    choices: dict[str, float] | None = None
    criterion: str = ""
    reason: bool = False
    expected: bool = False
    claims_of: Literal["answer", "reference", "expected", "both"] = "answer"
    turned: bool = False
    quote: bool = False


class Prompt(Struct, frozen=True):
    """One prompt file, parsed.

    Attributes:
        name: Path below ``prompts/`` without ``.toml``: ``triage``, ``judges/helpful``.
        content: The first 12 hex digits of the content hash: the version's identity.
        source: The file's path, relative to the workspace root, for error messages.
        messages: None of them where the file is a chain.
        evalset: The eval set that it is usually run over, or None for the workspace's default.
        steps: What makes it a chain (``[[steps]]``), in the order of the file; the last one gives its answer.
        inputs: The example's variables that a chain takes.
    """

    name: str
    content: str
    source: str
    messages: tuple[Message, ...]
    params: Params = Params()
    output: Output | None = None
    judge: Judge | None = None
    id: str | None = None
    evalset: str | None = None
    description: str = ""
    steps: tuple[Step, ...] = ()
    inputs: tuple[str, ...] = ()


class Ask(Struct, frozen=True, tag="prompt", tag_field="op"):
    """Ask the model once."""

    prompt: Prompt


class Extract(Struct, frozen=True, tag="extract", tag_field="op", omit_defaults=True):
    """Take a part of a text; exactly one way. Nothing to take fails the step.

    Attributes:
        source: Template of the text to take it from (``from``).
        regex: Its first group that matched, or the whole match without groups.
        pointer: A JSON pointer into the text read as JSON, such as ``/order/0``.
        last_line: The last line that is not empty.
        fence: The first fenced block of this language, of any where "".
    """

    source: str
    regex: str | None = None
    pointer: str | None = None
    last_line: bool = False
    fence: str | None = None


class Validate(Struct, frozen=True, tag="validate", tag_field="op", omit_defaults=True):
    """Let a step's text through if it is valid.

    Attributes:
        step: Whose text.
        choices: It is one of these texts.
        length: Least and most characters.
        metric: A metric that reaches ``least``, in place of the other rules.
        on_fail: ``reask`` tells the model what is wrong, ``attempts`` times at most; ``fix`` repairs JSON;
            ``fallback`` gives the filled template ``fallback`` instead. All fail where that did not help.
        reask: Template of the message, with ``reason``.
    """

    step: str
    choices: tuple[str, ...] | None = None
    json_schema: dict[str, object] | None = None
    regex: str | None = None
    length: tuple[int, int] | None = None
    metric: MetricSpec | None = None
    least: float = 1.0
    on_fail: Literal["fail", "reask", "fix", "fallback"] = "fail"
    attempts: int = 2
    reask: str = "That answer is not valid: {{ reason }} Answer again, with a valid answer and nothing else."
    fallback: str = ""


class BestOf(Struct, frozen=True, tag="best_of", tag_field="op", omit_defaults=True):
    """Ask ``n`` times and keep the answer that a metric or a judge rates highest; the earliest of equals."""

    prompt: Prompt
    n: int
    metric: MetricSpec | None = None
    judge: Prompt | None = None


class Vote(Struct, frozen=True, tag="vote", tag_field="op", omit_defaults=True):
    """Ask ``n`` times and keep the answer given most often; the earliest of equals.

    Attributes:
        normalise: What makes two answers the same: ``exact`` text; ``text`` without case, punctuation and spacing
            around words; the last ``number``; equal ``json``.
    """

    prompt: Prompt
    n: int
    normalise: Literal["text", "exact", "number", "json"] = "text"


class Critique(Struct, frozen=True, tag="critique", tag_field="op", omit_defaults=True):
    """Let a critic read a step's text, and revise it until the critic accepts or ``limit`` revisions are made.

    Attributes:
        critic: Gets the step's inputs and ``answer``.
        revise: Gets the step's inputs, ``answer`` and ``critique``.
        accept: A pattern that the critic's reply has where it accepts.
    """

    step: str
    critic: Prompt
    revise: Prompt
    accept: str = r"(?i)^\W*(accept|ok)"
    limit: int = 2


class Retrieve(Struct, frozen=True, tag="retrieve", tag_field="op", omit_defaults=True):
    """Find the passages of a local corpus that are nearest to a query.

    Attributes:
        corpus: A folder of text files, or a JSONL file of ``{"id", "text"}``, relative to the workspace.
        query: A template.
        method: ``bm25`` counts words; ``embedding`` compares vectors that ``model`` of promptlab.toml gives.
        words: Words of a passage, with ``overlap`` of them shared with the one before.
        digest: Of the corpus as it was read, "" before.
    """

    corpus: str
    query: str
    k: int = 3
    method: Literal["bm25", "embedding"] = "bm25"
    model: str = ""
    words: int = 120
    overlap: int = 20
    digest: str = ""


Operation = Ask | Extract | Validate | BestOf | Vote | Critique | Retrieve


class Step(Struct, frozen=True, omit_defaults=True):
    """One ``[[steps]]`` entry of a chain.

    Attributes:
        does: The one operation.
        inputs: The variables of the step's templates: each a template over the chain's inputs and other steps.
        when: An expression; the step is skipped where it is false. "" is always.
        foreach: An expression that gives a list; the step is done for each ``item`` of it. "" is once.
        needs: The steps that must be settled before, in the order of the file.
    """

    name: str
    does: Operation
    inputs: dict[str, str] = {}
    when: str = ""
    foreach: str = ""
    needs: tuple[str, ...] = ()


class Example(Struct, frozen=True, omit_defaults=True):
    """One case of an eval set."""

    id: str
    vars: Variables = {}
    expected: object = None
    reference: str | None = None
    previous: str | None = None
    feedback: str | None = None
    context: str | None = None
    tags: tuple[str, ...] = ()
    group: str | None = None
    split: str | None = None


class MetricSpec(Struct, frozen=True, omit_defaults=True):
    """One ``[[metrics]]`` entry. ``options`` are the metric's own keys, validated by the scoring room.

    Attributes:
        id: Which metric of the catalogue: ``exact``, ``regex``, ``judge`` …
        name: The name its scores carry; the id unless given.
        on: The step of a chain whose text is scored, "" for the answer of the whole.
    """

    id: str
    name: str
    options: dict[str, object] = {}
    on: str = ""


class Guardrail(Struct, frozen=True, omit_defaults=True):
    """A metric that must not get worse: by more than ``margin`` (a difference) or ``ratio`` (a factor)."""

    metric: str
    margin: float | None = None
    ratio: float | None = None


class Decision(Struct, frozen=True, omit_defaults=True):
    """What "better" means, stated before the run (``[decision]``).

    Attributes:
        primary: Name of the metric that decides; the first metric of the eval set when None.
        min_effect: Smallest difference that matters, in the metric's own unit; also the equivalence margin.
        cluster_by: ``"group"`` when examples of one group are not independent, else None.
        trials: Samples per example.
    """

    primary: str | None = None
    min_effect: float = 0.02
    alpha: float = 0.05
    cluster_by: Literal["group"] | None = None
    trials: int = 1
    guardrails: tuple[Guardrail, ...] = ()


class EvalSet(Struct, frozen=True):
    """One eval set file (and its JSONL of examples, if it names one).

    Attributes:
        content: 12 hex digits over examples only: two runs with the same value used the same cases.
        files: Paths relative to the workspace root of all files that it was read from.
    """

    name: str
    content: str
    source: str
    files: tuple[str, ...]
    examples: Sequence[Example]
    metrics: tuple[MetricSpec, ...] = ()
    decision: Decision = Decision()
    description: str = ""


class Rendered(Struct, frozen=True):
    """A prompt filled with one example's variables: exactly what a model is sent."""

    messages: tuple[Message, ...]
