"""Limits of runs: set before one, and changed while it goes on."""

from __future__ import annotations

import json
from pathlib import Path

from loopback import LoopbackServer
from tui.sitting import Sitting, sitting

from promptlab.lab.limits import parse_limits


async def limits(here: Sitting, text: str) -> None:
    await here.press("dollar_sign")
    await here.sees("Limits of runs")
    await here.press("ctrl+u")
    await here.type(text)
    await here.press("enter")
    await here.until(lambda: here.app.session.limits == parse_limits(text))


async def test_a_run_is_paused_let_go_and_stopped_by_its_limits(folder: Path, server: LoopbackServer) -> None:
    server.latency = 0.1
    rows = "".join(json.dumps({"id": f"m{at}", "vars": {"ticket": f"ticket {at}"}}) + "\n" for at in range(2000))
    (folder / "evalsets" / "many.jsonl").write_text(rows)
    (folder / "evalsets" / "many.toml").write_text('examples = "many.jsonl"\n[[metrics]]\nid = "length"\n')
    toml = folder / "promptlab.toml"
    toml.write_text(toml.read_text().replace('evalset = "tickets"', 'evalset = "many"'))
    async with sitting(folder) as here:
        await here.sees("v2")
        await limits(here, "at once 2")
        await here.press("R", "enter")
        await here.until(lambda: here.app.session.running and here.app.session.job.progress.limit == 2)  # type: ignore[union-attr] it runs
        job = here.app.session.job
        assert job is not None
        await here.sees("at most at once 2")
        await limits(here, "at once 0")
        await here.until(lambda: job.progress.in_flight == 0 and job.progress.limit == 0)
        asked = server.count.total()
        assert asked < 500
        await limits(here, "tokens 200, at once 4")
        await here.until(lambda: not job.active)
        assert "Stopped by the limit of tokens, 200" in job.reason
        assert job.table.state == "partial"
        await here.press("dollar_sign")
        await here.sees("Limits of runs")
        await here.press("ctrl+u", "x")
        await here.sees("“x”: expected cost, tokens, minutes")
        await here.press("escape")
        await limits(here, "none")
        assert here.app.session.limits.words == "none"
