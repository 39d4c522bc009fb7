"""The child process behind the ``Model`` protocol, on the packaged models."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from pathlib import Path

import pytest
import pytest_asyncio
from gguf_support import LABELS, MINI, NANO, TICKET, TOPIC, answers, ask, ask_long, collect
from msgspec import structs

from promptlab.errors import ModelFault
from promptlab.models.gguf.process import GgufModel
from promptlab.models.gguf.spawned import default_log
from promptlab.models.values import Constraint, Model, Outcome, Written
from promptlab.workspace.values import Params

pytestmark = [
    pytest.mark.local,
    pytest.mark.skipif(importlib.util.find_spec("llama_cpp") is None, reason="the local engine is not installed"),
]


@pytest.fixture
async def open_model(tmp_path: Path) -> AsyncIterator[Callable[..., GgufModel]]:
    models: list[GgufModel] = []

    def open_one(path: Path = NANO, **options: int | None) -> GgufModel:
        models.append(GgufModel(path, "nano", log=tmp_path / "logs" / "gguf.log", **options))
        return models[-1]

    yield open_one
    for model in models:
        await model.close()


@pytest.fixture
async def nano(open_model: Callable[..., GgufModel]) -> GgufModel:
    return open_model()


in_one_loop = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def kept(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[GgufModel]:
    """A model whose child outlives a test: for what harms no child, and does not ask when it is started."""
    model = GgufModel(NANO, "nano", log=tmp_path_factory.mktemp("kept") / "gguf.log")
    yield model
    await model.close()


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:  # a system without /proc
        return True
    except ProcessLookupError:  # it went while it was read
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


async def until(condition: Callable[[], object], seconds: float = 10) -> None:
    """Wait for it; only what hangs takes so many seconds."""
    begin = time.perf_counter()
    while not condition():
        assert time.perf_counter() - begin < seconds
        await asyncio.sleep(0.001)


async def warm(model: GgufModel) -> int:
    """Process id of a child that has answered."""
    await answers(model, [ask()])
    assert model.pid is not None
    return model.pid


def at_work(model: GgufModel, pid: int | None = None) -> bool:
    """Whether a child (a new one, if ``pid`` is the old one's) has been sent a request."""
    return model.pid not in (None, pid) and bool(model._calls.sent)


async def test_it_is_a_model_that_starts_nothing_by_itself(nano: GgufModel) -> None:
    model: Model = nano
    assert (model.name, model.identity[:5], len(model.identity)) == ("nano", "gguf:", 21)
    assert model.capabilities.choices
    assert nano.pid is None
    assert await collect(nano.generate([])) == {}
    assert nano.pid is None


async def test_the_topic_prompt_is_answered_and_the_child_is_kept(open_model: Callable[..., GgufModel]) -> None:
    mini = open_model(MINI)
    assert await answers(mini, [ask()]) == ["billing"]
    pid = mini.pid
    assert await answers(mini, [ask(), ask(TOPIC.format(ticket="x"), key="l")]) != []
    assert mini.pid == pid


@in_one_loop
async def test_two_hundred_constrained_answers_are_all_choices(kept: GgufModel) -> None:
    requests = [
        ask(TOPIC.format(ticket=f"{TICKET} {i}"), key=str(i), constraint=Constraint(choices=LABELS))
        for i in range(200)
    ]
    assert set(await answers(kept, requests)) <= set(LABELS)


@in_one_loop
async def test_probabilities_come_through_the_pipe(kept: GgufModel) -> None:
    weighed = structs.replace(ask(key="w", constraint=Constraint(choices=LABELS)), choice_probabilities=True)
    found = await collect(kept.generate([weighed, structs.replace(ask(key="l"), logprobs=2), ask(key="p")]))
    assert found["w"].choices is not None
    assert list(found["w"].choices.of) == list(LABELS)
    assert len(found["l"].logprobs) == found["l"].usage.completion > 0
    assert (found["p"].logprobs, found["p"].choices) == ((), None)


async def test_no_more_at_once_than_the_batch(open_model: Callable[..., GgufModel]) -> None:
    model = open_model(batch=2)
    at_once: list[int] = []
    async for _ in model.generate([ask(f"Ticket {number}", key=str(number)) for number in range(12)]):
        at_once.append(len(model._calls.begun))
    assert len(at_once) == 12
    assert max(at_once) <= 2


@in_one_loop
async def test_faults_are_outcomes_and_the_others_are_answered(kept: GgufModel) -> None:
    requests = [
        ask(key="a"),
        ask("x " * 5000, key="long"),
        ask("\ud800", key="surrogate"),
        ask(key="huge", constraint=Constraint(json_schema={"minimum": 2**80})),
        ask(key="b"),
    ]
    found = await collect(kept.generate(requests))
    kinds = {key: outcome.fault.kind for key, outcome in found.items() if outcome.fault}
    assert kinds == {"long": "context", "surrogate": "rejected", "huge": "rejected"}
    assert found.keys() == {"a", "long", "surrogate", "huge", "b"}


@in_one_loop
async def test_two_requests_with_one_key_have_two_outcomes(kept: GgufModel) -> None:
    assert len([outcome async for outcome in kept.generate([ask(), ask()])]) == 2


@in_one_loop
async def test_iterators_take_turns_and_may_stand_in_each_other(kept: GgufModel) -> None:
    inner: list[str] = []
    async for outcome in kept.generate([ask(key=str(i)) for i in range(20)]):
        inner += await answers(kept, [ask(key="judge " + outcome.key)])
    assert len(inner) == 20


async def test_a_killed_child_loses_nothing_and_repeats_nothing(nano: GgufModel) -> None:
    pid = await warm(nano)
    found: list[Outcome] = []
    async for outcome in nano.generate([ask(TOPIC.format(ticket=f"{i} {TICKET}"), key=str(i)) for i in range(60)]):
        found.append(outcome)
        if len(found) == 10:
            os.kill(pid, signal.SIGKILL)
    assert sorted(int(outcome.key) for outcome in found) == list(range(60))
    assert [outcome.fault for outcome in found if outcome.fault] == []
    assert nano.pid != pid


@in_one_loop
async def test_what_is_asked_while_others_are_at_work_joins_them(kept: GgufModel) -> None:
    slow = asyncio.create_task(collect(kept.generate([ask_long(str(i)) for i in range(3)])))
    await until(lambda: at_work(kept))
    assert len(await answers(kept, [ask(key="quick")])) == 1
    assert len(await slow) == 3


async def test_a_reproducible_model_says_so(tmp_path: Path) -> None:
    model = GgufModel(NANO, "nano", log=tmp_path / "gguf.log", reproducible=True)
    try:
        found = await collect(model.generate([ask(TOPIC.format(ticket=str(i)), key=str(i)) for i in range(4)]))
        assert {outcome.fingerprint.rpartition(", ")[2] for outcome in found.values()} == {"batch-invariant"}
        assert model.identity.endswith("+reproducible")
    finally:
        await model.close()


async def test_a_request_that_two_children_died_on_is_given_up_and_the_others_go_on(nano: GgufModel) -> None:
    first = await warm(nano)
    asking = asyncio.create_task(collect(nano.generate([ask_long("poison"), ask(key="b"), ask(key="c")])))
    await until(lambda: at_work(nano))
    os.kill(first, signal.SIGKILL)
    await until(lambda: at_work(nano, first))
    assert nano.pid is not None
    os.kill(nano.pid, signal.SIGSEGV)
    found = await asking
    assert {key for key, outcome in found.items() if outcome.fault} == {"poison"}
    poisoned = found["poison"].fault
    assert poisoned is not None
    assert poisoned.kind == "crashed"
    assert poisoned.message.startswith("nano: the model's process died 2 times on this request (SIGSEGV). What it")
    assert await answers(nano, [ask()]) != []


async def test_a_child_that_always_dies_is_not_started_for_ever(nano: GgufModel) -> None:
    pid: int | None = await warm(nano)
    asking = asyncio.create_task(collect(nano.generate([ask_long(str(i)) for i in range(6)])))
    last: int | None = None
    for _ in range(4):  # all of them at once, then one by one
        await until(lambda last=last: at_work(nano, last))
        last = pid = nano.pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
    found = await asking
    kinds = [outcome.fault.kind for outcome in found.values() if outcome.fault]
    assert kinds == ["crashed"] * 3 + ["unavailable"] * 3
    fault = found["5"].fault
    assert fault is not None
    assert "died on 3 requests in succession (SIGKILL: killed, often for want of memory)" in fault.message


async def test_an_unknown_instruction_is_avoided_by_the_next_child(
    nano: GgufModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    pid = await warm(nano)
    monkeypatch.setattr(GgufModel, "_plain", False)  # as before any child died of it
    asking = asyncio.create_task(collect(nano.generate([ask_long()])))
    await until(lambda: at_work(nano))
    os.kill(pid, signal.SIGILL)
    assert (await asking)["long"].fault is None
    assert nano._plain


@in_one_loop
async def test_closing_an_iterator_ends_the_work_at_once_and_the_model_stays_usable(kept: GgufModel) -> None:
    await warm(kept)
    async with aclosing(kept.generate([ask(key="a"), *(ask_long(str(i)) for i in range(50))])) as outcomes:
        assert (await anext(outcomes)).key == "a"
    await until(lambda: not kept._dropping)  # the child has stopped, or was stopped
    assert len(await answers(kept, [ask(), ask(key="l")])) == 2
    assert kept._worker is not None
    await kept._worker
    assert not kept._calls.any


async def test_a_child_that_does_not_hear_is_killed(nano: GgufModel) -> None:
    pid = await warm(nano)
    async with aclosing(nano.generate([ask(key="a"), ask_long()])) as outcomes:
        await anext(outcomes)
        os.kill(pid, signal.SIGSTOP)  # as in a step of the native code that takes very long
    await until(lambda: not is_alive(pid))
    assert await warm(nano) != pid


@in_one_loop
async def test_what_is_given_up_before_it_was_begun_costs_nothing(kept: GgufModel) -> None:
    await warm(kept)
    outcomes = kept.generate([ask_long(str(i)) for i in range(200)])
    asking = asyncio.create_task(anext(outcomes))
    await until(lambda: at_work(kept))  # the first of them are being sent
    asking.cancel()
    await asyncio.wait([asking])
    assert not kept._calls.sent
    assert len(await answers(kept, [ask()])) == 1


@in_one_loop
async def test_texts_are_told_while_they_grow(kept: GgufModel) -> None:
    heard: list[Written] = []
    requests = [ask_long(str(number)) for number in range(3)]
    requests = [
        structs.replace(one, params=Params(max_tokens=300, temperature=1.0), seed=i) for i, one in enumerate(requests)
    ]
    found = await collect(kept.generate(requests, heard.append))
    for key, outcome in found.items():
        texts = [text for news in heard for one, text in news.texts if one == key]
        assert all(outcome.text.startswith(text) for text in texts)
        assert texts == sorted(texts, key=len)
        assert len(set(texts)) == len(texts)
    assert any(news.texts for news in heard)
    assert len(heard) < 100  # not one a token
    worked = sum(news.tokens for news in heard)
    written = sum(outcome.usage.completion for outcome in found.values())
    assert written <= worked <= written + sum(outcome.usage.prompt for outcome in found.values())


@in_one_loop
async def test_nothing_is_told_to_those_who_do_not_watch(kept: GgufModel) -> None:
    heard: list[Written] = []
    short = structs.replace(ask_long("w"), params=Params(max_tokens=120))
    watched = asyncio.create_task(collect(kept.generate([short], heard.append)))
    other = await collect(kept.generate([structs.replace(short, key="o", seed=1)]))
    assert len(await watched) == len(other) == 1
    assert {key for news in heard for key, _ in news.texts} <= {"w"}


@in_one_loop
async def test_cancelling_a_task_ends_the_work_and_spares_other_iterators(kept: GgufModel) -> None:
    await warm(kept)
    doomed = asyncio.create_task(collect(kept.generate([ask_long(str(i)) for i in range(50)])))
    other = asyncio.create_task(collect(kept.generate([ask(key=str(i)) for i in range(30)])))
    await until(lambda: at_work(kept))
    doomed.cancel()
    with pytest.raises(asyncio.CancelledError):
        await doomed
    assert len(await other) == 30
    await until(lambda: not kept._dropping)
    assert len(await answers(kept, [ask()])) == 1


@in_one_loop
async def test_closing_an_idle_iterator_keeps_the_child(kept: GgufModel) -> None:
    pid = await warm(kept)
    async with aclosing(kept.generate([ask()])) as outcomes:
        await anext(outcomes)
    assert await warm(kept) == pid


async def test_close_ends_the_child_twice_and_the_next_generate_starts_another(nano: GgufModel) -> None:
    await nano.close()
    pid = await warm(nano)
    await nano.close()
    await nano.close()
    assert nano.pid is None
    assert not is_alive(pid)
    assert await warm(nano) != pid


async def test_close_in_the_midst_of_an_answer_tells_who_waits(nano: GgufModel) -> None:
    await warm(nano)
    asking = asyncio.create_task(collect(nano.generate([ask_long()])))
    await until(lambda: at_work(nano))
    await nano.close()
    with pytest.raises(ModelFault, match="nano: the model was closed before it had answered"):
        await asking


async def test_close_while_the_model_loads(nano: GgufModel) -> None:
    asking = asyncio.create_task(collect(nano.generate([ask()])))
    await until(lambda: nano.pid)
    pid = nano.pid
    assert pid is not None
    await nano.close()
    with pytest.raises(ModelFault, match="was closed"):
        await asking
    assert not is_alive(pid)


async def test_a_child_that_dies_while_it_loads_is_one_sentence(nano: GgufModel) -> None:
    asking = asyncio.create_task(collect(nano.generate([ask()])))
    await until(lambda: nano.pid)
    assert nano.pid is not None
    os.kill(nano.pid, signal.SIGKILL)
    with pytest.raises(ModelFault, match=r"nano\.gguf: the model's process died while it loaded the file \(SIGKILL"):
        await asking
    assert await answers(nano, [ask()]) != []


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (lambda data: data[: len(data) // 2], "is not within the file bounds, model is corrupted or incomplete."),
        (lambda data: data[:300], "cannot be loaded: failed to read key-value pairs."),
        (lambda data: data[:8] + b"\xff" * 16 + data[24:], "cannot be loaded: number of tensors is -1"),
        (lambda data: data[:4] + bytes(5000), "cannot be loaded: bad GGUF version: 0."),
        (lambda data: b"", "this file is empty."),
        (lambda data: b"PK" + data, "this is not a GGUF file"),
    ],
)
async def test_a_damaged_file_is_one_sentence(
    damage: Callable[[bytes], bytes], sentence: str, tmp_path: Path, open_model: Callable[..., GgufModel]
) -> None:
    path = tmp_path / "damaged.gguf"
    path.write_bytes(damage(NANO.read_bytes()))
    with pytest.raises(ModelFault) as caught:
        await collect(open_model(path).generate([ask()]))
    text = str(caught.value)
    assert text.startswith(f"{path}: ")
    assert sentence in text
    assert "\n" not in text


async def test_without_the_engine_the_sentence_says_how_to_install_it(
    nano: GgufModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ModelFault, match=r"pip install 'promptlab-tui\[local\]' \(it compiles for some minutes"):
        await collect(nano.generate([ask()]))


async def test_a_file_that_changed_after_its_identity_was_told_is_not_used(
    tmp_path: Path, open_model: Callable[..., GgufModel]
) -> None:
    path = tmp_path / "m.gguf"
    path.write_bytes(NANO.read_bytes())
    model = open_model(path)
    before = model.identity
    path.write_bytes(MINI.read_bytes())
    with pytest.raises(ModelFault, match=r"has changed since this run was planned\. Start the run again"):
        await collect(model.generate([ask()]))
    assert model.identity != before
    assert await answers(model, [ask()]) == ["billing"]


async def test_a_process_that_cannot_be_started_is_one_sentence(
    nano: GgufModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/no/such/python")
    with pytest.raises(ModelFault, match=r"the model's process cannot be started \(No such file or directory\)"):
        await collect(nano.generate([ask()]))


async def test_an_engine_that_cannot_be_imported_is_one_sentence(
    nano: GgufModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "llama_cpp.py").write_text("raise RuntimeError('libgomp.so.1 is missing')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(ModelFault, match=r"the local engine cannot start: libgomp\.so\.1 is missing"):
        await collect(nano.generate([ask()]))


async def test_modules_in_the_working_directory_are_not_run(
    nano: GgufModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("llama_cpp", "msgspec", "queue"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('a module of the working directory was run')")
    monkeypatch.chdir(tmp_path)
    assert await answers(nano, [ask()]) != []


@in_one_loop
async def test_the_child_is_out_of_reach_of_the_terminals_keys(kept: GgufModel) -> None:
    assert os.getsid(await warm(kept)) != os.getsid(0)


async def test_a_log_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    model = GgufModel(NANO, "nano", log=tmp_path / "file" / "gguf.log")
    try:
        assert await answers(model, [ask()]) != []
    finally:
        await model.close()


async def test_a_large_log_is_begun_again(nano: GgufModel, tmp_path: Path) -> None:
    log = tmp_path / "logs" / "gguf.log"
    log.parent.mkdir()
    log.write_bytes(b"x" * 1_000_001)
    await warm(nano)
    assert log.stat().st_size < 100_000


def test_the_log_is_in_the_folder_for_logs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROMPTLAB_LOG_DIR", str(tmp_path))
    assert default_log() == tmp_path / "gguf.log"
    monkeypatch.delenv("PROMPTLAB_LOG_DIR")
    assert default_log().name == "gguf.log"
    assert "promptlab" in str(default_log())


def test_what_native_code_prints_never_reaches_the_pipe() -> None:
    program = (
        "import os; from promptlab.models.gguf import native\n"
        "requests, answers = native.take_pipes()\n"
        "os.write(1, b'noise'); print('more noise', flush=True); assert os.read(0, 9) == b''\n"
        "answers.write(requests.read()); answers.flush()"
    )
    done = subprocess.run([sys.executable, "-c", program], input=b"frame", capture_output=True, check=True)
    assert (done.stdout, done.stderr) == (b"frame", b"noisemore noise\n")


@pytest.mark.parametrize("fatal", [signal.SIGKILL, signal.SIGTERM])
async def test_the_child_goes_with_the_program(fatal: signal.Signals) -> None:
    program = (
        "import asyncio, json, sys; from pathlib import Path\n"
        "from gguf_support import NANO, ask, ask_long; from promptlab.models.gguf.process import GgufModel\n"
        "async def main():\n"
        "    model = GgufModel(NANO, 'nano', log=Path('/dev/null'))\n"
        "    async for _ in model.generate([ask(), *[ask_long()] * 500]):\n"
        "        print(json.dumps(model.pid), flush=True)\n"
        "asyncio.run(main())"
    )
    path = os.pathsep.join([str(Path(__file__).parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])])
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": path}
    )
    assert parent.stdout is not None
    pid = json.loads(await parent.stdout.readline())
    assert is_alive(pid)
    parent.send_signal(fatal)
    await parent.communicate()
    await until(lambda: not is_alive(pid))
