"""What ``promptlab.toml`` says, as typed values: models with their prices, defaults, what is kept of a run."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct


class Price(Struct, frozen=True):
    """What tokens cost: ``input`` and ``output`` in ``currency`` per ``per`` tokens."""

    input: float
    output: float
    currency: str = "USD"
    per: int = 1_000_000


class ModelEntry(Struct, frozen=True, omit_defaults=True):
    """One ``[models.NAME]`` entry: a GGUF file (``gguf``) or an OpenAI-compatible endpoint (``model``).

    Attributes:
        gguf: A path relative to the workspace root, an absolute path, or ``demo:NAME``.
        context: Most tokens of prompt and answer together.
        threads: Threads that a file's model computes with; None for all processors but one.
        batch: Answers that a file's model writes at once; None for 16.
        reproducible: For a file: an answer does not depend on what is asked beside it.
        timeout: Seconds that one request to an endpoint may take.
        concurrency: The most requests in flight at once, for an endpoint; None: as many as it is found to take.
        stream: Have an endpoint answer piece by piece: to show it meanwhile, and to know when the first piece came.
        samples: Samples of one answer that an endpoint is asked for in one request, at most; 1 with ``stream``.
        hedge: Percentile, 50 to 99.9, of what an endpoint's answers take: what takes longer is asked for twice.
    """

    name: str
    gguf: str | None = None
    model: str | None = None
    base_url: str | None = None
    api_key_env: str | None = None
    price: Price | None = None
    license: str | None = None
    context: int | None = None
    threads: int | None = None
    batch: int | None = None
    reproducible: bool = False
    timeout: float = 120.0
    concurrency: int | None = None
    stream: bool = False
    samples: int = 1
    hedge: float | None = None


class Defaults(Struct, frozen=True):
    """``[defaults]``: what a run uses when the command does not say, and the prompt that opens first.

    Attributes:
        ask_above: Cost of a run, in the currency of its models, above which the person is asked first.
    """

    prompt: str | None = None
    models: tuple[str, ...] = ()
    evalset: str | None = None
    judge: str | None = None
    ask_above: float = 1.0


StoreOutputs = Literal["all", "failures", "none"]


class Results(Struct, frozen=True):
    """``[results]``: what of a run is kept in git, and where.

    Attributes:
        mode: ``branch`` also commits each saved run on the current branch.
        store_outputs: Which texts are kept; scores of all are. A failure is an error, a missing primary score, or a
            primary metric of yes and no that says the worse of the two.
        hooks: ``run`` asks the person's pre-commit hook before a run or its summary is committed on the branch.
    """

    mode: Literal["snapshot", "branch"] = "snapshot"
    store_outputs: StoreOutputs = "all"
    hooks: Literal["skip", "run"] = "skip"


class Settings(Struct, frozen=True):
    """``promptlab.toml``, parsed. Models keep the order of the file."""

    models: dict[str, ModelEntry] = {}
    defaults: Defaults = Defaults()
    results: Results = Results()
