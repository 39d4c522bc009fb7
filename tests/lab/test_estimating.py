"""What a run will cost, said before it: on the packaged example, over HTTP, with judges; and what limits stop."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from loopback import Answer, Asked, LoopbackServer, completion, raw

from promptlab.demo.example import create
from promptlab.lab import Lab, RunTable
from promptlab.lab.judged import judgings
from promptlab.lab.values import RunRequest
from promptlab.models.cache import Cache
from promptlab.models.values import Outcome
from promptlab.runs.values import UNLIMITED, Budget, Ended, Plan

JUDGE = """[judge]
scale = [1, 5]
criterion = "It is short."
[params]
max_tokens = 8
[[messages]]
role = "user"
content = "Grade {{ answer }} as an answer to {{ ticket }} {{ criterion }} {{ scale_low }} {{ scale_high }}"
"""


def tokens(text: str) -> int:
    """A tokenizer of its own: as real ones, it makes more tokens of digits and signs than of words."""
    return sum(1 if part.isalpha() else len(part) for part in text.replace("-", " - ").split()) + 9


class Bill:
    """Counts what a server was asked and answered."""

    def __init__(self) -> None:
        self.tokens = Counter[str]()
        self.asked = Counter[str]()

    def answer(self, asked: Asked) -> Answer:
        judge = asked.text.startswith("Grade ")
        text = "4" if judge else f"It is about {asked.text[-12:]}" + " indeed" * (len(asked.text) % 3)
        usage = {"prompt_tokens": tokens(asked.text), "completion_tokens": tokens(text)}
        self.tokens["judge" if judge else "candidate"] += sum(usage.values())
        self.asked["judge" if judge else "candidate"] += 1
        return completion(text, usage=usage)


@pytest.fixture
def bill(server: LoopbackServer) -> Bill:
    found = Bill()
    server.rule = found.answer
    return found


def with_examples(folder: Path, count: int, metrics: str) -> Lab:
    (folder / "prompts" / "short.toml").write_text(JUDGE)
    tickets = [f"{'please help me ' * (at * 7 % 23)} {at}" for at in range(count)]
    rows = "".join(
        f'[[examples]]\nid = "e{at}"\nvars = {{ ticket = "{ticket}" }}\nexpected = "x"\n'
        for at, ticket in enumerate(tickets)
    )
    settings = (folder / "promptlab.toml").read_text()
    (folder / "promptlab.toml").write_text(settings.replace("timeout = 5.0", "concurrency = 10"))
    (folder / "evalsets" / "tickets.toml").write_text(f"{metrics}\n{rows}")
    return Lab.open(folder)


JUDGED = '[[metrics]]\nid = "judge"\nname = "short"\njudge = "short"\n'


async def finish(
    lab: Lab, plan: Plan, cache: Cache | None = None, budget: Budget = UNLIMITED
) -> tuple[RunTable, Ended]:
    table = lab.table(plan)
    ended: Ended | None = None
    async for event in lab.run(plan, table, cache=cache, budget=budget):
        if isinstance(event, Ended):
            ended = event
    assert ended is not None
    return table, ended


async def test_judges_are_part_of_the_estimate_and_nothing_is_asked_twice(folder: Path, bill: Bill) -> None:
    lab = with_examples(folder, 200, JUDGED)
    plan = lab.plan(RunRequest(("triage",)))
    found = await lab.estimate(plan)
    assert found is not None
    assert (found.cells, found.judged, bill.asked["judge"]) == (168, 168, 32)
    assert found.sentence.endswith(f"for judges: 168 answers to judge, {found.judge_tokens:,} tokens.")
    before = Counter(bill.tokens)
    table, ended = await finish(lab, plan)
    assert ended.state == "complete"
    assert bill.asked == {"candidate": 200, "judge": 200}
    real = bill.tokens - before
    assert found.prompt_tokens + found.completion_tokens == pytest.approx(real["candidate"], rel=0.1)
    assert found.judge_tokens == pytest.approx(real["judge"], rel=0.1)
    (judging,) = judgings(table)
    assert judging.calls == 200
    again = await lab.estimate(plan)
    await lab.close()
    assert again is not None
    assert (again.cells, again.cost, again.judged, bill.asked["judge"]) == (0, 0.0, 0, 200)


async def test_asked_anew_the_answers_of_the_estimate_count(folder: Path, bill: Bill) -> None:
    lab = with_examples(folder, 60, JUDGED)
    plan = lab.plan(RunRequest(("triage",)))
    table, _ = await finish(lab, plan)
    lab.save(table.run)
    bill.asked.clear()
    cache = Cache(fresh=True)
    found = await lab.estimate(plan, cache=cache)
    assert found is not None
    assert (found.cells, found.judged) == (28, 28), "what others know does not count"
    await finish(lab, plan, cache)
    cache.close()
    await lab.close()
    assert bill.asked == {"candidate": 60, "judge": 60}


async def test_judges_spend_from_the_same_limit(folder: Path, bill: Bill) -> None:
    lab = with_examples(folder, 150, JUDGED)
    plan = lab.plan(RunRequest(("triage",)))
    found = await lab.estimate(plan)
    assert found is not None
    before = Counter(bill.tokens)
    limit = found.prompt_tokens + found.completion_tokens + found.judge_tokens // 2
    _, first = await finish(lab, plan, budget=Budget(tokens=limit))
    assert (first.state, bill.asked["candidate"]) == ("partial", 150)
    assert 32 < bill.asked["judge"] < 150
    spent = (bill.tokens - before).total()
    a_call = bill.tokens["judge"] / bill.asked["judge"]
    assert abs(spent - limit) <= 10 * a_call, "no further off than what was under way"
    words = f"Stopped by the limit of tokens, {limit}: {spent} tokens used. short did not judge every answer."
    assert first.reason == words.replace(": ", f": {first.reason.split(': ')[1].split(' and ')[0]} and ", 1)
    table, second = await finish(lab, plan)
    await lab.close()
    assert second.state == "complete"
    assert bill.asked == {"candidate": 150, "judge": 150}
    assert {len(table.trial_scores("a", example.id, 0)) for example in plan.examples} == {1}


@pytest.mark.parametrize("most", [1, 4])
async def test_whether_samples_come_together_is_tried(folder: Path, server: LoopbackServer, most: int) -> None:
    """A server that is asked for four samples at once, and gives four, or one."""
    paid = Counter[str]()

    def sampled(asked: Asked) -> Answer:
        count = min(most, asked.body.get("n", 1))
        prompt, texts = tokens(asked.text), ["It is about x" + " indeed" * at for at in range(count)]
        paid["in"] += prompt
        choices = [{"index": at, "message": {"content": text}} for at, text in enumerate(texts)]
        return raw(
            {"choices": choices, "usage": {"prompt_tokens": prompt, "completion_tokens": sum(map(tokens, texts))}}
        )

    server.rule = sampled
    lab = with_examples(folder, 100, '[[metrics]]\nid = "exact"\n')
    toml = folder / "promptlab.toml"
    toml.write_text(toml.read_text().replace("concurrency = 10", "concurrency = 10\nsamples = 4"))
    lab = Lab.open(folder)
    plan = lab.plan(RunRequest(("triage",), trials=4, overrides=(("temperature", "0.7"),)))
    found = await lab.estimate(plan)
    before = paid["in"]
    await finish(lab, plan)
    await lab.close()
    assert found is not None
    assert found.cells == 400 - 32 - 3
    assert found.prompt_tokens == pytest.approx(paid["in"] - before, rel=0.1)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("estimating") / "demo"
    create(folder)
    return folder


@pytest.mark.local
@pytest.mark.parametrize("subject", ["triage", "order"])
async def test_on_the_example_set_it_is_within_a_tenth_of_the_real_tokens(
    demo: Path, server: LoopbackServer, subject: str
) -> None:
    """An endpoint that answers as the packaged model did, and counts tokens as it does."""
    lab = Lab.open(demo)
    plan = lab.plan(RunRequest((subject,), ("nano",)))
    table, _ = await finish(lab, plan)
    await lab.close()
    real: dict[str, Outcome] = {}
    for cell in plan.cells:
        outcome = table.outcome(cell.column, cell.example, 0)
        assert cell.request is not None
        assert outcome is not None
        real[cell.request.messages[-1].content] = outcome
    server.rule = lambda asked: completion(
        real[asked.text].text,
        usage={
            "prompt_tokens": real[asked.text].usage.prompt,
            "completion_tokens": real[asked.text].usage.completion,
        },
    )
    settings = (demo / "promptlab.toml").read_text()
    entry = f'[models.api]\nmodel = "m"\nbase_url = "{server.base_url}"\nprice = {{ input = 1, output = 4 }}\n'
    (demo / "promptlab.toml").write_text(settings + entry)
    lab = Lab.open(demo)
    found = await lab.estimate(lab.plan(RunRequest((subject,), ("api",))))
    await lab.close()
    (demo / "promptlab.toml").write_text(settings)
    assert found is not None
    assert (found.sampled, found.cells) == (32, len(plan.cells) - 32)
    left = [outcome for text, outcome in real.items() if not server.count[text]]
    tokens = found.prompt_tokens + found.completion_tokens
    assert tokens == pytest.approx(sum(one.usage.prompt + one.usage.completion for one in left), rel=0.1)
    assert found.cost == pytest.approx(
        sum(one.usage.prompt + 4 * one.usage.completion for one in left) / 1e6, rel=0.1
    )
