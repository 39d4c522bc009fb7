"""The fourth stage's mix: careless customers, and tasks that only the prompt settles by its examples, rules or rubric.

Several tickets follow one prompt, so that most answers are worth reading it for. Importing it changes the weights of
tasks.py in place.
"""
from __future__ import annotations

import more as m
import tasks as t
import wider as v
import world as w
from customers import ticket
from more import bare, item_place, labels_sentence
from tasks import COMP, choose, dot, join_parts, spin
from world import AMBIG, I, TOPICS


def of_family(rng, split, family, short=True):
    """A ticket about one kind of problem."""
    topic = I[family]["topic"]
    kind = "ambig" if isinstance(topic, tuple) else "clear"
    tk = ticket(rng, split, kind, short=short)
    while tk.issues[0]["id"] != family:
        tk = ticket(rng, split, kind, short=short)
    return tk


def policy(rng, families):
    """A topic for each family: one of the two that make sense, or any at all."""
    free = rng.random() < .5
    return {f: rng.choice(TOPICS) if free or not isinstance(I[f]["topic"], tuple) else rng.choice(I[f]["topic"]) for f in families}


def asked_about(rng, split, families, n):
    """n tickets: three of five about the families, the rest about what is plain; each with its family."""
    plain = [f for f in I if f not in AMBIG and f not in families]
    chosen = [rng.choice(families) if families and rng.random() < .6 else rng.choice(plain) for _ in range(n)]
    return [(of_family(rng, split, f, rng.random() < .5), f) for f in chosen]


# ------------------------------------------------------------------------------------- examples
def example_text(rng, split, family):
    if rng.random() < .5:
        return of_family(rng, split, family).text
    text = spin(choose(rng, I[family]["phr"], split), rng, split)
    return text.replace("{p}", w.product(rng, split)).replace("{N}", str(rng.randrange(2, 99))).replace("{o}", "it")


def task_policy_shots(rng, split):
    """Few-shot triage: plain examples of the topics, others that carry a policy, then one to five tickets."""
    wd = v.full_world(rng)
    families = rng.sample(AMBIG, rng.choice([1, 2, 2, 3, 4, 5, 6, 6, 6]))
    if rng.random() < .2:  # plain problems may be ruled otherwise, too
        families += rng.sample([f for f in I if f not in AMBIG], rng.choice([1, 2]))
    ruled = policy(rng, families)

    def gold(family):
        return wd.c(wd.labels[ruled.get(family, I[family]["topic"])])

    plain = [rng.choice([f for f in w.BYTOPIC[topic] if f not in families]) for topic in rng.sample(TOPICS, rng.choice([2, 3, 4, 5, 5, 5]))]
    shown = plain + families
    if rng.random() < .6:
        rng.shuffle(shown)
    lines = [(example_text(rng, split, f), gold(f)) for f in shown]
    asked = asked_about(rng, split, families, rng.choice([1, 1, 2, 3, 4, 5]))
    head = []
    if rng.random() < .8:
        head = labels_sentence(rng, split, wd) if rng.random() < .35 else [dot(spin(choose(rng, t.ACT["topic"], split), rng, split))]
        if rng.random() < .25:
            head.append(bare(rng, split))
    head = join_parts(rng, head) if head else ""
    end = "+" if len(asked) == 1 else ""
    if rng.random() < .25:
        msgs = [{"role": "system", "content": head}] if head else []
        for text, label in lines + [(tk.text, gold(f)) for tk, f in asked]:
            msgs += [{"role": "user", "content": text}, {"role": "assistant", "content": label}]
        return msgs, "policy:chat" + end
    tin, key = rng.choice(["Ticket", "Message", "Input", "Text", "Customer", "Email"]), rng.choice(["Topic", "Label", "Category", "Answer", "Output", "Team"])
    form = (lambda text: "%s => " % text.replace("\n", " ")) if rng.random() < .12 else (lambda text: "%s: %s\n%s: " % (tin, text, key))
    shots = rng.choice(["\n\n", "\n\n", "\n"]).join(form(text) + label for text, label in lines)
    head = (head + "\n\n" if head else "") + rng.choice(["", "", "", "Examples:\n", "Examples:\n\n", "Here are examples:\n"])
    questions = [form(tk.text).rstrip(" ") for tk, _ in asked]
    if rng.random() < .7:
        msgs = [{"role": "user", "content": head + shots + "\n\n" + questions[0]}]
    else:
        msgs = [{"role": "system", "content": head + shots}, {"role": "user", "content": questions[0]}]
    for question, (_, f) in zip(questions, asked, strict=True):
        if question is not questions[0]:
            msgs.append({"role": "user", "content": question})
        msgs.append({"role": "assistant", "content": gold(f)})
    return msgs, "policy:text" + end


# ------------------------------------------------------------------------------------- rules
def rule_of(rng, split, family, label, form):
    return spin(w.cap(spin(form, rng, split).replace("{F}", spin(rng.choice(w.FAMILY_NAMES[family]), rng, split)).replace("{L}", label)), rng, split)


def answered(rng, split, ins, asked, kind):
    """One instruction, and tickets with their labels after it: one of them in any place, several one after the other."""
    if len(asked) == 1:
        [(tk, label)] = asked
        return item_place(rng, split, ins, tk.text) + [{"role": "assistant", "content": label}], kind + ":one+"
    form = choose(rng, t.BLOCK, split)
    texts = [form.replace("{X}", tk.text) for tk, _ in asked]
    msgs = [{"role": "system", "content": ins}] if rng.random() < .5 else []
    for i, (text, (_, label)) in enumerate(zip(texts, asked, strict=True)):
        msgs += [{"role": "user", "content": text if i or msgs else ins + "\n\n" + text}, {"role": "assistant", "content": label}]
    return msgs, kind


def task_rules(rng, split):
    """Labels and one to six rules, then one to five tickets that they settle."""
    wd = v.full_world(rng)
    families = rng.sample(AMBIG, rng.choice([1, 2, 3, 4, 5, 6, 6, 6]))
    ruled = policy(rng, families)
    one = choose(rng, w.RULE, split) if rng.random() < .4 else None
    rules = [rule_of(rng, split, f, wd.c(wd.labels[ruled[f]]), one or choose(rng, w.RULE, split)) for f in families]
    first = rng.random() < .5
    ordered = rng.random() < .5
    if ordered:
        rules.insert(len(rules) if rng.random() < .6 else rng.randrange(len(rules) + 1), spin(choose(rng, w.FIRST if first else w.LAST, split), rng, split))
    told = ["Rules:\n" + "\n".join("- " + rule for rule in rules) + "\n"] if rng.random() < .25 else rules
    parts = labels_sentence(rng, split, wd) + told + [bare(rng, split)]
    if rng.random() < .2:
        parts.insert(0, spin(choose(rng, t.PERSONA, split), rng, split))
    ins = join_parts(rng, parts)
    asked = [(tk, wd.c(wd.labels[ruled.get(f, I[f]["topic"])])) for tk, f in asked_about(rng, split, families, rng.choice([1, 1, 2, 3, 4, 5]))]
    if ordered and rng.random() < .15:
        tk = ticket(rng, split, "mixed", short=rng.random() < .5)
        asked[0] = (tk, wd.c(wd.labels[tk.issues[0 if first else -1]["topic"]]))
    return answered(rng, split, ins, asked, "rules")


# ------------------------------------------------------------------------------------- rubrics
def task_rubrics(rng, split):
    """Rubrics for one reply, each beside another that it scores differently on; the first is asked before the reply."""
    A = rng.choice(["reply", "reply", "answer", "response"])
    tk = ticket(rng, split, "clear", has_order=True, short=True)
    share = rng.random()
    have = [c for c in COMP if rng.random() < share]
    rng.shuffle(have)
    points: list[list[str]] = []
    for i in range(rng.choice([1, 2, 4, 6])):
        new = rng.sample(COMP, rng.choice([2, 3, 4, 4, 4, 4]))
        for _ in range(9):
            if not i or sum(c in have for c in new) != sum(c in have for c in points[-1]):
                break
            new = rng.sample(COMP, 4)
        points.append(new)
    asked = [v.rubric(rng, split, have, A, cs) for cs in points]
    lay = t.judge_layout(rng, split, tk if rng.random() < .75 else None, v.reply_for(rng, split, have, tk), A)
    return v.asked(rng, split, A, asked, lay, rng.random() < .75), "rubrics" + ("" if len(asked) > 1 else ":one+")


v.JUDGED = (.36, .72)
t.MIX[:] = [(t.task_field, .17), (v.task_multi, .15), (t.task_fewshot, .03), (t.task_summary, .06), (t.task_reply, .05), (t.task_judge, .06), (t.task_chat, .004), (t.task_session, .07),
            (v.task_mood, .13), (m.task_opposite, .02), (m.task_judge2, .03), (v.task_judge3, .13), (m.task_match2, .04), (v.task_correct, .02),
            (task_policy_shots, .14), (task_rules, .12), (task_rubrics, .15)]
