"""The first stage's mix: more wordings for the train split, and one item asked under opposite instructions.

Importing it widens tasks.py in place. Nothing here may repeat a wording marked "~" (held out) in tasks.py or world.py.
"""
from __future__ import annotations

import json

import tasks as t
import world as w
from tasks import COMP, T, World, block, cap, choose, dot, eff, fmt_list, join_parts, place, reply_text, spin, SIGNERS, CN
from world import AMBIG, I, TOPICS, ticket

THE = "{the|this|the following|a customer's}"
t.ACT["topic"] += [
    "{Look at|Read} {the|this} " + T + " and {give|pick|choose|tell me} {its|the} {topic|category|label}", "{Give|Tell} me the {topic|category} of " + THE + " " + T,
    "Into which {category|topic|group} {does|would} {the|this} " + T + " {fall|go}", "Who should {handle|get|answer} {the|this} " + T, "Which {team|department} {should|must} {handle|get|take} {the|this} " + T,
    "{Group|File|Mark} {the|this} " + T + " by {topic|category|department}", "Put {the|this} " + T + " into {a|one|the right} {category|group|box}", "{Work out|Find out|Say} what {the|this} " + T + " is about",
    "{I need|We need|Return|Output|Write} the {topic|category|label} of {the|this} " + T, "Send {the|this} " + T + " to the {right|correct} {team|department|queue}", "{Recognise|Detect|Predict} the {topic|category} of " + THE + " " + T,
    "To which {team|department|queue} would you send {the|this} " + T, "You get a {ticket|message}. Decide its {topic|category}", "What kind of {ticket|request|message} is this", "Do a {topic|category} check of {the|this} " + T]
t.ACT["urgency"] += [
    "{Give|Tell} me the {urgency|priority} of " + THE + " " + T, "{I need|We need|Return|Output|Write} the {urgency|priority} {level |}of {the|this} " + T, "How {fast|soon|quickly} {must|should} we answer {the|this} " + T,
    "{Look at|Read} {the|this} " + T + " and {decide|say|tell me} how urgent it is", "What {priority|urgency} {does|should} {the|this} " + T + " {have|get}", "Assign {a|the} priority to {the|this} " + T, "Does {the|this} " + T + " need a fast answer",
    "{Sort|Rank|Mark} {the|this} " + T + " by {urgency|priority}", "{Recognise|Detect|Predict} the {urgency|priority} of {the|this} " + T, "In what {priority|urgency} level {is|would be} {the|this} " + T]
t.ACT["sentiment"] += [
    "{Give|Tell} me the {sentiment|mood} of " + THE + " " + T, "{I need|We need|Return|Output|Write} the {sentiment|mood|tone} of {the|this} " + T, "What {feeling|mood|sentiment} does {the|this} " + T + " {show|have}",
    "{Look at|Read} {the|this} " + T + " and {decide|say|tell me} the {sentiment|mood}", "Is {the|this} " + T + " friendly or angry", "What is the feeling behind {the|this} " + T, "{Sort|Mark} {the|this} " + T + " by {mood|sentiment}",
    "{Recognise|Predict|Find} the {sentiment|mood} of {the|this} " + T, "How happy is {the|this} customer", "How does the writer of {the|this} " + T + " feel"]
t.ACT["order"] += [
    "{Give|Tell} me the order {number|id} of " + THE + " " + T, "{I need|We need|Output|Write|Show} the order {number|id|ID} {from|in} {the|this} " + T, "Read {the|this} " + T + " and {return|give|write} the order {number|id}",
    "What order {number|id} does {the|this} " + T + " {give|name|contain}", "Which order is {the|this} " + T + " about", "Take the order {number|id} out of {the|this} " + T, "Is there an order number? Give it", "Search {the|this} " + T + " for the order {number|id}"]
t.ACT["product"] += ["{I need|We need|Output|Write|Show|Tell me} the product {from|in} {the|this} " + T, "Read {the|this} " + T + " and {return|give|write} the product", "Which product does {the|this} " + T + " {name|mention}", "{Copy|Get|Take} the product {from|out of} {the|this} " + T,
                     "What did the customer {buy|order}", "What thing is {the|this} " + T + " about"]
t.ACT["name"] += ["{I need|We need|Output|Write|Show} the name of the customer", "What is the {sender|customer} called", "Read {the|this} " + T + " and {return|give|write} the customer name", "{Copy|Get|Take} the name of the customer {from|out of} {the|this} " + T, "Who is the {customer|sender}"]
t.BARE += ["{Give|Write|Send} {me |}{only|just} the {W}, {please|no more|without a sentence}.", "The {W} {only|alone}.", "{Your answer|Your reply|The answer} {is|must be} {only|just} the {W}.", "No {sentence|sentences|comment|comments}.", "Do not {add|write|say} anything {else|more}.",
           "{Answer|Reply} in one word.", "Only one word.", "{Output|Print} nothing {else|more} than the {W}.", "Without {explanation|reasons|comments|any other text}.", "Be brief: only the {W}.", "{Just|Only} {answer|reply|respond} with the {W}.", "Leave out everything but the {W}.",
           "A single word, please.", "Return the bare {W}.", "{Skip|Leave out} the explanation.", "Write the {W} and stop.", "The answer is one {W}, nothing more.", "I only want the {W}."]
t.LISTS += ["{Labels|Options|Choices|Categories|Topics} to {use|choose from|pick from}: {L}.", "{You can|You may|Please} {choose|pick|use} {L}.", "{We have|There are} these {labels|categories|options}: {L}.", "The {label|answer|category} {must|has to|should} be {one of |}{L}.", "{Use|Take} {only |}{L}.",
            "{Answer|Reply} {with|by} one of these: {L}.", "{Known|Our} {labels|categories|topics} are {L}.", "Options = {L}.", "Labels = {L}.", "{Give|Return} one of {L}.", "Only these {labels|words|answers} {are allowed|count|exist}: {L}.", "({L})"]
t.INL += [" with one of {L}", " by choosing from {L}", " - options: {L}", ", one of {L}", " using {L}", " using the labels {L}", " (choose from {L})", ". Labels: {L}", " with these labels: {L}"]
t.SENTF += ["One {full |}sentence, please.", "Answer with a whole sentence.", "Write a sentence, not one word.", "Put the answer into a sentence."]
t.REAS += ["Tell me why.", "Also {say|tell me} why.", "{Answer|Reply} and explain.", "With a {short |}{reason|explanation}.", "Give the reason too."]
t.COT += ["{Start with|Begin with} {a reason|your reasoning|an explanation}{,| and} then {give|write} the {W}.", "Reason first, {W} last.", "{Write|Give} your reasoning before the {W}.", "First {say|tell me} why, then give the {W}."]
t.PERSONA += ["You {sort|route|read|handle} {tickets|messages} for {a shop|an online store|a support team}.", "You are {part of|on} a {support|service} team.", "{Do|Follow} exactly what {I ask|the user asks}.", "You are a {tool|program|bot} that reads {tickets|customer messages}.",
              "{Hello|Hi}!", "Here is a task.", "Your {job|task} is to help our {team|support desk team}.", "Please {answer|reply} {carefully|exactly|in English}.", "We are a {web shop|online shop}.", "Only use what the {ticket|message} says.", "A customer wrote to us."]
t.BLOCK += ["TICKET:\n{X}", "Request: {X}", "Request:\n{X}", "The ticket:\n{X}", "The message: {X}", "[ticket]\n{X}\n[/ticket]", "<email>\n{X}\n</email>", "<text>{X}</text>", "'{X}'", "> {X}", "# Message\n{X}", "== Ticket ==\n{X}", "Customer wrote: {X}", "User message: {X}",
            "This is the message:\n{X}", "Ticket text: {X}", "```\n{X}\n```", "Content: {X}"]
t.MISS += ["No F? {Answer|Write|Say} {M}.", "If {you find no F|you cannot find it|the ticket has no F}, {answer|write|say|return} {M}.", "{Answer|Return|Give} {M} {when|if} {there is none|nothing is found|it is not there}.", "Without a F {answer|write} {M}.", "{M} means that there is no F.",
           "If the message does not {give|have|contain} it: {M}.", "Otherwise {answer|say|write} {M}.", "In case there is no F, {use|answer|write} {M}.", "Should it be missing, {answer|write} {M}."]
w.RULE += ["{F} {must be|should be|always go to|should go to|are always} {L}.", "{L} {handles|takes|gets|owns|covers} {F}.", "{Send|Give|Route|Assign} {F} to {L}.", "{We|Our team} {count|treat|file} {F} as {L}.",
           "{In case of|With|On} {F}{,|:} {L}.", "{F} -> {L}.", "{F}: {L}.", "The label for {F} is {L}.", "{Tickets|Messages} about {F} {are|go to|belong to|get the label} {L}.", "{Consider|See} {F} as {L}.", "{L} is {right|correct|the label} for {F}.", "When {a customer|somebody} writes about {F}, {it is|use|answer} {L}."]
_n = "{two|several|many|more than one} {problems|issues|topics|things|requests}"
w.FIRST += ["{Two|Several} {problems|issues|topics}? {Use|Take|Label} the first{ one|}.", "With " + _n.replace("|more than one", "") + ", the first {counts|decides|wins}.", "The first {problem|issue|topic} {decides|counts|wins|is what counts}.", "{Ignore|Forget|Skip} {all|everything} {after|but} the first {problem|issue}.", "{Classify|Use|Take} the {problem|issue|topic} that comes first.",
            "Look {only |}at the first {problem|issue}{ only|}.", "What is mentioned first {counts|decides|wins}.", "If the customer has " + _n + ", {answer|answer} with the first.", "The earlier {problem|issue} is the one {to use|that counts}."]
w.LAST += ["{Two|Several} {problems|issues|topics}? {Use|Take|Label} the last{ one|}.", "With " + _n.replace("|more than one", "") + ", the last {counts|decides|wins}.", "The last {problem|issue|topic} {decides|counts|wins|is what counts}.", "{Ignore|Forget|Skip} {all|everything} {before|but} the last {problem|issue}.", "{Classify|Use|Take} the {problem|issue|topic} that comes last.",
           "Look {only |}at the last {problem|issue}{ only|}.", "What is mentioned last {counts|decides|wins}.", "If the customer has " + _n + ", {answer|answer} with the last.", "The later {problem|issue} is the one {to use|that counts}."]
F = w.FAMILY_NAMES
F["cancel_sub"] = [F["cancel_sub"][0][:-1] + "|cancelling a subscription|the end of a plan|a cancelled plan|subscription endings}"]
F["damaged"] = [F["damaged"][0][:-1] + "|broken items in the box|damage on arrival|broken deliveries|a damaged product}"]
F["wrong_item"] = [F["wrong_item"][0][:-1] + "|the wrong product in the box|a wrong product|items that were not ordered}"]
F["promo"] = [F["promo"][0][:-1] + "|coupons|discounts that do not work|coupon codes|promo code trouble}"]
F["warranty"] = [F["warranty"][0][:-1] + "|the warranty|warranty requests|warranty checks}"]
F["ship_addr_change"] = [F["ship_addr_change"][0][:-1] + "|a new address for a parcel|a changed delivery address|address updates}"]
t.SUM["one"] += ["{One|A single} sentence: what {is|does} {the|this} " + T + " say?", "Sum it up in one sentence.", "{Give|Tell} me {the|this} " + T + " in one sentence.", "{Shorten|Reduce} {the|this} " + T + " to {one|a single} sentence.", "A summary of exactly one sentence."]
t.SUM["short"] += ["{Give|Write|Find} a {headline|title|subject} of {at most |}{5|6|eight|five} words.", "What would be a {good |}{title|subject line|headline} for {the|this} " + T + "?", "A {short |}{title|headline} for {the|this} " + T + ", please.", "{Name|Title} {the|this} " + T + " in {a few|five|six} words."]
t.SUM["bullets"] += ["{Turn|Make|Put} {the|this} " + T + " into {bullets|bullet points|a bullet list}.", "Bullet points, please.", "{Main|Key|Important} points as {a list|bullets}, please.", "Use bullet points for the {summary|facts}."]
t.SUM["vague"] += ["{Tell me|Say} what {the|this} " + T + " says.", "{Describe|Retell} {the|this} " + T + ".", "What is {written|said} in {the|this} " + T + "?", "A summary, please."]
A = t.COMP_ASK
A["greet"] += ["Say hello{ first|}.", "{Use|Add|Include} a greeting.", "The {reply|answer} {starts|begins|must start} with a greeting."]
A["thank"] += ["{Use|Add|Include} {thanks|a thank you}.", "Thank them for {writing|the message}.", "Do not forget to say thank you."]
A["apology"] += ["{Add|Use|Write} an apology.", "{Tell them|Write} that we are sorry.", "Do not forget to {apologise|say sorry}."]
A["order"] += ["{Add|Use|Write|State} the order {number|id}.", "{The order number|Their order number} must {be in it|appear}.", "Name the order number."]
A["next"] += ["{Add|Include|Write} {a|the} next step.", "{Tell them|Write} what we {will do|do} {next|now}.", "Say how we {help|will help}."]
A["sign"] += ["{Add|Include|Use} a {sign off|closing}.", "{Put|Write} {S} {at the end|under it}.", "The last line is {S}."]
t.RACT += ["{Write|Draft|Give} {an|the} answer to {the|this} {customer|ticket|message|email}", "{Write back|Reply} to {the|this} customer", "What {should|do} we {reply|answer}", "Help {the|this} {customer|writer} with a reply", "{Make|Prepare} a {reply|response} {for|to} the customer"]
J = t.JB
J["greet"] += ["Does {the|this} {A} {say hello|start with a greeting|contain a greeting|have a greeting}?", "{Can you see|Is there} {a greeting|a hello} at the start of the {A}?", "{Check|Say|Tell me} {if|whether} the {A} greets the customer.", "Did the {A} greet the customer?"]
J["thank"] += ["Does {the|this} {A} {say thank you|contain thanks|have a thank you|express a thank you}?", "{Can you see|Is there} {a thank you|a word of thanks} in the {A}?", "{Check|Say|Tell me} {if|whether} the {A} thanks the customer.", "Did the {A} thank the customer?"]
J["apology"] += ["Does {the|this} {A} {apologise to the customer|say that we are sorry|include an apology|have an apology}?", "{Can you see|Do you find} an apology in the {A}?", "{Check|Say|Tell me} {if|whether} the {A} apologises.", "Did the {A} apologise?"]
J["order"] += ["Does {the|this} {A} {include|contain|state|name|give} {the|an} order number?", "{Can you see|Do you find|Is there} an order number in the {A}?", "{Check|Say|Tell me} {if|whether} the {A} mentions the order number.", "Did the {A} mention the order number?"]
J["next"] += ["Does {the|this} {A} {include|contain|name|promise} a next step?", "{Can you see|Do you find|Is there} {a next step|a solution} in the {A}?", "{Check|Say|Tell me} {if|whether} the {A} gives a next step.", "Did the {A} offer a solution?", "Does the {A} say how we {will |}help?"]
J["sign"] += ["Does {the|this} {A} {have a sign off|contain a sign off|close with a sign off|have a closing}?", "{Can you see|Do you find|Is there} a {sign off|closing} at the end of the {A}?", "{Check|Say|Tell me} {if|whether} the {A} is signed.", "Did the {A} end with a sign off?"]
C = t.CN
C["greet"] += ["a hello", "greeting the customer"]; C["thank"] += ["a word of thanks", "thanking the customer"]; C["apology"] += ["saying sorry", "an excuse"]; C["order"] += ["an order number", "naming the order number"]
C["next"] += ["a solution", "saying what happens next"]; C["sign"] += ["a closing", "a signature"]
for _k, _v in C.items():  # reasons are written with the last name of a component: keep it short
    C[_k] = _v[:1] + _v[2:] + _v[1:2]
t.YN += ["Yes or no.", "Write yes or no.", "The answer is yes or no.", "Answer only yes or no.", "One word: yes or no.", "Just yes or no, please.", "Return yes or no.", "(yes/no)", "yes/no"]
t.DIGIT += ["{One|A single} {digit|number}{, please|}.", "{Just|Only} {write|give|return|send} {the|a} {digit|number|score}.", "The answer is {one|a single} {number|digit}.", "Number only.", "Give me {one|a} {digit|number} {only|and nothing else}.", "No text, {just|only} the {digit|number|score}."]
t.RATE += ["{Give|Assign} {a|the} {score|grade|mark} from 1 to 5 for {the |}{N}.", "{Judge|Check|Measure} the {N} of the {A} with a {number|score} from 1 to 5.", "From 1 to 5, how {Q} is the {A}?", "{Rate|Score} the {N} of the {A}: 1 is bad, 5 is good.", "How much {N} does the {A} show, from 1 to 5?", "{N}, from 1 to 5?"]
t.JP += ["You {rate|score|compare} {answers|replies}.", "{Read|Look at} the {A} and {answer|judge}.", "You are a {judge for} support replies.", "Below is a {A} to a customer.", "{Be strict|Be fair}.", "Check the {A}."]
t.SCALES["polite"][1].extend(["kind", "nice", "warm and polite"])
t.SCALES["helpful"][1].extend(["helpful and complete", "full of help", "good at helping"])


# ------------------------------------------------------- the same item under opposite instructions
def item_place(rng, split, ins, text):
    return place(rng, split, ins, block(rng, split, text))


def labels_sentence(rng, split, wd):
    L = fmt_list(rng, wd.options("topic"))
    act = spin(choose(rng, t.ACT["topic"], split), rng, split)
    q = act.split(" ")[0] in ("What", "Which", "How", "Who", "Is", "To", "Into", "Does")
    if not q and rng.random() < .5 and "\n" not in L:
        return [act + spin(choose(rng, t.INL, split).lstrip("~"), rng, split).replace("{L}", L) + "."]
    return [act + ("?" if q else "."), spin(choose(rng, t.LISTS, split), rng, split).replace("{L}", L).replace("\n.", "\n")]


def bare(rng, split):
    return spin(choose(rng, t.BARE, split).replace("{W}", rng.choice(["label", "topic", "category"])), rng, split)


def opposite(rng, split):
    """(kind, text, [(instruction parts, gold)]): one ticket, instructions that settle it differently."""
    k = rng.random()
    if k < .42:  # a family rule, two policies
        tk = ticket(rng, split, "ambig", short=rng.random() < .4)
        fam = tk.issues[0]["id"]
        base, out = World(rng), []
        base.subset = list(TOPICS)
        rng.shuffle(base.subset)
        tops = list(I[fam]["topic"])
        if rng.random() < .5:  # any label may be ordered, not only the two that make sense
            tops = rng.sample(TOPICS, 2)
        for tp in tops:
            base.policy = {f: rng.choice(I[f]["topic"]) for f in AMBIG}
            base.policy[fam] = tp
            rs = t.rule_sents(rng, base, split, tk, must=True)
            if fam not in [f for f in AMBIG] or not base.covered:
                continue
            out.append((labels_sentence(rng, split, base) + rs + [bare(rng, split)], base.c(base.labels[tp])))
        return "family", tk, out
    if k < .78:  # first or last
        tk = ticket(rng, split, "mixed", short=rng.random() < .4)
        base, out = World(rng), []
        base.subset = list(TOPICS)
        rng.shuffle(base.subset)
        for first in (True, False):
            rule = spin(choose(rng, w.FIRST if first else w.LAST, split), rng, split)
            rules = [rule]
            if rng.random() < .3:
                fam = rng.choice(AMBIG)
                extra = spin(cap(spin(choose(rng, w.RULE, split), rng, split).replace("{F}", spin(rng.choice(F[fam]), rng, split)).replace("{L}", base.c(base.labels[base.policy[fam]]))), rng, split)
                rules.insert(rng.randrange(2), extra)
            gold = tk.issues[0 if first else -1]["topic"]
            out.append((labels_sentence(rng, split, base) + rules + [bare(rng, split)], base.c(base.labels[gold])))
        return "firstlast", tk, out
    tk = ticket(rng, split, "clear", short=rng.random() < .4)  # other names of the labels
    out = []
    for _ in range(2):
        wd = World(rng)
        wd.subset = list(TOPICS)
        rng.shuffle(wd.subset)
        out.append((labels_sentence(rng, split, wd) + [bare(rng, split)], wd.c(wd.labels[tk.issues[0]["topic"]])))
    return "labels", tk, out


def task_opposite(rng, split):
    kind, tk, out = opposite(rng, split)
    while not out:
        kind, tk, out = opposite(rng, split)
    rng.shuffle(out)
    if rng.random() < .6:  # one question, alone
        parts, gold = out[0]
        if rng.random() < .3:
            parts = [spin(choose(rng, t.PERSONA, split), rng, split)] + parts
        return item_place(rng, split, join_parts(rng, parts), tk.text) + [{"role": "assistant", "content": gold}], "opposite:" + kind + "+"
    msgs = []
    for i, (parts, gold) in enumerate(out):
        ins = join_parts(rng, parts)
        b = block(rng, split, tk.text)
        q = ins if i else (ins + "\n\n" + b if rng.random() < .6 else b + "\n\n" + ins)
        msgs += [{"role": "user", "content": q}, {"role": "assistant", "content": gold}]
    return msgs, "opposite:session"


def balanced(rng, c, yes):
    """Components of a reply with or without ``c``; how rich the reply is says nothing about ``c``."""
    rest = [x for x in COMP if x != c]
    have = [x for x in rest if rng.random() < .5]
    return rng.sample(have, len(have)) + ([c] if yes else [])


def reply_for(rng, split, comps, tk):
    return reply_text(tk, World(rng), comps, rng, rng.choice(SIGNERS), not comps and rng.random() < .4)


def yn_question(rng, split, have, A, c):
    q = spin(choose(rng, t.JB[c], split), rng, split).replace("{A}", A)
    return q + " " + spin(choose(rng, t.YN, split), rng, split), "yes" if c in have else "no"


def rubric_question(rng, split, have, A, cs):
    lst = [rng.choice(CN[c]) for c in cs]
    L = ", ".join(lst[:-1]) + " and " + lst[-1] if rng.random() < .7 else "\n" + "\n".join("- " + x for x in lst) + "\n"
    q = spin(choose(rng, ["{Start at|Start with|Begin with} 1 and add {one|a} point for {each of|each of these|every one of}: {L}.", "Score from 1 to 5: 1 plus one point for each of {L}.", "The score is 1 plus {one|a} point for each: {L}.", "1 point, plus one for each of these: {L}.",
                          "{Count|Add up} one point for each of {L}. Then add 1.", "{Give|Add} one point for {L}. Start at 1.", "~Start from a score of 1. Every one of these adds a point: {L}."], split).replace("{L}", L), rng, split).replace("\n.", "\n")
    return q + " " + spin(choose(rng, t.DIGIT, split), rng, split), str(1 + sum(c in have for c in cs))


def scale_question(rng, split, have, A):
    cs, adj, noun = t.SCALES[rng.choice(list(t.SCALES))]
    q = spin(choose(rng, t.RATE, split), rng, split).replace("{Q}", choose(rng, adj, split)).replace("{N}", noun).replace("{A}", A)
    return cap(q) + " " + spin(choose(rng, t.DIGIT, split), rng, split), str(1 + sum(c in have for c in cs))


def judged(rng, split, A, tk, answer):
    return t.judge_layout(rng, split, tk if rng.random() < .7 else None, answer, A)


def task_judge2(rng, split):
    """Judge questions balanced so that neither the question nor the richness of the reply foretells the answer."""
    A = rng.choice(["reply", "answer", "response"])
    tk = ticket(rng, split, "clear", has_order=True, short=True)
    k = rng.random()
    if k < .5:  # yes/no, alone or several about one reply
        c, yes = rng.choice(COMP), rng.random() < .5
        comps = balanced(rng, c, yes)
        lay = judged(rng, split, A, tk, reply_for(rng, split, comps, tk))
        qs = [yn_question(rng, split, comps, A, c)]
        if rng.random() < .55:
            for _ in range(rng.choice([1, 2, 3, 5])):
                yes_, no_ = [x for x in COMP if x in comps], [x for x in COMP if x not in comps]
                pool = yes_ if (rng.random() < .5 and yes_) or not no_ else no_
                qs.append(yn_question(rng, split, comps, A, rng.choice(pool)))
    elif k < .8:  # rubrics, scales: several about one reply
        comps = [c for c in COMP if rng.random() < .5]
        rng.shuffle(comps)
        lay = judged(rng, split, A, tk, reply_for(rng, split, comps, tk))
        qs = []
        for _ in range(rng.choice([1, 1, 2, 3, 4])):
            r = rng.random()
            if r < .55:
                qs.append(rubric_question(rng, split, comps, A, rng.sample(COMP, rng.choice([1, 2, 3, 4, 4, 4]))))
            elif r < .8:
                qs.append(scale_question(rng, split, comps, A))
            else:
                qs.append(yn_question(rng, split, comps, A, rng.choice(COMP)))
    else:  # A or B, one or both orders
        return ab_question(rng, split, A, tk)
    msgs = [{"role": "system", "content": spin(choose(rng, t.JP, split), rng, split).replace("{A}", A)}] if rng.random() < .3 else []
    for i, (q, out) in enumerate(qs):
        body = q if i else (q + "\n\n" + lay if rng.random() < .65 else lay + "\n\n" + q)
        msgs += [{"role": "user", "content": body}, {"role": "assistant", "content": out}]
    return msgs, "judge2" if len(qs) > 1 else "judge2:one+"


def ab_question(rng, split, A, tk):
    one = rng.random() < .4
    if one:
        cs = [rng.choice(COMP)]
        crit = spin("{has|contains|includes} " + CN[cs[0]][0], rng, split)
    else:
        cs, adj, noun = t.SCALES[rng.choice(list(t.SCALES))]
    while True:
        ca, cb = [c for c in COMP if rng.random() < .5], [c for c in COMP if rng.random() < .5]
        sa, sb = sum(c in ca for c in cs), sum(c in cb for c in cs)
        if sa != sb and (abs(sa - sb) > 1 or rng.random() < .6 or one):
            break
    a, b = reply_for(rng, split, ca, tk), reply_for(rng, split, cb, tk)
    h = rng.choice(["Reply", "Reply", "Answer", "Response", "Option", ""])
    def lay(x, y):
        return ("Ticket: " + tk.text + "\n\n" if rng.random() < .4 else "") + "%s:\n%s\n\n%s:\n%s" % ((h + " A").strip(), x, (h + " B").strip(), y)
    def q():
        if one:
            s = spin(choose(rng, ["Which {A} {C}, A or B?", "One of them {C}. Which one, A or B?", "Which one {C}: A or B?", "{A} A or {A} B: find the one that {C}.", "~A or B: which one {C}?"], split), rng, split).replace("{C}", crit)
        else:
            s = spin(choose(rng, ["Which {A} is more {Q}, A or B?", "Which is more {Q}, A or B?", "Pick the more {Q} {A}.", "Compare A and B. Which one is more {Q}?", "Which of the two is more {Q}?", "Is A or B more {Q}?", "Choose the {A} with more {N}, A or B.", "~Choose A or B by {N}."], split), rng, split).replace("{Q}", choose(rng, adj, split)).replace("{N}", noun)
        return cap(s.replace("{A}", A)) + " " + spin(choose(rng, ["Answer A or B.", "Reply with A or B only.", "Only the letter.", "Answer with one letter.", "A or B?", "Write A or B.", "The answer is A or B.", "~Just one letter."], split), rng, split)
    g = "A" if sa > sb else "B"
    pairs = [(a, b, g)]
    if rng.random() < .4:
        pairs.append((b, a, "B" if g == "A" else "A"))
    msgs = []
    for x, y, out in pairs:
        L = lay(x, y)
        msgs += [{"role": "user", "content": q() + "\n\n" + L if rng.random() < .7 else L + "\n\n" + q()}, {"role": "assistant", "content": out}]
    return msgs, "judge2:ab" + ("+" if len(pairs) == 1 else "")


def task_match2(rng, split):
    """Does the answer equal the expected one? Short strings: copying and comparing, nothing else."""
    A = rng.choice(["answer", "reply", "output"])
    wd = World(rng)
    pool = wd.options("topic") if rng.random() < .7 else wd.options(rng.choice(["urgency", "sentiment"]))
    if rng.random() < .2:
        pool = [w.order_id(rng) for _ in range(3)]
    msgs = []
    for i in range(rng.choice([1, 2, 3, 4])):
        g = rng.choice(pool)
        ok = rng.random() < .5
        v = g if ok else rng.choice([o for o in pool if o != g])
        lay = t.judge_layout(rng, split, None, v, A, expected=g)
        if rng.random() < .7:
            q = spin(choose(rng, ["Does the {A} match the expected answer?", "Is the {A} the same as the expected one?", "Is the {A} correct?", "Is the {A} equal to the {expected answer|reference}?", "Compare the two. Are they the same?", "Does the {A} agree with what was expected?", "~Do the {A} and the expected value agree?"], split), rng, split)
            f, out = spin(choose(rng, t.YN, split), rng, split), "yes" if ok else "no"
        else:
            q = spin(choose(rng, ["Rate from 1 to 5 whether the {A} {matches the expected answer|is correct}.", "Score from 1 to 5 how close the {A} is to the expected answer.", "5 if the {A} is the expected answer, 1 if not.", "~Grade from 1 to 5 if the {A} agrees with the expected value."], split), rng, split)
            f, out = spin(choose(rng, t.DIGIT, split), rng, split), "5" if ok else "1"
        ins = (q + " " + f).replace("{A}", A)
        msgs += [{"role": "user", "content": ins + "\n\n" + lay if rng.random() < .7 else lay + "\n\n" + ins}, {"role": "assistant", "content": out}]
    return msgs, "match2" + (":one+" if len(msgs) == 2 else "")


MIX = [(t.task_field, .22), (t.task_multi, .09), (t.task_fewshot, .13), (t.task_summary, .04), (t.task_reply, .06), (t.task_judge, .09), (t.task_chat, .005), (t.task_session, .14), (t.task_judge_session, .02),
       (task_opposite, .16), (task_judge2, .18), (task_match2, .03)]
t.MIX[:] = MIX
t.FEWSHOT = ([.62, .1, .11, .08, .09], [.55, .45])
