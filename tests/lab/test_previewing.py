"""What is shown of a chain before it runs: as much of each step as can be known then."""

from __future__ import annotations

from promptlab.lab.previewing import preview_steps
from promptlab.workspace.prompts import parse_prompt

CHAIN = """inputs = ["ticket", "language"]
[[steps]]
name = "found"
retrieve = { corpus = "docs", query = "{{ ticket }}", k = 2 }
[[steps]]
name = "draft"
when = "language == 'de'"
inputs = { ticket = "{{ ticket }}", passages = "{{ found.passages }}" }
prompt = { messages = [{ role = "user", content = "{% for p in passages %}{{ p.text }}{% endfor %}: {{ ticket }}" }] }
[[steps]]
name = "better"
inputs = { ticket = "{{ ticket }}" }
[steps.critique]
step = "draft"
critic = { messages = [{ role = "user", content = "Is this right? {{ answer }}" }] }
revise = { messages = [{ role = "user", content = "{{ ticket }} {{ answer }} {{ critique }}" }] }
[[steps]]
name = "lines"
foreach = "better.text.split('x')"
when = "draft.text != ''"
prompt = { messages = [{ role = "user", content = "Shorten: {{ item }}" }] }
[[steps]]
name = "vote"
inputs = { a = "{{ lines.texts | join(' ') }}", odd = "{{ better.rounds + 1 }}" }
vote = { n = 3, prompt = { messages = [{ role = "user", content = "{{ a }} {{ odd }}" }], params.temperature = 1.0 } }
[[steps]]
name = "part"
extract = { from = "{{ vote.text }}", regex = "[0-9]+" }
[[steps]]
name = "checked"
validate = { step = "part", length = [1, 5], on_fail = "fallback", fallback = "0" }
"""


def test_steps_are_filled_as_far_as_is_known() -> None:
    chain = parse_prompt(CHAIN.encode(), "chain", "prompts/chain.toml")
    found = {step.step: step for step in preview_steps(chain, {"ticket": "Where is it?", "language": "en"})}
    said = {name: [(label, one[0].content) for label, one in step.asks] for name, step in found.items()}
    assert found["found"].rule == "2 passages of docs by bm25 for Where is it?"
    assert said["draft"] == [("", "‹found.passages.text›: Where is it?")]
    assert found["draft"].when == "language == 'de' (not met)"
    assert said["better"] == [
        ("critic", "Is this right? ‹draft.text›"),
        ("revise", "Where is it? ‹draft.text› ‹critique›"),
    ]
    assert (found["lines"].when, found["lines"].foreach) == ("draft.text != ''", "better.text.split('x')")
    assert said["lines"] == [("", "Shorten: ‹item›")]
    assert said["vote"] == [("", "‹lines.texts› {{ better.rounds + 1 }}")], (
        "what only a run can tell stays as written"
    )
    assert (found["vote"].rule, found["vote"].needs) == ("3 answers, the most frequent one", ("better", "lines"))
    assert found["part"].rule == "regex [0-9]+ of ‹vote.text›"
    assert found["checked"].rule == "part has 1 to 5 characters; otherwise fallback"
