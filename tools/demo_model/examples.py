"""Write the examples of the packaged eval sets: tickets of the generator's test split, expected answers from its rules.

usage: examples.py FOLDER      (FOLDER is evalsets/ at the top of the repository)

Bit-exact: the same file contents every time. The seeds were chosen once, before any model saw the tickets, and no
ticket was left out or added because of what a model answers; only a repeated text is drawn again.
"""
from __future__ import annotations

import json
import random
import sys
from pathlib import Path

import tasks
from world import resolve, ticket

KINDS = {"clear": "clear", "ambig": "ambiguous", "mixed": "mixed"}


class Policy:
    """The shop's own rules, as prompts/triage.toml states them: they settle the tickets that two topics could claim."""

    policy = {"cancel_sub": "billing", "damaged": "shipping", "wrong_item": "shipping", "promo": "billing",
              "warranty": "technical", "ship_addr_change": "shipping"}
    first = True


def drawn(seed, n, make):
    """n tickets with n different texts; make may answer None for a ticket that does not suit the task."""
    rng, seen, out = random.Random(seed), set(), []
    while len(out) < n:
        t = make(rng, len(out))
        if t is not None and t.text not in seen:
            seen.add(t.text)
            out.append(t)
    return out


def family(t):
    return t.issues[0]["id"].replace("_", "-")


def support(n=120, seed=2026):
    def kind(i):
        return "clear" if i % 20 < 12 else ("ambig" if i % 20 < 17 else "mixed")

    for i, t in enumerate(drawn(seed, n, lambda rng, i: ticket(rng, "test", kind(i)))):
        topic = resolve(t, Policy)
        yield {"id": "s%03d" % (i + 1), "vars": {"ticket": t.text}, "expected": topic, "tags": [KINDS[t.kind], topic], "group": family(t)}


def orders(n=80, seed=2027):
    for i, t in enumerate(drawn(seed, n, lambda rng, i: ticket(rng, "test", "clear"))):
        yield {"id": "o%03d" % (i + 1), "vars": {"ticket": t.text}, "expected": t.order or "none",
               "tags": ["present" if t.order else "missing", resolve(t, Policy)], "group": family(t)}


def replies(n=60, seed=2028):
    def problem(rng, _):
        t = ticket(rng, "test", "clear", has_order=True, short=True)
        return None if t.issues[0]["id"] == "praise" else t  # praise leaves nothing to apologise for

    parts = ["greet", "apology", "order", "next", "sign"]
    rng = random.Random(seed + 1)
    for i, t in enumerate(drawn(seed, n, problem)):
        yield {"id": "r%03d" % (i + 1), "vars": {"ticket": t.text}, "expected": t.order,
               "reference": tasks.reply_text(t, Policy, parts, rng, "Customer Care"), "tags": [resolve(t, Policy)], "group": family(t)}


def fields(n=80, seed=2030):
    for i, t in enumerate(drawn(seed, n, lambda rng, i: ticket(rng, "test", "clear"))):
        topic = resolve(t, Policy)
        yield {"id": "f%03d" % (i + 1), "vars": {"ticket": t.text}, "expected": {"topic": topic, "urgency": t.urgency},
               "tags": [topic, t.urgency], "group": family(t)}


if __name__ == "__main__":
    for name, rows in (("support", support()), ("orders", orders()), ("replies", replies()), ("fields", fields())):
        text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        (Path(sys.argv[1]) / (name + ".jsonl")).write_bytes(text.encode())
