"""The sixth stage's mix: the fifth's, with far more prompts whose rules send each kind of ticket somewhere else.

A model that has read one rule at a time gives many tickets the answer of the wrong rule. Here up to six rules name
different labels, drawn anew for every prompt, and most tickets that follow fall under one of them. Importing it changes
the weights of tasks.py in place.
"""
from __future__ import annotations

import moods
import policies as p
import tasks as t
import wider as v
import world as w
from more import bare, labels_sentence
from tasks import choose, join_parts, spin
from world import AMBIG, I, TOPICS


def drawn_policy(rng, families):
    """A topic for each family: as many different ones as there are, or one of the two that make sense, or any."""
    k = rng.random()
    if k < .4:
        return dict(zip(families, (rng.sample(TOPICS, 5) * 2)[:len(families)], strict=True))
    if k < .7:
        return {f: rng.choice(I[f]["topic"]) for f in families}
    return {f: rng.choice(TOPICS) for f in families}


def task_rulebook(rng, split):
    """Labels and two to six rules, then up to eight short tickets, most of which they settle."""
    wd = v.full_world(rng)
    families = rng.sample(AMBIG, rng.choice([2, 3, 4, 5, 6, 6, 6, 6]))
    ruled = drawn_policy(rng, families)

    def gold(family):
        return wd.c(wd.labels[ruled.get(family, I[family]["topic"])])

    one = choose(rng, w.RULE, split) if rng.random() < .5 else None
    rules = [p.rule_of(rng, split, f, gold(f), one or choose(rng, w.RULE, split)) for f in families]
    if rng.random() < .3:
        rules.append(spin(choose(rng, w.FIRST if rng.random() < .7 else w.LAST, split), rng, split))
    told = ["Rules:\n" + "\n".join("- " + rule for rule in rules) + "\n"] if rng.random() < .25 else rules
    ins = join_parts(rng, labels_sentence(rng, split, wd) + told + [bare(rng, split)])
    plain = [f for f in I if f not in AMBIG]
    kinds = [rng.choice(families) if rng.random() < .75 else rng.choice(plain) for _ in range(rng.choice([1, 3, 4, 5, 6, 8]))]
    asked = [(p.of_family(rng, split, f, rng.random() < .7), gold(f)) for f in kinds]
    return p.answered(rng, split, ins, asked, "rulebook")


SHARE = .45
t.MIX[:] = [(task, weight * (1 - SHARE)) for task, weight in moods.t.MIX] + [(task_rulebook, SHARE - .08), (p.task_policy_shots, .08)]
