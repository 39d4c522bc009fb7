"""A prompt or chain used from Python: found like a subject or read from one file, asking as the program does."""

from __future__ import annotations

import asyncio
import shutil
import threading
from collections.abc import Mapping
from pathlib import Path

import pytest
from loopback import LoopbackServer, status
from places import git

import promptlab
from promptlab.errors import InvalidFile, ModelFault, NotFound
from promptlab.lab import Lab
from promptlab.lab.loading import export
from promptlab.lab.values import RunRequest
from promptlab.workspace.faults import TemplateFault

CHAIN = """inputs = ["ticket"]
[[steps]]
name = "label"
prompt = "triage"
inputs = { ticket = "{{ ticket }}" }
[[steps]]
name = "sure"
inputs = { ticket = "{{ ticket }}", label = "{{ label.text }}" }
[steps.vote]
n = 3
[steps.vote.prompt]
params = { temperature = 0.7, max_tokens = 9 }
[[steps.vote.prompt.messages]]
role = "user"
content = "Is {{ label }} the team? {{ ticket }}"
"""


@pytest.fixture
def shop(folder: Path) -> Path:
    (folder / "prompts" / "sure.toml").write_text(CHAIN)
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "Ask twice")
    return folder


def bodies(server: LoopbackServer) -> list[Mapping[str, object]]:
    return sorted((dict(asked.body) for asked in server.asked), key=str)


async def program(folder: Path, subject: str) -> None:
    lab = Lab.open(folder)
    plan = lab.plan(RunRequest(subjects=(subject,), only=("t1",)))
    async for _ in lab.run(plan, lab.table(plan), scratch=True):
        pass
    await lab.close()


TICKET = "I was charged twice."


@pytest.mark.parametrize("subject", ["triage", "triage@v1", "sure", "sure@v1"])
async def test_the_requests_are_those_of_the_program(shop: Path, server: LoopbackServer, subject: str) -> None:
    await program(shop, subject)
    expected = bodies(server)
    assert expected
    server.asked.clear()
    with promptlab.load(subject, shop) as loaded:
        answer = await loaded.arun(ticket=TICKET)
    assert bodies(server) == expected
    assert answer.text
    if subject.startswith("sure"):
        assert answer.trace is not None
        assert [step.step for step in answer.trace.steps] == ["label", "sure"]
        assert len(expected) == 4


def test_an_exported_file_needs_neither_workspace_nor_git(shop: Path, server: LoopbackServer, tmp_path: Path) -> None:
    file = tmp_path / "alone" / "sure.toml"
    file.parent.mkdir()
    file.write_bytes(export(Lab.open(shop), "sure"))
    with promptlab.load("sure", shop) as loaded:
        told = loaded.run(ticket=TICKET).text
    expected = bodies(server)
    server.asked.clear()
    shutil.rmtree(shop)
    with promptlab.load(str(file)) as alone:
        assert alone.run(ticket=TICKET).text == told
        assert alone.prompt.content == loaded.prompt.content
        assert bodies(server) == expected
        assert alone.render(ticket=TICKET)[0].content.endswith(TICKET)
    file.write_text(file.read_text().replace("Is {{ label }}", "Was {{ label }}"))
    with pytest.raises(InvalidFile, match="The text was changed since it was exported"):
        promptlab.load(str(file))


def test_many_calls_from_threads_and_coroutines(shop: Path, server: LoopbackServer) -> None:
    with promptlab.load("triage", shop) as loaded:
        said: list[str] = []
        threads = [threading.Thread(target=lambda: said.append(loaded.run(ticket=TICKET).text)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        async def many() -> list[str]:
            return [one.text for one in await asyncio.gather(*(loaded.arun(ticket=TICKET) for _ in range(4)))]

        assert said + asyncio.run(many()) == ["billing"] * 8


def test_what_goes_wrong_is_a_sentence(shop: Path, server: LoopbackServer) -> None:
    with pytest.raises(NotFound, match="There is no prompt"):
        promptlab.load("triaje", shop)
    with pytest.raises(NotFound, match="There is no model"):
        promptlab.load("triage", shop, model="nope")
    with promptlab.load("triage", shop) as loaded:
        with pytest.raises(TemplateFault, match="the variable `ticket` is missing"):
            loaded.run(tiket="x")
        server.rule = lambda asked: status(401)
        with pytest.raises(ModelFault):
            loaded.run(ticket=TICKET)
