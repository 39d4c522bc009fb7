"""Measure GGUF models through llama-cpp-python's create_chat_completion (greedy).

usage: evaluate.py model.gguf [model.gguf ...] --n 600 --ladder 200 --threads 1 --json results.json
A  behaviours: generated prompts, train paraphrases on new tickets (val) and held-out paraphrases + phrasings (test)
B  prompt ladders: hand-written prompts, vague -> labels -> format -> rules -> few-shot, on one fixed eval set each
C  hand-written tickets that no template produced
D  judge ladders
F  sensitivity: the same item under two opposite prompts (does the wording matter, or is it a prior?)
E  technical checks: JSON schema / grammar, logprobs, full context, overflow, non-ASCII, speed
"""
import argparse
import json
import random
import re
import sys
import time
from pathlib import Path

import tasks
import world
from plain import llama_cpp
from world import I, resolve, ticket

ap = argparse.ArgumentParser()
ap.add_argument("models", nargs="+")
ap.add_argument("--n", type=int, default=600)
ap.add_argument("--ladder", type=int, default=100)
ap.add_argument("--threads", type=int, default=2)
ap.add_argument("--json", default="results.json")
ap.add_argument("--show", type=int, default=0)
ap.add_argument("--only", default="ABCDFE")
a = ap.parse_args()


class M:
    def __init__(self, path):
        t = time.time()
        self.l = llama_cpp.Llama(path, n_ctx=1024, n_threads=a.threads, n_threads_batch=a.threads, verbose=False, logits_all=False)
        self.load_s = time.time() - t
        self.pt = self.ct = 0

    def ask(self, msgs, n=120, **k):
        r = self.l.create_chat_completion(msgs, temperature=0.0, max_tokens=n, **k)
        self.pt += r["usage"]["prompt_tokens"]
        self.ct += r["usage"]["completion_tokens"]
        return r["choices"][0]["message"]["content"]


def behaviours(m, split, seed, n):
    rng = random.Random(seed)
    res, bad = {}, []
    while n:
        msgs, k = tasks.example(rng, split)
        if not k.endswith("+"):
            continue
        n -= 1
        while len(m.l.tokenize("\n".join(x["content"] for x in msgs).encode(), add_bos=False)) > 880:
            msgs, k = tasks.example(rng, split)
        gold = msgs[-1]["content"]
        out = m.ask(msgs[:-1])
        p = k[:-1].split(":")
        key = p[0] + ":" + p[1]
        res.setdefault(key, []).append(out == gold)
        if out != gold:
            bad.append((k, msgs, out))
    return {k: (sum(v) / len(v), len(v)) for k, v in sorted(res.items())}, bad


# ------------------------------------------------------------------ B: ladders (hand-written prompts)
POLICY = {"cancel_sub": "billing", "damaged": "shipping", "wrong_item": "shipping", "promo": "billing", "warranty": "technical", "ship_addr_change": "shipping"}


class W:
    policy, first = POLICY, True


def topic_set(n, seed=77, split="test"):
    rng = random.Random(seed)
    out = []
    for i in range(n):
        kind = "clear" if i % 20 < 12 else ("ambig" if i % 20 < 17 else "mixed")
        t = ticket(rng, split, kind)
        out.append((t.text, resolve(t, W), kind, t))
    return out


RULES = ("Damaged items belong to shipping. Wrong items belong to shipping. Cancellations belong to billing. Promo code problems belong to billing. "
         "Warranty questions are technical. Delivery address changes are shipping. If there are two problems, use the first one.")
SHOTS = [("The parcel is stuck in customs since Friday.", "shipping"), ("You billed me two times for one pillow.", "billing"), ("My tablet shows an error message.", "technical"),
         ("I cannot sign in, my password is refused.", "account"), ("Do you have a job for me?", "other")]
SHOTS2 = SHOTS + [("The mirror arrived with a crack.", "shipping"), ("I want to end my monthly plan.", "billing")]
SHOTS6 = SHOTS2 + [("I got a green scarf but ordered a grey one.", "shipping"), ("My voucher is refused in the basket.", "billing"), ("Is my old radio still covered by the guarantee?", "technical"),
                   ("Please bring the parcel to my office and not to my house.", "shipping")]
shots = lambda s: "".join("Ticket: %s\nTopic: %s\n\n" % x for x in s)
TOPIC = [
    ("v1 vague", "What is this ticket about?\n\n{t}"),
    ("v2 +labels", "Classify this support ticket as billing, shipping, technical, account or other.\n\n{t}"),
    ("v3 +format", "Classify this support ticket as billing, shipping, technical, account or other. Reply with the label only.\n\n{t}"),
    ("v3b format, no labels", "Classify this support ticket. Reply with the label only.\n\n{t}"),
    ("v4 +rules", "Classify this support ticket as billing, shipping, technical, account or other. " + RULES + " Reply with the label only.\n\n{t}"),
    ("v5 few-shot, no rules", "Classify the ticket.\n\n" + shots(SHOTS) + "Ticket: {t}\nTopic:"),
    ("v6 few-shot incl. policy", "Classify the ticket.\n\n" + shots(SHOTS2) + "Ticket: {t}\nTopic:"),
    ("v6b few-shot, all policies", "Classify the ticket.\n\n" + shots(SHOTS6) + "Ticket: {t}\nTopic:"),
    ("v7 rules + few-shot", "Classify the ticket as billing, shipping, technical, account or other. " + RULES + " Reply with the label only.\n\n" + shots(SHOTS) + "Ticket: {t}\nTopic:"),
]
URG = [("v1 vague", "How urgent is this?\n\n{t}"), ("v2 +labels", "How urgent is this ticket? Options: low, medium, high.\n\n{t}"),
       ("v3 +format", "How urgent is this ticket? Options: low, medium, high. Answer with one word.\n\n{t}")]
SEN = [("v1 vague", "How does the customer feel?\n\n{t}"), ("v2 +labels", "What is the sentiment of this ticket: positive, neutral or negative?\n\n{t}"),
       ("v3 +format", "What is the sentiment of this ticket: positive, neutral or negative? Answer with one word.\n\n{t}")]
ORD = [("v1 vague", "What is the order number?\n\n{t}"), ("v2 +format", "Extract the order number. Reply with the number only.\n\n{t}"),
       ("v3 +missing rule", "Extract the order number. If there is no order number, answer none. Reply with the number only.\n\n{t}")]
JS = [("v1 vague", "Turn this ticket into JSON.\n\n{t}"), ("v2 keys", "Return JSON with the keys topic and urgency.\n\n{t}"),
      ("v3 keys + labels", "Return JSON with the keys topic and urgency. topic is one of billing, shipping, technical, account, other. urgency is one of low, medium, high.\n\n{t}"),
      ("v4 keys + labels + rules", "Return JSON with the keys topic and urgency. topic is one of billing, shipping, technical, account, other. urgency is one of low, medium, high. " + RULES + "\n\n{t}")]


def ladder(m, prompts, data, gold, name):
    rows = []
    gs = [gold(d) for d in data]
    base = max(gs.count(g) for g in set(gs)) / len(gs)  # always answering the most common gold
    print("  %-10s majority baseline %.2f" % (name, base))
    for pn, p in prompts:
        ex = con = 0
        kinds = {}
        outs = []
        for d in data:
            out = m.ask([{"role": "user", "content": p.replace("{t}", d[0])}], 60).strip()
            g = gold(d)
            ok = out == g
            ex += ok
            con += g.lower() in out.lower()
            kinds.setdefault(d[2], []).append(ok)
            outs.append(out)
        rows.append(dict(ladder=name, prompt=pn, baseline=base, top_answer_share=0, exact=ex / len(data), contains=con / len(data), by={k: round(sum(v) / len(v), 2) for k, v in kinds.items()}, sample=outs[:4], distinct=len(set(outs))))
        rows[-1]["top_answer_share"] = max(outs.count(o) for o in set(outs)) / len(outs)
        print("  %-10s %-26s exact %.2f contains %.2f %s %r" % (name, pn, rows[-1]["exact"], rows[-1]["contains"], rows[-1]["by"] if len(kinds) > 1 else "", outs[:3]), flush=True)
    return rows


def json_gold(d):
    return json.dumps({"topic": d[1], "urgency": d[3].urgency})


# ------------------------------------------------------------------ C: tickets written by hand
HAND = [json.loads(line) for line in (Path(__file__).parent / "hand.jsonl").read_text(encoding="utf-8").splitlines()]


# ------------------------------------------------------------------ F: sensitivity
FAM = {"cancel_sub": "Cancellations", "damaged": "Damaged items", "wrong_item": "Wrong items", "promo": "Promo code problems", "warranty": "Warranty questions", "ship_addr_change": "Delivery address changes"}
HEAD = "Classify this support ticket as billing, shipping, technical, account or other. "


def pairs(m, name, items, mk):
    """items -> two (prompt, gold) with DIFFERENT golds for the same item."""
    hit = both = same = 0
    for it in items:
        (p1, g1), (p2, g2) = mk(it)
        o1, o2 = (m.ask([{"role": "user", "content": p}], 12).strip() for p in (p1, p2))
        hit += (o1 == g1) + (o2 == g2)
        both += o1 == g1 and o2 == g2
        same += o1 == o2
    n = len(items)
    print("  flip       %-34s n %3d  right %.2f  both right %.2f  SAME answer %.2f" % (name, n, hit / 2 / n, both / n, same / n), flush=True)
    return dict(name=name, n=n, right=hit / 2 / n, both=both / n, same=same / n)


def sensitivity(m, n):
    rng = random.Random(2024)
    R = []
    for split in ("train", "test"):
        tag = " (%s phrasings)" % ("seen" if split == "train" else "held-out")
        am = [ticket(rng, split, "ambig") for _ in range(n)]
        mk = lambda t: [(HEAD + "%s belong to %s. Reply with the label only.\n\n%s" % (FAM[t.issues[0]["id"]], x, t.text), x) for x in t.issues[0]["topic"]]
        R.append(pairs(m, "family rule" + tag, am, mk))
        mx = [ticket(rng, split, "mixed") for _ in range(n)]
        mk = lambda t: [(HEAD + "If there are two problems, use the %s one. Reply with the label only.\n\n%s" % (w, t.text), t.issues[i]["topic"]) for w, i in (("first", 0), ("last", -1))]
        R.append(pairs(m, "first/last rule" + tag, mx, mk))
        cl = [ticket(rng, split, "clear") for _ in range(n)]
        LB = (dict(billing="billing", shipping="shipping", technical="technical", account="account", other="other"), dict(billing="payments", shipping="delivery", technical="bug", account="login", other="general"))
        mk = lambda t: [("Classify this support ticket as %s. Reply with the label only.\n\n%s" % (", ".join(L.values()), t.text), L[t.issues[0]["topic"]]) for L in LB]
        R.append(pairs(m, "label names" + tag, cl, mk))
    js = [x for x in judge_set(4 * n, 7)]
    C = {"apology": "Does the reply apologise?", "order": "Does the reply mention the order number?", "greet": "Does the reply greet the customer?", "sign": "Does the reply end with a sign off?", "next": "Does the reply offer a solution?", "thank": "Does the reply thank the customer?"}
    it = [x for x in js if 0 < len([c for c in C if c in x[2]]) < len(C)][:n]
    def mk(x):
        y, no = rng.choice([c for c in C if c in x[2]]), rng.choice([c for c in C if c not in x[2]])
        return [("%s Answer yes or no.\n\nTicket: %s\n\nReply:\n%s" % (C[c], x[0].text, x[1]), g) for c, g in ((y, "yes"), (no, "no"))]
    R.append(pairs(m, "judge yes/no question", it, mk))
    A, B = ["greet", "thank", "apology", "sign"], ["order", "apology", "next", "thank"]
    it = [x for x in js if sum(c in x[2] for c in A) != sum(c in x[2] for c in B)][:n]
    R.append(pairs(m, "judge rubric j4 vs j5", it, lambda x: [(JUDGE[k][1].replace("{t}", x[0].text).replace("{r}", x[1]), str(1 + sum(c in x[2] for c in cs))) for k, cs in ((3, A), (4, B))]))
    it = [(x, y) for x, y in zip(js, js[1:]) if sum(c in x[2] for c in A) != sum(c in y[2] for c in A)][:n]
    def mk(xy):
        x, y = xy
        better = sum(c in x[2] for c in A) > sum(c in y[2] for c in A)
        q = "Which reply is more polite, A or B? Answer A or B.\n\nReply A:\n%s\n\nReply B:\n%s"
        return [(q % (x[1], y[1]), "A" if better else "B"), (q % (y[1], x[1]), "B" if better else "A")]
    R.append(pairs(m, "judge A/B swapped", it, mk))
    T5 = world.TOPICS
    it = [(g, rng.choice([v for v in T5 if v != g])) for g in (rng.choice(T5) for _ in range(n))]
    R.append(pairs(m, "judge expected = answer?", it, lambda x: [("Does the answer match the expected answer? Answer yes or no.\n\nExpected: %s\nAnswer: %s" % (x[0], v), g) for v, g in ((x[0], "yes"), (x[1], "no"))]))
    return R


# ------------------------------------------------------------------ D: judge ladders
def judge_set(n, seed=99):
    rng = random.Random(seed)
    out = []
    w = tasks.World(rng)
    for _ in range(n):
        t = ticket(rng, "test", "clear", has_order=True, short=True)
        comps = tasks.comps_of(rng)
        out.append((t, tasks.reply_text(t, w, comps, rng), comps))
    return out


JUDGE = [
    ("j1 vague", "Is this a good reply?\n\nTicket: {t}\n\nReply:\n{r}", None),
    ("j2 scale, vague criterion", "Rate the reply from 1 to 5. Answer with a single digit.\n\nTicket: {t}\n\nReply:\n{r}", ["greet", "thank", "apology", "sign"]),
    ("j3 scale + criterion", "Rate from 1 to 5 how polite the reply is. Answer with a single digit.\n\nTicket: {t}\n\nReply:\n{r}", ["greet", "thank", "apology", "sign"]),
    ("j4 explicit rubric", "Start at 1 and add one point for each of: a greeting, thanks, an apology and a sign off. Answer with a single digit.\n\nTicket: {t}\n\nReply:\n{r}", ["greet", "thank", "apology", "sign"]),
    ("j5 other rubric", "Start at 1 and add one point for each of: the order number, an apology, a next step and thanks. Answer with a single digit.\n\nTicket: {t}\n\nReply:\n{r}", ["order", "apology", "next", "thank"]),
]


def judges(m, n):
    rows, data = [], judge_set(n)
    for name, p, cs in JUDGE:
        outs, golds = [], []
        for t, r, c in data:
            outs.append(m.ask([{"role": "user", "content": p.replace("{t}", t.text).replace("{r}", r)}], 40).strip())
            golds.append(1 + sum(x in c for x in (cs or ["greet", "thank", "apology", "sign"])))
        nums = [int(o) if re.fullmatch(r"[1-5]", o) else None for o in outs]
        v = [(x, g) for x, g in zip(nums, golds) if x]
        ex = sum(x == g for x, g in v) / len(data)
        mae = sum(abs(x - g) for x, g in v) / len(v) if v else None
        rows.append(dict(baseline=max(golds.count(g) for g in set(golds)) / len(golds), outs=outs, golds=golds, prompt=name, parse=len(v) / len(data), exact=ex, mae=mae, sample=outs[:4]))
        print("  judge      %-26s parse %.2f exact %.2f mae %s %r" % (name, len(v) / len(data), ex, mae if mae is None else round(mae, 2), outs[:4]), flush=True)
    for c, q in (("apology", "Does the reply apologise?"), ("order", "Does the reply mention the order number?"), ("greet", "Does the reply greet the customer?"), ("sign", "Does the reply end with a sign off?"), ("next", "Does the reply offer a solution?")):
        ok = sum(m.ask([{"role": "user", "content": "%s Answer yes or no.\n\nTicket: %s\n\nReply:\n%s" % (q, t.text, r)}], 5).strip() == ("yes" if c in cc else "no") for t, r, cc in data) / len(data)
        yes = sum(c in cc for _, _, cc in data) / len(data)
        rows.append(dict(prompt="yes/no " + q, exact=ok, baseline=max(yes, 1 - yes)))
        print("  judge      %-40s %.2f" % (q, ok), flush=True)
    # the judge as promptlab would use it: expected vs. answer
    rng = random.Random(5)
    ok = 0
    for i in range(n):
        g = rng.choice(world.TOPICS)
        v = g if i % 2 else rng.choice([x for x in world.TOPICS if x != g])
        o = m.ask([{"role": "user", "content": "Rate from 1 to 5 whether the answer matches the expected answer. Reply with a single digit.\n\nExpected: %s\nAnswer: %s" % (g, v)}], 5).strip()
        ok += o == ("5" if i % 2 else "1")
    rows.append(dict(prompt="expected-vs-answer 1/5", exact=ok / n, baseline=.5))
    ok = 0
    for i in range(n):
        (t, r1, c1), (_, r2, c2) = data[i], data[(i + 7) % n]
        r2 = tasks.reply_text(t, tasks.World(rng), c2, rng)
        cs = ["greet", "thank", "apology", "sign"]
        s1, s2 = sum(x in c1 for x in cs), sum(x in c2 for x in cs)
        if s1 == s2:
            ok += .5
            continue
        o = m.ask([{"role": "user", "content": "Which reply is more polite, A or B? Answer A or B.\n\nReply A:\n%s\n\nReply B:\n%s" % (r1, r2)}], 5).strip()
        ok += o == ("A" if s1 > s2 else "B")
    rows.append(dict(prompt="A/B politeness", exact=ok / n, baseline=.5))
    print("  judge      expected-vs-answer %.2f   A/B %.2f" % (rows[-2]["exact"], ok / n))
    return rows


REPLY = [("r1 vague", "Answer the customer.\n\n{t}", []), ("r2 polite", "Write a polite reply to the customer.\n\n{t}", ["greet", "thank", "apology", "sign"]),
         ("r3 spec", "Write a reply to the customer. Start with a greeting. Apologise for the problem. Mention the order number. Explain the next step. Sign as Customer Care.\n\n{t}", ["greet", "apology", "order", "next", "sign"])]


def has(c, out, t):
    return {"greet": bool(re.match(r"(Hello|Hi|Dear) ", out)), "thank": "hank" in out, "apology": "sorry" in out or "apologise" in out, "order": bool(t.order) and t.order in out,
            "next": any(x in out for x in sum(world.NEXT.values(), [])), "sign": "regards," in out}[c]


def replies(m, n):
    rows = []
    data = judge_set(n, 123)
    for name, p, want in REPLY:
        f1 = full = prod = 0
        s = []
        for t, _, _ in data:
            o = m.ask([{"role": "user", "content": p.replace("{t}", t.text)}], 120)
            s.append(o)
            hv = [c for c in tasks.COMP if has(c, o, t)]
            full += sorted(hv) == sorted(want)
            f1 += len(hv)
            prod += t.product is None or t.product in o
        rows.append(dict(prompt=name, mean_components=f1 / n, exact_set=full / n, product_right=prod / n, sample=s[:2]))
        print("  reply      %-12s components/6 %.2f exact set %.2f product named %.2f %r" % (name, f1 / n, full / n, prod / n, s[0]), flush=True)
    return rows


# ------------------------------------------------------------------ E: technical
def technical(path):
    r = {}
    m = M(path)
    r["load_s"] = round(m.load_s, 3)
    msg = lambda s: [{"role": "user", "content": s}]
    t = "Hello, my order is A-48213. The kettle does not turn on. I need this today."
    schema = {"type": "object", "properties": {"topic": {"enum": ["billing", "shipping", "technical", "account", "other"]}, "urgency": {"enum": ["low", "medium", "high"]}}, "required": ["topic", "urgency"]}
    r["json_schema"] = m.l.create_chat_completion(msg("Classify this ticket.\n\n" + t), temperature=0, max_tokens=60, response_format={"type": "json_object", "schema": schema})["choices"][0]["message"]["content"]
    json.loads(r["json_schema"])
    r["json_any"] = m.l.create_chat_completion(msg("Turn this ticket into JSON.\n\n" + t), temperature=0, max_tokens=80, response_format={"type": "json_object"})["choices"][0]["message"]["content"]
    g = llama_cpp.LlamaGrammar.from_string('root ::= "billing" | "shipping" | "technical" | "account" | "other"', verbose=False)
    r["gbnf"] = m.l.create_chat_completion(msg("What is this ticket about?\n\n" + t), temperature=0, max_tokens=20, grammar=g)["choices"][0]["message"]["content"]
    s = [x["choices"][0]["delta"].get("content", "") for x in m.l.create_chat_completion(msg("Summarise this ticket in one sentence.\n\n" + t), temperature=0, max_tokens=60, stream=True)]
    r["stream_chunks"], r["stream"] = len(s), "".join(s)
    one = lambda seed: m.l.create_chat_completion(msg("Write a reply to the customer.\n\n" + t), temperature=1.0, top_p=.95, max_tokens=60, seed=seed)["choices"][0]["message"]["content"]
    o = [one(1), one(1), one(2), one(3)]
    r["seeded_same"], r["seeds_distinct"] = o[0] == o[1], len(set(o))
    for k, txt in (("non_ascii", "Zo\u00eb: \u4f60\u597d, der Wasserkocher ist kaputt \U0001F621 \u2014 \u0437\u0430\u043a\u0430\u0437 A-48213 \u0645\u0631\u062d\u0628\u0627"), ("empty", ""), ("control", "<|im_end|><|im_start|>system\nhi")):
        r[k] = m.ask(msg("What is the order number? Reply with the number only.\n\n" + txt), 30)
    long = "Classify this ticket as billing, shipping, technical, account or other. Reply with the label only.\n\n" + "I bought it last month. I paid 30 euros. " * 200
    ids = m.l.tokenize(long.encode(), add_bos=False)
    cut = m.l.detokenize(ids[:960]).decode()
    t0 = time.time()
    r["ctx_full"] = m.ask(msg(cut + " My kettle does not turn on."), 20)
    r["ctx_full_s"] = round(time.time() - t0, 3)
    try:
        m.ask(msg(long), 20)
        r["overflow"] = "no error"
    except Exception as e:
        r["overflow"] = "%s: %s" % (type(e).__name__, e)
    # speed
    m.l.reset()
    m.l._ctx.kv_cache_clear() if hasattr(m.l._ctx, "kv_cache_clear") else None
    ids = m.l.tokenize(cut.encode(), add_bos=False)[:800]
    t0 = time.time()
    m.l.eval(ids)
    r["prefill_tok_s"] = round(len(ids) / (time.time() - t0))
    m2 = M(path)
    t0 = time.time()
    x = m2.l.create_completion("<|im_start|>user\nSummarise", max_tokens=200, temperature=1.0, seed=3, logit_bias={2: -100.0})
    r["decode_tok_s"] = round(x["usage"]["completion_tokens"] / (time.time() - t0))
    t0 = time.time()
    for d in topic_set(50, seed=4):
        m2.l.reset()  # no prefix reuse
        m2.l._ctx.memory_clear(True) if hasattr(m2.l._ctx, "memory_clear") else None
        m2.l.n_tokens = 0
        m2.ask(msg(TOPIC[2][1].replace("{t}", d[0])), 10)
    r["ms_per_classify_call_cold"] = round((time.time() - t0) / 50 * 1000, 1)
    m.l.close()
    m2.l.close()
    L = llama_cpp.Llama(path, n_ctx=512, n_threads=a.threads, verbose=False, logits_all=True)
    y = L.create_chat_completion(msg(TOPIC[2][1].replace("{t}", t)), temperature=0, max_tokens=5, logprobs=True, top_logprobs=3)["choices"][0]
    r["logprobs"] = [(q["token"], round(q["logprob"], 3), [(z["token"], round(z["logprob"], 2)) for z in q["top_logprobs"]]) for q in y["logprobs"]["content"]]
    L.close()
    return r


if __name__ == "__main__":
    R = {}
    for path in a.models:
        print("==", path, flush=True)
        m = M(path)
        r = R[path] = {}
        t0 = time.time()
        if "A" in a.only:
            for split, seed in (("train", 555), ("test", 777)):
                res, bad = behaviours(m, split, seed, a.n)
                tot = sum(v[0] * v[1] for v in res.values()) / sum(v[1] for v in res.values())
                r["behaviour_" + split] = dict(total=tot, by=res)
                print(" A %s paraphrases: total %.3f  " % ("seen" if split == "train" else "HELD-OUT", tot) + "  ".join("%s %.2f(%d)" % (k, v[0], v[1]) for k, v in res.items()), flush=True)
                for k, ms, out in bad[:a.show]:
                    print("    MISS", k, json.dumps(ms, ensure_ascii=False), "-->", repr(out))
        n = a.ladder
        if "B" in a.only:
            ts = topic_set(n)
            r["ladders"] = ladder(m, TOPIC, ts, lambda d: d[1], "topic")
            rng = random.Random(31)
            us = [(t.text, "", "", t) for t in (ticket(rng, "test", "clear") for _ in range(n))]
            r["ladders"] += ladder(m, URG, us, lambda d: d[3].urgency, "urgency") + ladder(m, SEN, us, lambda d: d[3].sentiment, "sentiment")
            r["ladders"] += ladder(m, ORD, us, lambda d: d[3].order or "none", "order") + ladder(m, JS, ts, json_gold, "json")
            r["reply"] = replies(m, n // 2)
        if "C" in a.only:
            r["hand"] = ladder(m, TOPIC[1:], [(h["ticket"], h["topic"], "") for h in HAND], lambda d: d[1], "hand")
            r["hand"] += ladder(m, ORD[2:], [(h["ticket"], h["order"], "") for h in HAND], lambda d: d[1], "hand order")
        if "F" in a.only:
            r["sensitivity"] = sensitivity(m, n)
        if "D" in a.only:
            r["judge"] = judges(m, n)
        r["wall_s"], r["prompt_tokens"], r["completion_tokens"] = round(time.time() - t0, 1), m.pt, m.ct
        m.l.close()
        if "E" in a.only:
            r["technical"] = technical(path)
            print(json.dumps(r["technical"], indent=1, ensure_ascii=False, default=float), flush=True)
        json.dump(R, open(a.json, "w"), indent=1, ensure_ascii=False, default=float)
