"""Scores that need a model beside the answer: cosines of embeddings, probabilities of choices."""

from __future__ import annotations

import importlib.util
import math
from pathlib import Path

import numpy as np
import pytest
from gguf_support import MEAN, collect, with_metadata
from loopback import LoopbackServer, completion
from sklearn.metrics.pairwise import cosine_similarity

from promptlab.errors import InvalidFile
from promptlab.lab import Lab, RunTable
from promptlab.lab.values import RunRequest
from promptlab.lab.weighing import NOT_ASKED
from promptlab.models.values import Embedding, Outcome, Request
from promptlab.runs.values import Budget, Ended
from promptlab.workspace.values import MetricSpec, Params

needs_engine = pytest.mark.skipif(importlib.util.find_spec("llama_cpp") is None, reason="no local engine")
EMBEDDED = """[[metrics]]
id = "emb_cos"
model = "vectors"
to = "expected"
[[metrics]]
id = "input_cos"
model = "vectors"
[[metrics]]
id = "self_check"
model = "vectors"
[[metrics]]
id = "refusal_sim"
name = "by endpoint"
model = "api"
texts = ["a cab", "bad"]
[[metrics]]
id = "injection_sim"
name = "no embeddings"
model = "nano"
"""


def with_metrics(folder: Path, metrics: str) -> None:
    path = folder / "evalsets" / "tickets.toml"
    path.write_text(path.read_text().replace('[[metrics]]\nid = "contains"\n', metrics))


async def run(lab: Lab, request: RunRequest) -> RunTable:
    plan = lab.plan(request)
    table = lab.table(plan)
    async for _ in lab.run(plan, table):
        pass
    return table


@pytest.fixture
def embedding(folder: Path) -> Path:
    """The workspace with an embedding model and metrics that use it."""
    with_metadata(folder / "vectors.gguf", pooling=MEAN)
    with (folder / "promptlab.toml").open("a") as settings:
        settings.write('[models.vectors]\ngguf = "vectors.gguf"\n')
    with_metrics(folder, EMBEDDED)
    return folder


@pytest.mark.local
@needs_engine
async def test_cosines_are_those_of_scikit_learn(embedding: Path, server: LoopbackServer) -> None:
    lab = Lab.open(embedding)
    table = await run(lab, RunRequest(subjects=("triage@v1",), only=("t1", "t2"), trials=2))
    model = lab.model("vectors")
    assert isinstance(model, Embedding)
    answer, right, ticket = "It is about billing.", "billing", "I was charged twice."
    vectors = np.array(await model.embed([answer, right, ticket]))
    cosines = cosine_similarity(vectors)
    assert table.value("a", "t1", "emb_cos") == pytest.approx(cosines[0, 1], abs=1e-6)
    assert table.value("a", "t1", "input_cos") == pytest.approx(cosines[0, 2], abs=1e-6)
    assert table.value("a", "t1", "self_check") == pytest.approx(1.0), "both trials say the same"
    letters = np.array([[text.count(one) for one in "abcd"] for text in (answer, "a cab", "bad")])
    assert table.value("a", "t1", "by endpoint") == pytest.approx(cosine_similarity(letters)[0, 1:].max())
    assert table.trial_scores("a", "t1", 0)["no embeddings"].missing == (
        "nano: This model gives no embeddings: its file names no pooling. Choose an embedding model."
    )
    lab.save(table.run)
    await model.close()
    asked = server.count.total()
    again = await lab.score(table.run, [MetricSpec("emb_cos", "near", {"model": "vectors", "to": "expected"})])
    assert again.value("a", "t2", "near") == table.value("a", "t2", "emb_cos")
    assert model.pid is None, "vectors of known texts come from the cache"  # type: ignore[attr-defined] a GgufModel
    assert server.count.total() == asked
    assert again.judge_models == {"near": model.identity}  # type: ignore[attr-defined] a model, too
    await lab.close()


@pytest.mark.local
@needs_engine
async def test_one_text_that_cannot_be_embedded_keeps_no_other_from_it(
    embedding: Path, server: LoopbackServer
) -> None:
    settings = embedding / "promptlab.toml"
    settings.write_text(settings.read_text().replace('"vectors.gguf"', '"vectors.gguf"\ncontext = 64'))
    server.reply = lambda said: "word " * 100 if "parcel" in said else "" if "invoice" in said else "billing"
    lab = Lab.open(embedding)
    table = await run(lab, RunRequest(subjects=("triage",), only=("t1", "t2", "t3")))
    await lab.close()
    assert table.value("a", "t1", "emb_cos") == pytest.approx(1.0)
    missing = [table.trial_scores("a", example, 0)["emb_cos"].missing for example in ("t2", "t3")]
    assert missing[0].startswith("vectors: The text has ")
    assert missing[1] == "the answer is empty"
    assert table.trial_scores("a", "t1", 0)["self_check"].missing == (
        "one answer by itself says nothing here: run several trials (-k)"
    )


@pytest.mark.local
@needs_engine
async def test_the_probability_of_the_right_choice_is_that_of_its_token(folder: Path) -> None:
    """Against exp of the log probabilities that the model gives beside a free answer."""
    with_metrics(folder, '[[metrics]]\nid = "choice_prob"\nchoices = ["A", "B"]\n')
    path = folder / "evalsets" / "tickets.toml"
    path.write_text(path.read_text().replace('expected = "billing"', 'expected = "A"'))
    lab = Lab.open(folder)
    table = await run(lab, RunRequest(subjects=("triage",), models=("nano", "api"), only=("t1", "t2")))
    request = Request("k", table.rendered("a", "t1"), Params(max_tokens=1), logprobs=10_000)
    (token,) = (await collect(lab.model("nano").generate([request])))["k"].logprobs
    free = {one.text: math.exp(one.logprob) for one in token.top}
    found = table.scores("a", "t1")["choice_prob"]
    assert found.value == pytest.approx(free["A"] / (free["A"] + free["B"]), rel=1e-4)
    assert found.detail == f"only {free['A'] + free['B']:.1%} of what the model would say is a choice"
    assert table.scores("a", "t2")["choice_prob"].missing == "the example's `expected` is none of the choices"
    assert "gave no log probabilities, from which those of choices are read" in (
        table.scores("b", "t1")["choice_prob"].missing
    )
    lab.save(table.run)
    again = await lab.score(table.run, [MetricSpec("choice_prob", "p", {"choices": ["A", "B"]})])
    assert again.value("a", "t1", "p") == found.value, "what was asked in the run is known"
    other = await lab.score(table.run, [MetricSpec("choice_prob", "p", {"choices": ["A", "C"]})])
    assert other.scores("a", "t1")["p"].missing == NOT_ASKED
    await lab.close()


@pytest.mark.parametrize(
    ("metric", "fault", "sentence"),
    [
        ('id = "emb_cos"\n', InvalidFile, "`model`"),
        ('id = "emb_cos"\nmodel = "gone"\n', InvalidFile, "There is no model “gone”."),
        ('id = "emb_cos"\nmodel = "api"\nto = "tags"\n', InvalidFile, 'metrics.emb_cos.to: Expected "reference"'),
        ('id = "choice_prob"\nmodel = "api"\n', InvalidFile, "`model`"),
    ],
)
def test_an_entry_that_cannot_be(folder: Path, metric: str, fault: type[Exception], sentence: str) -> None:
    with_metrics(folder, f"[[metrics]]\n{metric}")
    with pytest.raises(fault) as caught:
        Lab.open(folder).plan(RunRequest(subjects=("triage",)))
    assert sentence in str(caught.value)


PRICED = """
[models.vectors]
model = "vectors"
base_url = "{}"
price = {{ input = 1.0, output = 1.0, per = 1 }}
"""


async def test_what_is_embedded_spends_from_the_limit_of_the_run(folder: Path, server: LoopbackServer) -> None:
    """The scripted endpoint takes one token a text."""
    examples = "".join(f'[[examples]]\nid = "e{at}"\nvars = {{ ticket = "Ticket {at}" }}\n' for at in range(100))
    metric = '[[metrics]]\nid = "refusal_sim"\nmodel = "vectors"\ntexts = ["a cab"]\n'
    (folder / "evalsets" / "tickets.toml").write_text(metric + examples)
    with (folder / "promptlab.toml").open("a") as settings:
        settings.write(PRICED.format(server.base_url))
    server.reply = lambda said: f"a bad {said}"
    lab = Lab.open(folder)
    plan = lab.plan(RunRequest(subjects=("triage",)))
    table = lab.table(plan)
    ended = [event async for event in lab.run(plan, table, budget=Budget(cost=40.0))][-1]
    assert isinstance(ended, Ended)
    assert (ended.state, ended.progress.done) == ("partial", 100)
    texts = [text for asked in server.asked if asked.path.endswith("/embeddings") for text in asked.body["input"]]
    assert len(texts) == 64, "nothing is asked for beyond the request that reaches the limit"
    tokens = 64 + sum(outcome.usage.prompt + outcome.usage.completion for outcome in outcomes_of(table))
    assert ended.reason == (
        f"Stopped by the limit of cost, 40: 64 USD and {tokens} tokens used. refusal_sim did not judge every answer."
    )
    assert 0 < sum(bool(table.scores("a", one.id)) for one in table.examples) < 100
    again = await run(lab, RunRequest(subjects=("triage",)))
    await lab.close()
    texts = [text for asked in server.asked if asked.path.endswith("/embeddings") for text in asked.body["input"]]
    assert len(texts) == len(set(texts)) == 101, "and then only what is left"
    assert all(again.value("a", one.id) is not None for one in again.examples)


def outcomes_of(table: RunTable) -> list[Outcome]:
    found = (table.outcome("a", example.id) for example in table.examples)
    return [outcome for outcome in found if outcome is not None]


async def test_probabilities_that_are_asked_for_spend_from_the_limit_of_the_run(
    folder: Path, server: LoopbackServer
) -> None:
    examples = "".join(
        f'[[examples]]\nid = "e{at}"\nvars = {{ ticket = "Ticket {at}" }}\nexpected = "A"\n' for at in range(60)
    )
    metric = '[[metrics]]\nid = "choice_prob"\nchoices = ["A", "B"]\n'
    (folder / "evalsets" / "tickets.toml").write_text(metric + examples)
    settings = folder / "promptlab.toml"
    settings.write_text(settings.read_text().replace("[models.api]\n", "[models.api]\nconcurrency = 4\n"))
    top = [{"token": token, "logprob": math.log(share)} for token, share in (("A", 0.7), ("B", 0.2))]
    weighed = completion("A", logprobs={"content": [{**top[0], "top_logprobs": top}]})
    server.rule = lambda asked: weighed if "logprobs" in asked.body else None
    lab = Lab.open(folder)
    (one,) = outcomes_of(await run(lab, RunRequest(subjects=("triage",), only=("e0",))))
    each = one.usage.prompt + one.usage.completion
    plan = lab.plan(RunRequest(subjects=("triage",)))
    table = lab.table(plan)
    ended = [event async for event in lab.run(plan, table, budget=Budget(tokens=65 * each))][-1]
    await lab.close()
    assert isinstance(ended, Ended)
    assert (ended.state, ended.progress.done) == ("partial", 60)
    assert ended.reason.startswith(f"Stopped by the limit of tokens, {65 * each}: ")
    assert ended.reason.endswith(" choice_prob did not judge every answer.")
    assert 1 < sum("logprobs" in asked.body for asked in server.asked) < 60
