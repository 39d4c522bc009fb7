"""The second stage's mix: still more wordings, rules and examples that come in numbers, and judge questions in pairs.

Importing it widens tasks.py, world.py and more.py in place. Nothing here may repeat a wording marked "~" (held out) there.
"""
from __future__ import annotations

import re

import more as m
import tasks as t
import world as w
from more import balanced, bare, item_place, judged, labels_sentence, reply_for, rubric_question, scale_question, yn_question
from tasks import COMP, T, World, block, cap, choose, dot, fmt_list, join_parts, place, spin
from world import AMBIG, I, TOPICS, resolve, ticket

# ------------------------------------------------------------------------------------- how customers write
w.URG["high"] += ["I need {help|an answer|this fixed} {now|today|tonight|this morning|as soon as possible|asap|straight away}.", "{Do this|Answer me|Help me} {quickly|fast|immediately|as fast as you can}.", "My {wedding|trip|flight|meeting|exam} is {tomorrow|tonight|in two hours|this evening}.",
                  "{Time is short|We are losing money}, {so please act|answer now|please act fast}.", "{High priority|Urgent|ASAP|Emergency}{!|, please!|.}", "I {must|have to} {have|use} it {today|tonight|by noon|before tomorrow}.", "{We|I} have no time{ left| to lose}.",
                  "{Our shop|My office|Our team} {stands still|is blocked|has stopped} because of this.", "{Call|Answer|Write} me {right away|immediately|at once}.", "{This|It} is very pressing.", "{Deadline|The deadline} is {today|tonight|tomorrow}."]
w.URG["low"] += ["{I am|We are} not in a {hurry|rush}.", "{Any time|Next month|Next week} is {fine|okay|early enough}.", "{Please answer|Answer|Write back} {when you can|when you find time|some day|at your own pace|in a quiet hour}.", "There is {plenty|lots} of time.",
                 "{No stress|No pressure}{, really|, please|}.", "This {has|can have} low priority.", "{It|This} is {nothing urgent|not important|only a small thing|not pressing}.", "{I can wait|We can wait}{ a few weeks| a while| until next month|}.", "{Just|Only} when you are {free|not busy}."]
w.URG["medium"] += ["", "", "", "Please {reply|write} {within a few days|in the coming days|this week}.", "{Some time this week|By the end of the week} {would be good|is fine}.", "I would like an answer {in a normal time}."]
w.SENT["negative"] += ["I am {so|truly|quite|more than} {mad|frustrated|unhappy|fed up|let down}.", "{What a|Such a} {mess|shame|bad service|poor shop|waste of money}.", "{This|That} is {a disgrace|ridiculous|not okay|simply bad|the worst}.", "{I hate this|I have had enough}.", "You {ruined|spoiled} my {day|week|birthday|holiday}.",
                       "{Worst|Poorest} {shop|service|company} ever.", "{Nobody|No one} {cares|helps} {at your company|in your shop|there}.", "I {regret} {buying here|my purchase}.", "{Very|Really} {bad|poor|weak} service.", "I {lost|am losing} {patience|my trust in you|all trust}.", "How can {a shop|you} be so {careless|slow|rude}?"]
w.SENT["positive"] += ["{So far|Until now} I {love|enjoy} {everything|shopping here|your shop}.", "{I am a big fan|We are fans} of your {shop|store|products}.", "{Great|Super|Excellent|Lovely} {service|shop|team|work} {as always|, thank you|so far}.", "{Thanks|Thank you} {so much|a lot|a thousand times} for {your help|the quick answers|being so kind}.",
                       "{I really|I do} {like|enjoy} {your shop|your service|buying here}.", "You are the {best|nicest} {shop|team|people}.", "{Keep up|Go on with} the {good|great} work!", "I {always|gladly} {recommend|praise} {you|your shop}.", "Everything else {was|is} {perfect|great|wonderful}.", "{It is|What} a {joy|pleasure} to buy from you.", "I am {so pleased|glad|thrilled} with {you|your service|my last order}."]
w.ORDER += ["{Order id|Order no.|Order nr|Order code|My order}: {o}.", "I {ordered} {under|as|with} {number |}{o}.", "The {reference|order id|order code} is {o}.", "It was order {o}.", "Here is my order {number|id}: {o}", "{o} is {my order|the order|my order number}.", "[{o}]", "Order {o}, please."]
w.FILL += ["I bought {it|this} {online|in your shop|for my birthday|on Sunday|in the spring}.", "We are a family of {4|5|6}.", "I am {writing|mailing} for the {first|second|third} time.", "{By the way|Just so you know}, my number is 555 {N}{N}.", "My old one cost {N} dollars.", "I work from home.", "The weather is nice here.", "I am at work until {5|6|7}.",
           "I am {N} years old.", "My {son|wife|boss|aunt} uses it too.", "It came in a {big|small|blue} box.", "I have {2|3|4} of your things at home.", "I found you on the internet.", "A {friend|colleague} {told me|wrote} about it."]
w.GREET += ["Hallo,", "Dear support,", "Hello support,", "Good day,", "Dear all,", "Greetings,", "Hi team,", "Hello!", "Hi!"]
w.SIGN += ["{Greetings|Thank you|Many thanks|Bye|All the best|Sincerely|Best wishes},{ |\n}{n}", "{n} from {Rome|Oslo|Lima|Paris}", "Sincerely, {n}", "I am {n}.", "Written by {n}"]
w.WANT_SENT["refund"] += ["{Return|Send back} my money{, please|}.", "I {need|ask for} {a refund|my money}."]
w.WANT_SENT["replacement"] += ["{Send|Ship} me {another|a new} one.", "I {need|ask for} a {replacement|new one}."]
w.WANT_SENT["fix"] += ["{Repair|Solve} {it|this}{, please|}.", "How {do I|can I} {fix|repair} {it|this}?"]
w.WANT_SENT["update"] += ["What is the {status|news}?", "{Any|Is there any} {news|update}?"]
w.WANT_SENT["access"] += ["{Open|Unlock} it for me{, please|}.", "How do I get {in|access}?"]
w.WANT_SENT["info"] += ["{Please answer|I would like to know}.", "{Can|Could} you {tell|inform} me?", "What can you tell me?"]

# ------------------------------------------------------------------------------------- how prompts ask
X = "{the|this} " + T
t.ACT["topic"] += ["{Please |}{classify|sort|label|tag} {the|this} {next |}" + T, "{Say|Write|State} to which {topic|category|team|department} {it|this|the ticket} belongs", "{Topic|Category|Label|Department} of " + X, "{Which|What} {label|category|topic} {describes|covers|matches} " + X,
                   "{Choose|Select} {a|the} {label|category} for {the text|the message}", "{Do|Perform|Make} a classification of " + X, "{Your|The} {job|task} is to {classify|label|sort|route} " + X, "Which of our {teams|departments|desks} {solves|handles} {this|it}", "State the {topic|team} that {this|the message} {needs|belongs to}",
                   "Where does " + X + " belong", "{Help|Help me} {sort|route|label} " + X, "{Select|Find} the {team|department} for " + X, "{Mark|File} {this|it} under the right {label|topic|team}", "What is the {main|real} {problem area|subject|topic} of " + X, "{Analyse|Read} " + X + ". {What|Which} {topic|category} is it"]
t.ACT["urgency"] += ["{Say|Write|State} how urgent {it|this|the ticket} is", "{Please |}{rate|classify|grade|estimate} the {urgency|priority} of " + X, "{Urgency|Priority} of " + X, "{Which|What} {priority|urgency} {level |}{fits|has|describes} " + X, "How {urgent|pressing} is {it|this}", "How much of a {hurry|rush} is the {customer|writer} in",
                     "{Work out|Estimate|Check} {how urgent|the priority of} " + X + "", "When must {we|somebody} {answer|act}", "{Sort|Label|Tag} " + X + " by {urgency|priority}", "{Your|The} {job|task} is to {set|find|give} the {priority|urgency}", "Can {this|it} wait", "{Do|Make} {an urgency|a priority} check"]
t.ACT["sentiment"] += ["{Say|Write|State} how the customer feels", "{Please |}{rate|classify|label|tag} the {sentiment|mood|tone} of " + X, "{Sentiment|Mood|Tone} of " + X, "{Which|What} {sentiment|mood|tone} {fits|has|describes} " + X, "{What|Which} {mood|tone} does the {customer|writer} {write in|have|show}",
                       "{Work out|Check|Recognise} the {mood|feeling|sentiment} of the {customer|writer}", "{Sort|Label|Tag} " + X + " by {sentiment|mood|feeling}", "{Your|The} {job|task} is {sentiment|mood} {detection|analysis}", "Do a sentiment {check|analysis} of " + X, "Is the {writer|customer} {content|satisfied|pleased}", "{Read|Look at} the tone. How does the customer sound"]
t.ACT["order"] += ["{Please |}{find|extract|copy|return} the order {number|id|code}", "{Order number|Order id} of " + X, "{Say|State|Report} the order {number|id} {of|in|from} " + X, "{Which|What} order {number|id|code} {appears|is given|is written|do you see} in " + X, "{Your|The} {job|task} is to {find|copy|extract} the order {number|id}",
                   "{See|Check} if there is an order number and {copy|return} it", "{Get|Fetch|Grab} me the order {number|id}", "The order {number|id} {of|in} " + X + "{, please|}"]
t.ACT["product"] += ["{Please |}{find|extract|copy|return} the product", "{Product|Item} {of|in} " + X, "{Which|What} {product|item|article} {is meant|is it about|appears in " + X + "|has the problem}", "{Say|State|Report} the product {of|in} " + X, "{Your|The} {job|task} is to {find|copy|extract} the product", "{Get|Fetch|Grab} me the product",
                     "What {product|item} is the {customer|writer} {talking|asking} about"]
t.ACT["name"] += ["{Please |}{find|extract|copy|return} the {name|customer name}", "{Name|Customer name} {of|in} " + X, "{Which|What} name {appears|is given|is written} in " + X, "{Say|State|Report} {who|the name of the person who} wrote " + X, "{Your|The} {job|task} is to {find|copy|extract} the {sender's name|customer's name}", "{Get|Fetch|Grab} me the name of the {sender|customer|person}",
                  "{Who|Which person} {signed|sent} " + X, "How does the {customer|sender} call {himself|herself}"]
t.BARE += ["{Nothing|No word} {else|more}{, please|}.", "{Exactly|Precisely} one {W}{, please|}.", "{Answer|Reply} {exactly|strictly} with {the|one} {W}.", "The {reply|output|answer} {should|must|has to} {contain|have} {just|only} the {W}.", "{I|We} {need|want} {only|just} the {W}{, nothing more|}.", "No {sentence|explanation|comment}{, please|}.",
           "{Keep|Make} it {short|brief}: {just|only} the {W}.", "{Stick to|Give back} the {W} {only|alone}.", "{Use|Write} one word.", "{Reply|Answer} in {exactly |}one word{, please|}.", "{Print|Output} the {W}{.| and nothing else.}", "{Omit|Drop} {all|any} {explanation|other words|extra text}.", "Your {whole|full|entire} answer is the {W}.", "Only the {W} counts.", "{W} only."]
t.LISTS += ["{The|Your} {possible|allowed|valid} {answers|labels|options|values} {are|would be}: {L}.", "{Pick|Choose} {a label|an option|from the following|from this list}: {L}.", "{Valid|Accepted|Legal} {answers|labels}: {L}.", "{Answer|Reply} with one of {L}.", "{Here are|These are} the {labels|options|categories}: {L}.", "Label set: {L}.", "{It|The answer} is {always |}one of these: {L}.",
            "{Select|Take} one: {L}.", "Your {options|choices|labels} are {L}.", "{From|Out of} {L}{,|} {pick|choose} one.", "The list of {labels|topics|options} is {L}.", "{Categories|Labels} ({only these|choose one}): {L}."]
t.INL += [" by one of these labels: {L}", " with one label of {L}", "; the labels are {L}", "; choose {L}", " (one of {L})", " [{L}]", " from {L}", " by the labels {L}"]
t.BLOCK += ["The text:\n{X}", "Mail:\n{X}", "This is the ticket: {X}", "<input>\n{X}\n</input>", "[message]\n{X}", "### Message\n{X}", "## Input\n{X}", "Customer email:\n{X}", "Body: {X}", "The customer wrote:\n{X}", "***\n{X}\n***", "«{X}»", "Data:\n{X}", "<customer>{X}</customer>", "ticket = \"{X}\"", "Below is the message.\n{X}"]
t.PERSONA += ["You {are|act as} {the|a} {support|help} desk {robot|assistant|system}.", "{Please|Always} {follow|read} the {instruction|instructions|rules} {exactly|carefully|first}.", "You {get|receive} {messages|tickets} from customers.", "You {are|work as} a {support|service} {clerk|agent}.", "Do not {guess|invent anything}.", "{Be} {clear|careful|quick}.", "The customer is important{ to us|}.", "You {can|will} do this well."]
t.MISS += ["{Say|Print|Output} {M} {when|if|where} {no F is there|the F is not there|there is not any}.", "{If|When|In case} {nothing is found|nothing is there}{,|:} {M}.", "A missing F is {M}.", "{M} {if|when} {not found|not given|missing}.", "{Not there|Not found|Missing}? {Then|Answer} {M}.", "Tickets {without|that have no} F get {M}.", "{If} the ticket {name|give|have} no F{,|:} {answer|write|use} {M}."]
w.RULE += ["{F} {is|are} {for|with|filed under|handled by|part of|in} {L}.", "{F} {means|mean} {L}.", "{File|Sort} {F} {under|as|in} {L}.", "{Always|Please} {use|answer|pick} {L} for {F}.", "{L} {includes|is responsible for|also covers} {F}.", "{All|Any} {F} {go|goes} to {L}.", "{F} {should be|must be|get|gets|has|have} {L}.", "{F} {:|=|=>} {L}.", "{Remember|Important}: {F} {are|is|=} {L}.", "{Label|Tag|Mark} {F} {as|with} {L}."]
w.FIRST += ["If there is more than one {topic|issue}{,|:} the first {one |}{wins|decides|counts}.", "{Always|Please} {use|take|label} the first {problem|topic|issue|one}.", "First {problem|issue|topic} {only|wins}.", "{The first|Problem one} {matters|is the label}.", "{Label|Answer} for the first {problem|issue}{ only|}.", "{Take|Use} the {one|problem|issue} {named|mentioned|written} first."]
w.LAST += ["If there is more than one {topic|issue}{,|:} the last {one |}{wins|decides|counts}.", "{Always|Please} {use|take|label} the last {problem|topic|issue|one}.", "Last {problem|issue|topic} {only|wins}.", "{The last|Problem two} {matters|is the label}.", "{Label|Answer} for the last {problem|issue}{ only|}.", "{Take|Use} the {one|problem|issue} {named|mentioned|written} last."]
F = w.FAMILY_NAMES
for _k, _v in {"cancel_sub": "ended subscriptions|a customer who wants to leave a plan|plan cancellations|cancelled memberships|stopping a subscription", "damaged": "items that came damaged|broken things|damaged parcels|products with damage|items with scratches",
               "wrong_item": "wrong deliveries|a different item|the wrong article|items that are not the right ones|wrong colours", "promo": "discount problems|a promo code|rejected coupons|problems with a discount|codes for a discount",
               "warranty": "warranty cases|warranty claims|repairs under warranty|asking for warranty|the time of warranty", "ship_addr_change": "a change of the address|delivery to another address|changing the delivery address|address corrections|a new shipping address"}.items():
    F[_k] = [F[_k][0][:-1] + "|" + _v + "}"]
t.SUM["one"] += ["{Condense|Compress|Squeeze|Put} " + X + " {into|in} {one|a single} sentence.", "{One|A} {sentence|line} {summary|that sums up " + X + "}.", "{Say|State|Write} in {one|a single} sentence what {the customer|the writer|the ticket} {wants|says|means}.", "TLDR in one sentence.", "{Cut|Bring|Get} " + X + " to one sentence.", "What happened? {One|A single} sentence.", "{Use|Write} one {short |}sentence {about|for} " + X + ".",
                "{The|This} ticket in one sentence{, please|}.", "{Describe|Retell|Explain} " + X + " in {one|a single} sentence.", "{Summarise|Sum up|Restate} in one sentence."]
t.SUM["short"] += ["{Title|Headline|Subject line} {for|of} " + X + "{, please|}.", "A {short |}{headline|title|subject} {of|with} {at most |}{five|six|8} words.", "{Write|Make} a {title|headline}.", "{Describe|Name} " + X + " in {a few|five} words.", "{What|Which} {title|subject|headline} {fits|suits} " + X + "?", "{Summarise|Put} {it|" + X + "} {in|into} a few words.", "{Short|Brief} {title|subject line|headline}, please."]
t.SUM["bullets"] += ["{Bullets|Bullet points|A bulleted list}{ only|, please|}.", "{List|Show|Give} the {facts|details|main things} {as|in} {bullets|a bulleted list|bullet points}.", "{The|All} {main|important} {facts|details} {as|in} {bullets|bullet form}.", "{Give|Write|Make} {me |}{bullets|bullet points} {for|about|of} " + X + ".", "{Break|Split} " + X + " into bullet points.", "Bulleted {facts|summary}{, please|}.", "{Summary|The summary} as {bullets|bullet points}.", "Which facts matter? {Use|Write} bullets."]
t.COMP_ASK["greet"] += ["{First|At the top}{,|} a greeting.", "{Greet|Welcome} {them|the writer|the customer} {first|at the start}.", "Put a greeting at the {start|top}."]
t.COMP_ASK["thank"] += ["{Tell|Write} {them|the customer} thank you.", "With thanks{ for the message|}.", "{Be|Sound} {grateful|thankful}."]
t.COMP_ASK["apology"] += ["{Be|Say we are} {sorry|very sorry}.", "With an apology.", "{Apologise for} the {trouble|problem|inconvenience}."]
t.COMP_ASK["order"] += ["{Give|Write down|Name} the {number of the order|order number}.", "With the order number.", "The order {number|id} {is|has to be} in the {reply|answer}."]
t.COMP_ASK["next"] += ["{Tell|Write} {them|the customer} {what comes next|the next step|how we go on}.", "With a next step.", "{Name|Describe|Add} {a solution|the next step|what we do}."]
t.COMP_ASK["sign"] += ["{Sign|Finish|End} {it |}{as|with} {S}.", "{At the end|Below}{,|:} {S}.", "With a {sign off|closing}{ from {S}|}."]
J = t.JB
J["greet"] += ["{Does} the {A} {begin|start} with {hello|hi|a hello|a greeting}?", "Greeting {present|there|in it}?", "Is the customer {greeted|addressed}?", "{See|Judge} {if|whether} there is a greeting."]
J["thank"] += ["{Is|Are} {thanks|a thank you} {present|there|in it}?", "Thanks {present|there|in it}?", "Does the {A} {show|hold} thanks?", "{See|Judge} {if|whether} the customer gets a thank you.", "Is the writer of the {A} {thankful|grateful}?"]
J["apology"] += ["Is {an apology|a sorry} {present|there|in it}?", "Apology {present|there|in it}?", "Does the {A} {show|hold|offer} {an apology|regret}?", "{See|Judge} {if|whether} the {A} says sorry.", "Do {we|they} {apologise|say sorry}{ in it|}?"]
J["order"] += ["Is {an|the} order number {present|there|given}?", "Order number {present|there|in it}?", "Does the {A} {show|name|refer to|hold} the order{ number|}?", "{See|Judge} {if|whether} the order number is there.", "Is the order {named|mentioned}{ in it|}?"]
J["next"] += ["Is {a next step|a solution} {present|there|given|offered}?", "{Next step|Solution} {present|there|in it}?", "Does the {A} {show|offer|hold|describe} {a way to help|a solution|the next step}?", "{See|Judge} {if|whether} the {A} {offers|promises} {something|help|a solution}.", "Does the customer learn what {happens|comes} next?"]
J["sign"] += ["Is {a sign off|a closing|a signature} {present|there}?", "{Sign off|Closing|Signature} {present|there|at the end}?", "Does the {A} {finish|stop} with {a closing|a sign off|regards}?", "{See|Judge} {if|whether} there is a {sign off|signature}.", "Is there a name at the end of the {A}?"]
t.YN += ["{Reply|Respond|Decide}: yes or no.", "Say yes or no.", "Use yes or no.", "Give {a|one} yes or no.", "{Only|Just} {answer|reply} yes or no.", "{Yes|yes} or {no|No}, nothing else.", "{Your|The} answer: yes or no.", "Answer: yes/no"]
t.DIGIT += ["{Reply|Answer|Respond}: one {number|digit}.", "{The|Your} {output|reply} is {a|one} {single |}{digit|number}.", "{Give|Say|Print} {just |}{one|a single} {number|digit}.", "{Digit|Score} only.", "{A|One} number {from 1 to 5|between 1 and 5}{, nothing else|}.", "{Use|Write} one {number|digit}."]
t.RATE += ["{Rate|Mark} how {Q} the {A} is{ from 1 to 5| (1 to 5)|, 1 to 5}.", "{Give|Set} {a|one} {mark|score} for {N}, 1 to 5.", "How {Q} is it? {Use|Choose|Take} 1 to 5.", "{N} of the {A}: 1, 2, 3, 4 or 5?", "Score {N} from 1 to 5.", "The {N} of the {A}: {rate|score} it 1 to 5."]
for _c, _more in {"greet": ["a word of greeting", "hello"], "thank": ["thanks to the customer", "saying thanks"], "apology": ["a sorry", "words of apology"], "order": ["the number of the order", "mention of the order number"], "next": ["the next step", "an offer to help"], "sign": ["a closing line at the end", "regards"]}.items():
    t.CN[_c][1:1] = _more


# ------------------------------------------------------------------------------------- rules, one to six
def rule_sents(rng, wd, split, tk=None, must=False):
    """tasks.rule_sents with up to all six families, as a careful prompt has them."""
    wd.covered = True
    fams = rng.sample(AMBIG, rng.choice([1, 1, 2, 2, 3, 4, 5, 6, 6]))
    if tk is not None and tk.kind == "ambig":
        f = tk.issues[0]["id"]
        if f not in fams and (must or rng.random() < .85):
            fams[rng.randrange(len(fams))] = f
        wd.covered = f in fams
    one = choose(rng, w.RULE, split) if rng.random() < .5 else None  # a list of rules often has one form
    out = [spin(cap(spin(one or choose(rng, w.RULE, split), rng, split).replace("{F}", spin(rng.choice(F[f]), rng, split)).replace("{L}", wd.c(wd.labels[wd.policy[f]]))), rng, split) for f in fams]
    if tk is not None and tk.kind == "mixed" or rng.random() < .35:
        order = spin(choose(rng, w.FIRST if wd.first else w.LAST, split), rng, split)
        if rng.random() < .4 and tk is not None and tk.kind == "mixed":
            return [order]
        rng.shuffle(out)
        out.insert(len(out) if rng.random() < .6 else rng.randrange(len(out) + 1), order)
        return out
    rng.shuffle(out)
    return out


t.rule_sents = rule_sents


def full_world(rng):
    wd = World(rng)
    wd.subset = list(TOPICS)
    rng.shuffle(wd.subset)
    return wd


# ------------------------------------------------------------------------------------- first or last
def task_firstlast(rng, split):
    """One ticket with two problems; several questions, each settled by "first" or "last" alone."""
    tk = ticket(rng, split, "mixed", short=rng.random() < .75)
    one = rng.random() < .4
    wd = full_world(rng)
    msgs = []
    for i in range(1 if one else rng.choice([3, 4, 5, 6])):
        first = rng.random() < .5
        if rng.random() < .3:
            wd = full_world(rng)
        gold = wd.c(wd.labels[tk.issues[0 if first else -1]["topic"]])
        if rng.random() < .45:
            n = rng.choice(["first", "1st", "earlier"]) if first else rng.choice(["last", "second", "later", "final"])
            q = [spin(rng.choice(["What is the {topic|category|label} of the %s {problem|issue}?", "Label the %s {problem|issue}.", "Topic of the %s {problem|issue}?", "Which {team|topic} {solves|has|gets} the %s {problem|issue}?", "Classify {only |}the %s {problem|issue}."]) % n, rng, split)]
            if rng.random() < .6 or not i:
                q.append(spin(choose(rng, t.LISTS, split), rng, split).replace("{L}", fmt_list(rng, wd.options("topic"))).replace("\n.", "\n"))
                q.append(bare(rng, split))
        else:
            q = labels_sentence(rng, split, wd) + [spin(choose(rng, w.FIRST if first else w.LAST, split), rng, split), bare(rng, split)]
        ins = join_parts(rng, q)
        if one:
            return item_place(rng, split, ins, tk.text) + [{"role": "assistant", "content": gold}], "firstlast:one+"
        b = block(rng, split, tk.text)
        msgs += [{"role": "user", "content": ins if i else (ins + "\n\n" + b if rng.random() < .5 else b + "\n\n" + ins)}, {"role": "assistant", "content": gold}]
    return msgs, "firstlast"


# ------------------------------------------------------------------------------------- examples that carry a policy
def task_shots(rng, split):
    """Few-shot triage: clear examples of the topics and examples of one to six unclear families, by one policy."""
    wd = full_world(rng)
    fams = rng.sample(AMBIG, rng.choice([0, 1, 1, 2, 2, 3, 4, 5, 6]))
    tk = ticket(rng, split, "clear" if not fams or rng.random() < .3 else "ambig", short=rng.random() < .4)
    if tk.kind == "ambig" and tk.issues[0]["id"] not in fams:
        fams[rng.randrange(len(fams))] = tk.issues[0]["id"]
    ex = []
    for tp in rng.sample(TOPICS, rng.choice([2, 3, 4, 5, 5, 5])):
        e = ticket(rng, split, "clear", short=True)
        while resolve(e, wd) != tp:
            e = ticket(rng, split, "clear", short=True)
        ex.append(e)
    for f in fams:
        e = ticket(rng, split, "ambig", short=True)
        while e.issues[0]["id"] != f:
            e = ticket(rng, split, "ambig", short=True)
        ex.append(e)
    if rng.random() < .6:
        rng.shuffle(ex)
    if rng.random() < .5:  # bare problems, as people write examples
        for e in ex:
            e.text = spin(choose(rng, e.issues[0]["phr"], split), rng, split).replace("{p}", w.product(rng, split)).replace("{N}", str(rng.randrange(2, 99))).replace("{o}", "it")
    gold = lambda e: wd.gold("topic", e, rng)
    head = []
    if rng.random() < .75:
        head = labels_sentence(rng, split, wd) if rng.random() < .4 else [dot(spin(choose(rng, t.ACT["topic"], split), rng, split))]
        if rng.random() < .35:
            head.append(bare(rng, split))
    head = join_parts(rng, head) if head else ""
    if rng.random() < .3:
        msgs = [{"role": "system", "content": head}] if head else []
        for e in ex:
            msgs += [{"role": "user", "content": e.text}, {"role": "assistant", "content": gold(e)}]
        return msgs + [{"role": "user", "content": tk.text}, {"role": "assistant", "content": gold(tk)}], "shots:chat+"
    tin, key = rng.choice(["Ticket", "Message", "Input", "Text", "Customer"]), rng.choice(["Topic", "Label", "Category", "Answer", "Output", "Team"])
    shots = rng.choice(["\n\n", "\n\n", "\n"]).join("%s: %s\n%s: %s" % (tin, e.text, key, gold(e)) for e in ex)
    last = "%s: %s\n%s:" % (tin, tk.text, key)
    if rng.random() < .7:
        msgs = [{"role": "user", "content": (head + "\n\n" if head else "") + rng.choice(["", "", "Examples:\n", "Examples:\n\n"]) + shots + "\n\n" + last}]
    else:
        msgs = [{"role": "system", "content": (head + "\n\n" if head else "") + shots}, {"role": "user", "content": rng.choice([last, block(rng, split, tk.text)])}]
    return msgs + [{"role": "assistant", "content": gold(tk)}], "shots:text+"


# ------------------------------------------------------------------------------------- judging, in pairs
def judged_reply(rng, split, comps, tk):
    return judged(rng, split, rng.choice(["reply", "answer", "response"]), tk, reply_for(rng, split, comps, tk))


def asked(rng, split, A, qs, lay, before):
    msgs = [{"role": "system", "content": spin(choose(rng, t.JP, split), rng, split).replace("{A}", A)}] if rng.random() < .2 else []
    for i, (q, out) in enumerate(qs):
        msgs += [{"role": "user", "content": q if i else (q + "\n\n" + lay if before else lay + "\n\n" + q)}, {"role": "assistant", "content": out}]
    return msgs


RUBRIC = ["{Start at|Start with|Begin with} 1 and add {one|a} point for {each of|each of these|every one of}: {L}.", "Score from 1 to 5: 1 plus one point for each of {L}.", "The score is 1 plus {one|a} point for each: {L}.", "1 point, plus one for each of these: {L}.",
          "{Count|Add up} one point for each of {L}. Then add 1.", "{Give|Add} one point for {L}. Start at 1.", "{Start at|Begin with} 1{.|:} {Add 1|Plus 1|One more} for each of {L}.", "{The score|The grade} {starts|begins} at 1 and {grows|goes up} by {1|one} for each of {L}.",
          "{Points|Criteria}: {L}. {Score|Grade} = 1 + {the number of points met|how many of them are there}.", "How many of these does the {A} have: {L}? {Add 1|Add one|Plus one}.", "{One|1} point {each |}for {L}, and one point {extra|for free|on top}.", "~Start from a score of 1. Every one of these adds a point: {L}."]


def rubric(rng, split, have, A, cs):
    """(question, score): one, and one more for each of the components cs that the reply has."""
    names = [rng.choice(t.CN[c]) for c in cs]
    names = [x + spin("{ in it|}", rng, split) if len(cs) == 1 and rng.random() < .2 else x for x in names]
    if rng.random() < .75 or len(cs) == 1:
        L = ", ".join(names[:-1]) + rng.choice([" and ", " and ", ", "]) + names[-1] if len(cs) > 1 else names[0]
    else:
        L = "\n" + "\n".join("- " + x for x in names) + "\n"
    q = spin(choose(rng, RUBRIC, split).replace("{L}", L).replace("{A}", A), rng, split).replace("\n.", "\n").replace("\n:", "\n")
    return q + " " + spin(choose(rng, t.DIGIT, split), rng, split), str(1 + sum(c in have for c in cs))


JUDGED = (.40, .78)  # below: yes/no; below: rubrics; above: A or B


def task_judge3(rng, split):
    """Yes/no, rubrics of one to four points, A or B: one question before the reply, or many after it."""
    A = rng.choice(["reply", "answer", "response"])
    tk = ticket(rng, split, "clear", has_order=True, short=True)
    k = rng.random()
    before = rng.random() < .7
    many = rng.random() < .5
    if k < JUDGED[0]:
        c = rng.choice(COMP)
        comps = balanced(rng, c, rng.random() < .5)
        qs = [yn_question(rng, split, comps, A, c)]
        for _ in range(rng.choice([3, 5, 7]) if many else 0):
            qs.append(yn_question(rng, split, comps, A, rng.choice(COMP)))
        kind = "judge3:yn"
    elif k < JUDGED[1]:
        n = rng.random()
        comps = [c for c in COMP if rng.random() < n]
        rng.shuffle(comps)
        qs = []
        for _ in range(rng.choice([3, 5, 6]) if many else 1):
            r = rng.random()
            if r < .8:
                qs.append(rubric(rng, split, comps, A, rng.sample(COMP, rng.choice([1, 1, 2, 2, 3, 3, 4, 4, 4]))))
            elif r < .92:
                qs.append(scale_question(rng, split, comps, A))
            else:
                qs.append(yn_question(rng, split, comps, A, rng.choice(COMP)))
        kind = "judge3:rubric"
    else:
        return m.ab_question(rng, split, A, tk)
    lay = t.judge_layout(rng, split, tk if rng.random() < .5 else None, reply_for(rng, split, comps, tk), A)
    return asked(rng, split, A, qs, lay, before), kind + ("" if many else "+")


def task_correct(rng, split):
    """Is the label right? One ticket, several proposed labels; half of them are right."""
    A = rng.choice(["answer", "reply", "label", "output"])
    tk = ticket(rng, split, "clear", short=rng.random() < .6)
    msgs = []
    for i in range(rng.choice([1, 2, 3, 4])):
        wd = full_world(rng)
        f = rng.choices(["topic", "urgency", "sentiment"], [.6, .2, .2])[0]
        wd.case = "lower"
        g = wd.gold(f, tk, rng)
        ok = rng.random() < .5
        v = g if ok else rng.choice([o for o in wd.options(f) if o != g])
        N = {"topic": "{topic|label|category}", "urgency": "{urgency|priority}", "sentiment": "{sentiment|mood}"}[f]
        q = spin(spin(choose(rng, ["Is the {F} {right|correct}?", "Does the {A} give the {right|correct} {F}?", "Is this the {right|correct} {F}?", "{Check|Judge} the {F}. Is it {right|correct|true}?", "Is that the {right|correct} {F}?", "{Is|Was} the {F} chosen well?"], split).replace("{F}", N).replace("{A}", "@"), rng, split), rng, split).replace("@", A)
        f = spin(choose(rng, t.YN, split), rng, split)
        lay = (cap(rng.choice([A, "proposed", "answer", "label"])) + rng.choice([": ", ":\n"]) + v)
        if i:
            body = q + " " + f + "\n\n" + lay
        else:
            body = spin(rng.choice(["Ticket", "Message", "Input"]), rng, split) + rng.choice([": ", ":\n"]) + tk.text + "\n\n" + lay
            body = q + " " + f + "\n\n" + body if rng.random() < .7 else body + "\n\n" + q + " " + f
        msgs += [{"role": "user", "content": body}, {"role": "assistant", "content": "yes" if ok else "no"}]
    return msgs, "correct" + (":one+" if len(msgs) == 2 else "")


# ------------------------------------------------------------------------------------- fields: more urgency and sentiment
def task_mood(rng, split):
    """Urgency and sentiment of one ticket, asked in several wordings."""
    tk = ticket(rng, split, short=rng.random() < .5)
    one = rng.random() < .5
    msgs = []
    for i in range(1 if one else rng.choice([2, 3, 4])):
        wd = World(rng)
        f = rng.choices(["urgency", "sentiment", "order", "product", "name"], [.36, .34, .14, .09, .07])[0]
        fmt = rng.choices(["bare", "json", "tag", "none", "sentence"], [.74, .1, .06, .06, .04])[0]
        ins, tag = t.instr_single(rng, wd, split, f, fmt, True, False, tk)
        a = t.answer_single(rng, wd, f, fmt, True, tk, tag)
        if one:
            return item_place(rng, split, ins, tk.text) + [{"role": "assistant", "content": a}], "mood:" + f + ("+" if fmt == "bare" else "")
        b = block(rng, split, tk.text)
        msgs += [{"role": "user", "content": ins if i else (ins + "\n\n" + b if rng.random() < .6 else b + "\n\n" + ins)}, {"role": "assistant", "content": a}]
    return msgs, "mood"


LINE = ["Use one line per {field|value}.", "Write each on its own line.", "Put one per line.", "Write one per line."]
LINES = ["{Each|Every} {field|value|answer} {gets|has|goes on} {a line of its own|its own line|a new line}.", "One {value|answer|item} per line{, please|}.", "{Use|Start} a new line for {each|every} {field|value}.", "Line by line.", "{Separate|Split} {them|the fields|the values} by {lines|line breaks|new lines}.", "{Write|Give|List} them {below each other|on separate lines|one below the other}."]


def task_multi(rng, split):
    """tasks.task_multi, in more words for lines."""
    msgs, kind = _multi(rng, split)
    if "lines" in kind and rng.random() < .7:
        new = spin(choose(rng, LINES, split), rng, split)
        for x in msgs[:-1]:
            for old in ("Use one line per field.", "Use one line per value.", "Write each on its own line.", "Put one per line.", "Write one per line."):
                x["content"] = x["content"].replace(old, new)
    return msgs, kind


_multi, _json_instr = t.task_multi, t.json_instr
JSONS = ["{Give|Write|Make|Send} {me |}{a |one |some |}JSON {with|that has|that contains} {K}.", "{A|One} JSON object{:| with| of} {K}.", "JSON {keys|fields}: {K}.", "{Put|Write} {K} {into|in} {a |one |}JSON{ object|}.", "{The|Your} {answer|output|reply} is {JSON|a JSON object} with {the keys |the fields |}{K}.", "{Use|Make} {a |}JSON {object |}with {exactly |only |}{the keys|the fields} {K}.",
         "{Fields|Keys} of the JSON: {K}.", "{Report|List|State} {K} {in|as} JSON.", "{Convert|Turn} {it|the ticket|the message} {into|to} JSON with {K}.", "{Format|Output format}: JSON with {K}.", "{As|In} JSON, {please |}{give|return} {K}."]


def json_instr(rng, wd, split, fields, with_opts=False):
    if with_opts or rng.random() < .5:
        return _json_instr(rng, wd, split, fields, with_opts)
    ks = [wd.keys[f] for f in fields]
    if rng.random() < .5:
        ks = ['"%s"' % k for k in ks]
    return spin(choose(rng, JSONS, split), rng, split).replace("{K}", ", ".join(ks[:-1]) + (" and " if len(ks) > 1 else "") + ks[-1])


t.json_instr = json_instr
SLOTS = {"p", "n", "o", "N", "o2", "A", "L", "F", "W", "X", "S", "M", "Q", "C", "K"}


def bare_braces(held):
    """Alternatives of one: without their braces."""
    for i, x in enumerate(held):
        held[i] = re.sub(r"\{([^{}|]*)\}", lambda g: g[0] if g[1] in SLOTS else g[1], x)


for _lists in ([t.BARE, t.LISTS, t.INL, t.BLOCK, t.PERSONA, t.MISS, t.RACT, t.YN, t.DIGIT, t.RATE, t.JP, w.RULE, w.FIRST, w.LAST, w.ORDER, w.FILL, w.GREET, w.SIGN, RUBRIC, LINES, JSONS],
               *[list(d.values()) for d in (t.ACT, t.SUM, t.COMP_ASK, t.JB, w.URG, w.SENT, w.WANT_SENT, w.FAMILY_NAMES)]):
    for _list in _lists:
        bare_braces(_list)

t.MIX[:] = [(t.task_field, .18), (task_multi, .12), (t.task_fewshot, .06), (t.task_summary, .05), (t.task_reply, .05), (t.task_judge, .06), (t.task_chat, .005), (t.task_session, .08),
            (task_mood, .10), (task_shots, .08), (m.task_opposite, .05), (task_firstlast, .07), (m.task_judge2, .03), (task_judge3, .17), (m.task_match2, .03), (task_correct, .03)]
