"""Bisect over versions, against a loopback endpoint with a planted regression."""

from __future__ import annotations

import asyncio
import re
import subprocess
from collections.abc import Iterator, Sequence
from hashlib import sha256
from pathlib import Path

import places
import pytest
from loopback import LoopbackServer, status

from promptlab.errors import Cancelled, ModelFault, NotFound, UsageFault
from promptlab.history.values import Version
from promptlab.lab import Lab
from promptlab.lab.bisecting import Bisector, Measured, Seen
from promptlab.lab.values import Bisection, BisectRequest, BisectStep, RunRequest

VERSIONS, CULPRIT, EXAMPLES = 64, 41, 200


def chance(*words: object) -> float:
    """A number between 0 and 1 that is the same every time."""
    return int(sha256(repr(words).encode()).hexdigest()[:8], 16) / 2**32


def answer(text: str) -> str:
    """Right nearly always; from the culprit on wrong on every second ticket; each version has slips of its own."""
    version, ticket = re.fullmatch(r"Wording (\d+)\. Repeat: (.*)", text, re.DOTALL).groups()  # type: ignore[union-attr]
    wrong = int(version) >= CULPRIT and chance("planted", ticket) < 0.5
    slips = chance("slip", version, ticket) < 0.04
    return "no" if wrong != slips else ticket


def prompt(version: int) -> str:
    return f'[[messages]]\nrole = "user"\ncontent = "Wording {version}. Repeat: {{{{ ticket }}}}"\n'


def make(folder: Path, base_url: str, versions: int = VERSIONS, culprit_broken: bool = False) -> Path:
    places.workspace(folder, base_url)
    examples = "".join(
        f'[[examples]]\nid = "e{n}"\nvars = {{ ticket = "t{n}" }}\nexpected = "t{n}"\n' for n in range(EXAMPLES)
    )
    metrics = '[[metrics]]\nid = "exact"\n[[metrics]]\nid = "latency"\n[decision]\nprimary = "exact"\n'
    (folder / "evalsets" / "tickets.toml").write_text(metrics + examples)
    places.git(folder, "commit", "-qam", "another eval set")
    stream = ""
    for version in range(1, versions + 1):
        text = prompt(version).replace("ticket", "gone") if culprit_broken and version == CULPRIT else prompt(version)
        subject = f"wording {version}"
        stream += f"commit refs/heads/main\ncommitter Ada Tester <ada@example.org> {1_700_000_000 + version} +0000\n"
        stream += f"data {len(subject)}\n{subject}\n" + ("from refs/heads/main^0\n" if version == 1 else "")
        stream += f"M 100644 inline prompts/echo.toml\ndata {len(text)}\n{text}\n"
    subprocess.run(["git", "fast-import", "--quiet"], cwd=folder, input=stream.encode(), check=True)
    places.git(folder, "reset", "-q", "--hard")
    return folder


@pytest.fixture
def server() -> Iterator[LoopbackServer]:
    with LoopbackServer(reply=answer) as running:
        yield running


@pytest.fixture
def folder(tmp_path: Path, server: LoopbackServer) -> Path:
    return make(tmp_path / "shop", server.base_url)


async def search(lab: Lab, request: BisectRequest) -> tuple[Bisection, list[BisectStep]]:
    steps: list[BisectStep] = []
    found: Bisection | None = None
    async for event in lab.bisect(request):
        if isinstance(event, Bisection):
            found = event
        else:
            steps.append(event)
    assert found is not None
    return found, steps


async def test_a_planted_regression_among_64_versions(folder: Path, server: LoopbackServer) -> None:
    lab = Lab.open(folder)
    # The person saw it in a run of the oldest against the newest version: its outcomes are stored.
    plan = lab.plan(RunRequest(subjects=("echo@v1", "echo")))
    table = lab.table(plan)
    async for _ in lab.run(plan, table):
        pass
    lab.save(table.run)
    asked = len(server.asked)
    places_before = places.fingerprint(folder)
    found, steps = await search(lab, BisectRequest("echo", metric="exact"))
    await lab.close()
    assert (found.last_good.label, found.first_bad.label) == (f"v{CULPRIT - 1}", f"v{CULPRIT}")
    assert found.first_bad.subject == f"wording {CULPRIT}"
    evaluated = [step for step in steps if step.asked]
    assert len(evaluated) <= 7
    assert found.asked == len(server.asked) - asked
    # Against full runs of the very versions that were asked, not of all 64.
    assert found.asked <= 0.40 * len(evaluated) * EXAMPLES
    assert found.cells <= 0.40 * found.full
    print(f"\n{len(evaluated)} versions asked, {found.asked} cells of {len(evaluated) * EXAMPLES}")
    assert [field.field for field in found.fields] == ["messages[0].content"]
    assert found.flips
    assert all(flip.delta < 0 and flip.after == "no" for flip in found.flips)
    assert places.fingerprint(folder) == places_before
    assert [run.id for run in lab.runs()] == [table.run], "a search leaves no run behind"


async def test_without_stored_outcomes_and_again_from_the_cache(folder: Path, server: LoopbackServer) -> None:
    lab = Lab.open(folder)
    found, steps = await search(lab, BisectRequest("echo"))
    assert found.first_bad.label == f"v{CULPRIT}"
    assert found.looked_at == len(steps) <= 7
    assert found.asked == len(server.asked) <= 0.40 * len(steps) * EXAMPLES
    again, _ = await search(lab, BisectRequest("echo"))
    await lab.close()
    assert (again.first_bad, again.asked) == (found.first_bad, 0)


async def test_outcomes_of_saved_runs_are_used_and_do_not_get_into_the_cache(
    folder: Path, server: LoopbackServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab = Lab.open(folder)
    plan = lab.plan(RunRequest(subjects=tuple(f"echo@v{n}" for n in range(CULPRIT - 2, CULPRIT + 2))))
    table = lab.table(plan)
    async for _ in lab.run(plan, table):
        pass
    lab.save(table.run)
    await lab.close()
    monkeypatch.setenv("PROMPTLAB_CACHE", str(tmp_path / "another cache"))
    asked = len(server.asked)
    lab = Lab.open(folder)
    request = BisectRequest("echo", good=f"v{CULPRIT - 2}", bad=f"v{CULPRIT + 1}")
    found, _ = await search(lab, request)
    assert found.first_bad.label == f"v{CULPRIT}"
    assert (found.asked, len(server.asked)) == (0, asked)
    key = table.outcome("a", "e1")
    assert key is not None
    assert lab.cache().get_many([key.key]) == {}
    await lab.close()


async def test_named_examples(folder: Path, server: LoopbackServer) -> None:
    lab = Lab.open(folder)
    wrong = [
        f"e{n}"
        for n in range(EXAMPLES)
        if chance("planted", f"t{n}") < 0.5 and not any(chance("slip", str(v), f"t{n}") < 0.04 for v in range(1, 65))
    ]
    found, _ = await search(lab, BisectRequest("echo", examples=tuple(wrong[:2])))
    assert found.first_bad.label == f"v{CULPRIT}"
    assert {flip.example for flip in found.flips} == set(wrong[:2])
    right = next(
        f"e{n}"
        for n in range(EXAMPLES)
        if chance("planted", f"t{n}") >= 0.5 and all(chance("slip", v, f"t{n}") >= 0.04 for v in ("1", "64"))
    )
    with pytest.raises(UsageFault, match=r"^v64 is not clearly worse than v1: 0 of 1 example got worse, 0"):
        await search(lab, BisectRequest("echo", examples=(right,)))
    await lab.close()


async def test_a_version_that_cannot_be_run_is_passed_over(tmp_path: Path, server: LoopbackServer) -> None:
    folder = make(tmp_path / "broken", server.base_url, versions=48, culprit_broken=True)
    lab = Lab.open(folder)
    found, steps = await search(lab, BisectRequest("echo", good="v36"))
    await lab.close()
    assert (found.last_good.label, found.first_bad.label) == ("v40", "v42")
    assert found.between == ("v41",)
    (skipped,) = [step for step in steps if step.side == "skipped"]
    assert skipped.version == "v41"
    assert "gone" in skipped.reason


async def test_requests_that_make_no_sense(folder: Path) -> None:
    lab = Lab.open(folder)
    cases: list[tuple[BisectRequest, type[Exception], str]] = [
        (BisectRequest("echo", metric="exakt"), NotFound, "has no metric “exakt”. Did you mean `exact`?"),
        (BisectRequest("echo", examples=("e1x",)), NotFound, "has no example “e1x”."),
        (
            BisectRequest("echo", good="v9", bad="v3"),
            UsageFault,
            "The good end (v9) must be older than the bad one (v3).",
        ),
        (BisectRequest("echo", bad="v99"), NotFound, "There is no echo@v99"),
        (BisectRequest("ecko"), NotFound, "There is no prompt “ecko”."),
        (BisectRequest("echo", bad=f"v{CULPRIT - 1}"), UsageFault, f"v{CULPRIT - 1} is not clearly worse than v1: "),
        (BisectRequest("echo", model="gpt"), NotFound, "There is no model “gpt”."),
    ]
    for request, fault, sentence in cases:
        with pytest.raises(fault) as raised:
            await search(lab, request)
        assert sentence in str(raised.value), request
    await lab.close()


async def test_a_dead_endpoint_is_no_bad_version(folder: Path, server: LoopbackServer) -> None:
    server.rule = lambda asked: status(400, "no such model")
    lab = Lab.open(folder)
    with pytest.raises(ModelFault, match=r"^No cell of echo@v1 · api got an answer\. .*no such model"):
        await search(lab, BisectRequest("echo"))
    await lab.close()


async def test_cancelled(folder: Path) -> None:
    lab = Lab.open(folder)
    stop = asyncio.Event()
    stop.set()
    with pytest.raises(Cancelled, match="What was answered is kept"):
        await anext(lab.bisect(BisectRequest("echo"), stop))
    await lab.close()


async def test_blame_with_the_change_of_the_score(folder: Path) -> None:
    text = prompt(64) + "[params]\ntemperature = 0.0\n"
    (folder / "prompts" / "echo.toml").write_text(text)
    places.git(folder, "commit", "-qam", "set the temperature")
    lab = Lab.open(folder)
    plan = lab.plan(RunRequest(subjects=("echo@v64", "echo", "echo@v1")))
    table = lab.table(plan)
    async for _ in lab.run(plan, table):
        pass
    lab.save(table.run)
    await lab.close()
    (folder / "prompts" / "echo.toml").write_text("# why\n" + text)
    blame = lab.blame("echo")
    assert blame.metric == "exact"
    assert [(line.number, line.version, line.author) for line in blame.lines] == [
        (1, "–", ""),
        (2, "v1", "Ada Tester"),
        (3, "v1", "Ada Tester"),
        (4, "v64", "Ada Tester"),
        (5, "v65", "Ada Tester"),
        (6, "v65", "Ada Tester"),
    ]
    assert blame.lines[4].change == pytest.approx(0.0, abs=0.2)
    assert blame.lines[3].change is None, "v63 was not measured"
    (folder / "prompts" / "echo.toml").write_text(text.replace("Wording 64", "Wording sixty"))
    assert [line.version for line in lab.blame("echo").lines] == ["v1", "v1", "*", "v65", "v65"]
    assert [line.version for line in lab.blame("echo@v2").lines] == ["v1", "v1", "v2"]


@pytest.mark.parametrize("effect", [0.5, 0.3, 0.2])
async def test_every_position_of_a_regression_among_64_versions(effect: float) -> None:
    """Each of the 63 places where it can have come in: found, in so many versions and cells."""
    versions = [Version(n, f"{n:012x}", "", "", 0, "", "", "") for n in range(1, VERSIONS + 1)]
    examples = [f"e{n}" for n in range(EXAMPLES)]
    shares: list[float] = []
    for culprit in range(2, VERSIONS + 1):
        measured: set[int] = set()

        async def measure(
            version: Version, wanted: Sequence[str], culprit: int = culprit, measured: set[int] = measured
        ) -> Measured:
            measured.add(version.number)
            bad = version.number >= culprit
            seen = {
                example: Seen(float(not (bad and chance("planted", example, culprit) < effect)) - slip, "")
                for example in wanted
                for slip in [float(chance("slip", version.number, example) < 0.02)]
            }
            return Measured(seen, len(wanted))

        search = Bisector(versions, examples, named=False, stored=(), measure=measure, trials=1)
        steps = [step async for step in search.search()]
        found = search.result("exact", "mini", steps, ())
        assert (found.last_good.number, found.first_bad.number) == (culprit - 1, culprit)
        # Every version that had a cell counts, the ends too: the good one, and six looks at others.
        assert found.looked_at == len(measured)
        assert len(measured) <= 7
        assert {step.version for step in steps} == {f"v{number}" for number in measured}
        assert {culprit - 1, culprit} <= measured, "both versions that it names were looked at"
        shares.append(found.asked / (len(measured) * EXAMPLES))
        assert found.asked == found.cells
        assert found.asked <= 0.40 * found.full
    print(f"\neffect {effect}: {max(shares):.1%} of full runs at most, {sum(shares) / len(shares):.1%} on average")


async def search_steps(
    size: int, values: dict[tuple[int, str], float], *, stored: bool = False
) -> list[tuple[str, str]]:
    """Versions and sides of a search over made-up values; what is not named is 1.0."""
    examples = [f"e{n}" for n in range(60)]
    versions = [Version(n, f"{n:012x}", "", "", 0, "", "", "") for n in range(1, size + 1)]

    async def measure(version: Version, wanted: Sequence[str]) -> Measured:
        return Measured({e: Seen(values.get((version.number, e), 1.0), "") for e in wanted}, len(wanted))

    known = [versions[-1].content] if stored else []
    search = Bisector(versions, examples, named=False, stored=known, measure=measure, trials=1)
    return [(step.version, step.side) async for step in search.search()]


async def test_the_bad_end_is_run_before_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    only_the_last = {(4, f"e{n}"): 0.0 for n in range(60)}
    steps = await search_steps(4, only_the_last)
    assert steps == [
        ("v1", "good"),
        ("v3", "good"),
        ("v4", "bad"),
    ]
    with pytest.raises(UsageFault, match=r"^v4 is not clearly worse than v1: 0 of 60 examples got worse, 0 better\."):
        await search_steps(4, {})


async def test_a_bad_end_with_stored_outcomes_is_looked_at_first() -> None:
    steps = await search_steps(4, {(n, f"e{e}"): 0.0 for n in (3, 4) for e in range(60)}, stored=True)
    assert steps == [
        ("v1", "good"),
        ("v4", "bad"),
        ("v2", "good"),
        ("v3", "bad"),
    ]


async def test_what_passed_for_good_is_held_against_the_bad_version_again() -> None:
    # Both are worse on the last third only: v3 passes before that is reached, the whole sample of the end shows it.
    late = sorted((f"e{n}" for n in range(60)), key=lambda example: sha256(example.encode()).digest())[40:]
    values = {(number, example): 0.0 for number in (3, 4) for example in late}
    steps = await search_steps(4, values)
    assert steps == [
        ("v1", "good"),
        ("v3", "good"),
        ("v4", "bad"),
        ("v3", "bad"),
        ("v2", "good"),
    ]
