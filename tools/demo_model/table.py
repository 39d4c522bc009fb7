"""results.json -> markdown tables."""
import json, sys
R = json.load(open(sys.argv[1]))
names = list(R)
short = [n.split("/")[-1].replace("ticket-", "").replace(".gguf", "") for n in names]
print("| measure | " + " | ".join(short) + " |\n|---|" + "---|" * len(names))
def row(label, f):
    v = []
    for n in names:
        try:
            v.append(f(R[n]))
        except Exception:
            v.append("-")
    print("| %s | %s |" % (label, " | ".join(v)))
pc = lambda x: "%.0f%%" % (100 * x)
row("behaviours, seen paraphrases, new tickets", lambda r: pc(r["behaviour_train"]["total"]))
row("behaviours, HELD-OUT paraphrases + phrasings", lambda r: pc(r["behaviour_test"]["total"]))
for i, l in enumerate(R[names[0]]["ladders"]):
    row("%s: %s" % (l["ladder"], l["prompt"]), lambda r: pc(r["ladders"][i]["exact"]) + " (" + pc(r["ladders"][i]["contains"]) + ")" + (" clear %s ambig %s mixed %s" % tuple(pc(r["ladders"][i]["by"][k]) for k in ("clear", "ambig", "mixed")) if "clear" in r["ladders"][i]["by"] else ""))
for i, l in enumerate(R[names[0]]["hand"]):
    row("hand-written tickets: " + l["prompt"], lambda r: pc(r["hand"][i]["exact"]))
for i, l in enumerate(R[names[0]]["reply"]):
    row("reply %s: exact component set (mean components of 6)" % l["prompt"], lambda r: "%s (%.1f)" % (pc(r["reply"][i]["exact_set"]), r["reply"][i]["mean_components"]))
for i, l in enumerate(R[names[0]]["judge"]):
    row("judge " + l["prompt"], lambda r: pc(r["judge"][i]["exact"]) + (" (parsed %s)" % pc(r["judge"][i]["parse"]) if "parse" in r["judge"][i] else ""))
for k in ("load_s", "prefill_tok_s", "decode_tok_s", "ms_per_classify_call_cold"):
    row(k, lambda r: str(r["technical"][k]))
