"""How customers write, for the fourth stage: still more ways to say each problem and mood, and less careful writing.

Importing it widens world.py in place and puts ``ticket`` where the tasks look for it. Nothing here may repeat a wording
marked "~" (held out) there, nor one of hand.jsonl.
"""
from __future__ import annotations

import re

import more as m
import tasks as t
import wider as v
import world as w
from tasks import choose, spin
from world import I

SAID = {
    "double_charge": ["{There must be|I think there is} a mistake: the {p} was {paid|charged} twice.", "{Two times|Twice} the same amount {left|was taken from} my account{ this week| on Monday|}.", "I only {bought|ordered} one {p}, so why {two payments|two charges|do I pay for two}?", "I {see|have} a duplicate {charge|payment|booking} {here|for the {p}}.",
                      "{My credit card|Paypal|The bank app} {lists|has} {N} euros two times.", "You {debited|booked} my card a second time.", "{Somehow|It looks like} I paid for the {p} {twice|again}.", "Could it be that you {billed|charged} me twice?"],
    "wrong_amount": ["{You advertised|The website says} {N} euros{ for the {p}|}, {why do I pay more|I was billed much more}.", "The {bill|invoice} does not {add up|match the offer}.", "{I paid|They took} {N} euros more than {agreed|I expected}.", "The {discounted|reduced} price was not {used|applied}.", "Your {sum|calculation} {is off|cannot be right}.",
                     "{The shop|Your page} showed a {lower|cheaper} price{ for the {p}|}.", "I think I was overcharged.", "The {price|cost} {changed|went up} after I {ordered|clicked buy}."],
    "refund_missing": ["{How long does|When will} my refund {take|come}?", "I {returned|sent back} everything{ weeks ago|} and {nothing was paid|not a cent came back}.", "You {owe|still owe} me {N} euros{ for the return|}.", "My {return|{p}} {reached|is at} your warehouse but I see no {money|payment}.", "{Refund pending|It says refunded}, but {my bank has nothing|there is nothing in my bank}.",
                       "The money you {promised|agreed to pay} back {is not here|did not come}.", "Two weeks after my return there is {no repayment|nothing in my bank}.", "I {handed|gave} the {p} {in|back} and {wait|am waiting} for the repayment."],
    "need_invoice": ["{Please send|Can I have|I would like} {the|a} {paper bill|proof of purchase|tax invoice}{ for the {p}|}.", "{For my taxes|For the insurance|For my boss} I need {the bill|an invoice|a receipt}.", "The invoice {was not|is not} in the {email|box|parcel}.", "{Is|Was} there a PDF of the {bill|invoice|receipt}?", "I {lost|deleted} the {receipt|invoice|bill}{, send it again please|}.",
                     "{Our|The} accounting {wants|asks for} a {correct|proper} invoice.", "The VAT number is {missing|wrong} on my {bill|invoice}.", "Can you {issue|write|make} a bill {to|for} my company?"],
    "unknown_fee": ["{Why|For what} {is there|do you take} a {service|handling|shipping|booking} {fee|charge}{ of {N} euros|}?", "{Nowhere|Nobody} mentioned this {extra cost|fee|surcharge}.", "My bill has {a line|an item|a cost} that {I never ordered|means nothing to me}.", "{An|Some} amount of {N} euros {was added|appeared} {without a word|on the bill}.",
                    "I did not agree to {this|any} {surcharge|fee|extra}.", "{Explain|Please explain} the {N} euros on my {invoice|bill}.", "What am I paying {N} euros for?", "There are hidden {costs|fees} {in|on} the {p} order."],
    "card_declined": ["{My credit card|My bank card|Visa|Paypal} {is not working|gets refused|fails} {in|at} your {shop|checkout}.", "{I want|I am trying} to {buy|order} the {p} but {the payment stops|I cannot pay}.", "The {payment|checkout} {page|form} will not take my card.", "{Every time I pay|When paying} {it stops|I am thrown out|the page turns white}.",
                      "{The bank|My bank} says my card is fine, {but you refuse it|your shop still refuses it}.", "Is there another way to pay{ for the {p}|}?", "You do not take {Paypal|bank transfer|my card}?", "The money transfer {was refused|bounced|did not go out}."],
    "late": ["{Where|Where on earth} is my {order|{p}|stuff}? {You said|It was promised for} {Tuesday|three days|last week}.", "{Still|I keep} waiting {for the {p}|here}{, day {N} now|}.", "{Nothing|No parcel} {has come|came|arrived}{ yet| so far| until today|}.", "The {p} {has been|is} {on its way|underway} for {weeks|ages|{N} days}.", "{Overnight|Express} delivery {was promised|is what I paid for}, and {no {p}|nothing came}.",
             "My order {is overdue|runs late|is behind schedule}.", "I ordered {weeks|a month} ago and {nothing has come|there is nothing at my door}.", "{The delivery|My parcel} should be here {already|by now}.", "You {missed|broke} the delivery date{ again|}."],
    "lost": ["{The parcel|My package|It} did not {reach|get to} {me|my house|us}{, it is gone|}.", "{Marked|It was marked} as delivered{ yesterday|}, but {I have nothing|there is nothing here|we got no parcel}.", "{I fear|I think} my {p} {got|was} {lost|stolen}{ on the way|}.", "{UPS|DHL|The post|The courier} {cannot|could not} find my {parcel|{p}}.",
             "Nobody knows where my {parcel|package|{p}} is.", "{The mailman|The delivery man} says it was handed over, but I have no {p}.", "My {parcel|package} went missing.", "Signed for by {someone|a person} I do not know, and the {p} is gone."],
    "tracking": ["The {tracking|parcel} {status|page} {has not updated|is frozen|stands still}.", "{Can|Could} you tell me where my {parcel|{p}|order} is{ at the moment|}?", "{No|There is no} tracking {code|link|mail} {came|was sent|for me}.", "{Which|What} {courier|company} {has|brings} my {parcel|{p}}{ and what is the code|}?", "The courier site does not {know|find} my {number|code}.",
                 "{I would like|I want} to {follow|watch} where the {p} {goes|is}.", "{Last scan|The last entry} was {days ago|on Monday|in another country}.", "{Status|The status} unknown, says the {tracking|parcel} page."],
    "wrong_address": ["{The parcel|It} {ended up|was dropped|landed} {two streets away|at number {N}|at the wrong place}.", "Somebody in {another street|the next town} has my {p}.", "You {used|printed} {an old|the wrong} address on the {label|parcel}.", "{They|He} gave my {parcel|package} to {a stranger|someone else|the wrong person}.",
                      "My {p} is {lying|standing} {at|in} {a house|an office} {that is not mine|I never heard of}.", "{The courier|DHL|The driver} went to {the wrong door|a different house}.", "The label {had|shows} a {street|house number} that is not mine."],
    "ship_date": ["{When|How soon} {can I expect|do I get|will I have} {it|the {p}|my order}?", "{Is|Will} the {p} {be here|come} {this week|tomorrow|soon}?", "How many days does shipping take?", "I {need to know|would like to know} {the arrival day|when to be at home}.", "Have you sent it{ already|}?",
                  "Roughly when does {it|the {p}|the parcel} {come|get here}?", "{Tell me|Please tell me} the {planned|expected} {delivery|arrival} {day|time}.", "Delivery time{ for the {p}|}?"],
    "customs": ["{Customs|The border} {will not release|keeps} my {parcel|{p}}.", "I {got|received} a {letter|note} from customs about the {p}.", "{Import|Customs} {papers|documents|tax} for the {p}: {what now|who pays}?", "The parcel {sits|waits|hangs} {at the border|in the customs hall}.", "{My {p}|It} needs a {form|declaration} to {enter|come into} the country.", "It has not cleared customs."],
    "dead": ["{The {p}|It} {will not|does not want to} {start|turn on|do anything}{ anymore|}.", "{It|The {p}} {gave up|broke|went dead} {after two days|today|on day one}.", "{No light|No power|No reaction} {at all|whatever I press}.", "{Out of the box|From day one} the {p} {was dead|never worked}.", "{Completely|Totally} dead{, this {p}|}.", "I press {on|start|the switch} and {nothing|not a thing} {happens|moves}.",
             "The {p} {refuses|fails} to {start|work}.", "My {p} {is|seems} broken, it {does nothing|stays dark}.", "{The motor|The screen} of the {p} does not {run|come on}."],
    "crash": ["The app {is|seems} {broken|unstable|buggy}{: it closes every time|}.", "{Whenever|Every time} I {tap|open} the {p} app{,|} {it is gone|it shuts down|I see the home screen}.", "The {p} {hangs|freezes} {in the menu|during setup|for minutes}.", "{White|Black} screen in the app{, then it closes|}.", "{It|The {p}} {reboots|crashes} {all day|every few minutes|out of nowhere}.",
              "Your {new|latest} {version|update} {ruined|broke} {the app|everything}.", "The program {stops responding|gets stuck}{ on my phone|}.", "I cannot even open the {p} app."],
    "connect": ["{No|There is no} {wifi|bluetooth|connection} {on|with} the {p}.", "The {p} and my {phone|tablet|router} do not {talk to each other|find each other}.", "{Bluetooth|Wifi|The network} {breaks|stops|goes} {after a minute|all the time}.", "The {p} {does not show up|does not appear} in the {list|app}.", "I tried for hours to {link|pair|connect} {it|the {p}}.",
                "{Offline|Not connected}, says the {p}{ the whole time|}.", "{Since I have a new router|In my new flat} the {p} {gets no signal|stays offline}.", "The {p} {forgets|loses} my {wifi|network} {password|settings}."],
    "error": ["{It|The {p}} {says|reads|displays} {E{N}|error {N}|fault {N}}.", "{A message|A code} {appears|is there} that I do not understand{: E{N}|}.", "What is fault {N}?", "The {p} {stops|switches off} with {a warning|code {N}}.", "{A|Some} light {flashes|blinks} and {it stops|the {p} stops}.", "The {p} asks me to {call service|contact support}: code {N}.",
              "I {keep seeing|always get} the same {error|warning}{ on the {p}|}.", "Error, error, error: {that is all|nothing else} the {p} {shows|says}."],
    "noise": ["{It|The {p}} {sounds|is loud} like {a tractor|an old car|a plane}.", "{Something|A part} {inside|in the {p}} {is loose|knocks|scratches}.", "The {p} {got|becomes} {very warm|hot like an oven}{ after a minute|}.", "{There is|I see} {smoke|steam} {over|from} the {p}.", "It {stinks|smells of plastic} {when|as soon as} it {runs|is on}.", "{A|This} {whistling|grinding|beeping} {sound|noise} {drives me mad|does not stop}.",
              "The {p} {vibrates|trembles} {a lot|on the table}.", "Is it normal that the {p} {is so loud|gets this hot}?"],
    "battery": ["{The charge|A full charge} {is gone|lasts} {in no time|for twenty minutes|half a day}.", "The {p} {needs|wants} the {charger|cable} {all day|every hour}.", "{Charging|To charge} the {p} {does nothing|takes forever|is not possible}.", "{It|The {p}} {stays|is stuck} at {N} percent.", "The {battery} is {dead|flat|swollen}.", "Without the cable the {p} {dies|goes off} {at once|after a minute}.",
                "The power never lasts."],
    "login": ["{Your|The} {site|app|shop} {refuses|rejects} my {password|user name}.", "I {type|enter} {the right|my} password and {nothing|an error} {comes|happens}.", "{Logging in|Signing in|Login} {is impossible|does not work|fails each time}.", "Why can I not {log in|sign in|get in}?", "{Wrong password|User unknown}, {it says|says your page}, {but it is right|which is not true}.",
              "I have {no|lost} access to my {account|customer page}.", "{Since|After} {yesterday|the update} I {cannot|am unable to} log in.", "I am thrown out {each time|right} after I log in."],
    "reset": ["{No|There is no} {mail|email|link} to {reset|renew} my password.", "I {clicked|pressed} forgot password{ three times|} and {got no mail|nothing came}.", "{How|Where} do I {set|get} a new password?", "The {link|button} for a new password is {broken|dead}.", "My password is {gone|forgotten}{ and the form does not help|}.", "Please {send|give} me a new password.", "I wait for the {password|reset} {mail|message} since {morning|Monday}."],
    "email_change": ["{Please|Can you} {change|correct|update} {my name|my email|the phone number} {in|on} {my|the} account.", "I {married|moved jobs} and my {name|email} {is different|has changed} now.", "{My|The} {mail|email} address {you have|in the system} {is old|no longer exists|has a typo}.", "How can I {edit|correct} my {details|data|birthday}?", "I {would like|want} {mails} to go to {another|my new} {email|mail} address.",
                     "{Update|Change} my {contact|personal} {data|details}{, please|}."],
    "delete_acc": ["I want you to forget all my data.", "{Remove|Take} me {from|off} your {list|system|database}.", "{I am done here|I leave}: {delete|close} my account.", "{How|Where} can I {remove|close} my account?", "{No more|I need no} account{, remove it please|}.", "By law you must delete {what you know about me|my data}."],
    "locked": ["{My account|My profile|My user} {is|got} {frozen|closed|disabled}{ and I do not know why|}.", "{It says|The page says} {access denied|account blocked|account disabled}.", "I {typed|entered} the {wrong password|wrong code} {three|five} times{, now I am out|}.", "{Someone|You} {froze|closed|disabled} my {account|access}.", "Why {can I not use|did you close} my account?", "{Open|Free} my account again{, please|}."],
    "twofa": ["{I wait|I am waiting} for {the|a} {sms|text|code} and {nothing comes|it does not come}.", "{No code|No sms|No text} {comes|arrives} {on|at} my {phone|mobile}.", "My {old phone|number} is gone and {your code goes there|I cannot confirm the login}.", "The {six digits|numbers} from the {sms|app} are {refused|wrong}.", "{Confirming|The check} with a code {fails|does not work}.", "The verification code {is late|never comes}."],
    "praise": ["{What a|Such a} {great|lovely|fantastic} {p}{!|, thank you!}", "{We|My kids|My wife and I} {adore|enjoy|love} the {p}.", "{Five|5} stars {for} the {p}{!|.}", "The {p} {works|runs} {perfectly|like a dream}{, thanks|}.", "{No complaint|Nothing to complain about}{, only|:} {praise|a big thank you}.", "{Best|Nicest} {p} {ever|I have had}.", "{Keep it up|Well done}, the {p} is {super|top|excellent}.", "I {told|will tell} {all my friends|everyone} about the {p}."],
    "stock": ["{Do you|Will you} {carry|stock|have} the {p} {in a small size|in white|for children}?", "Is {it|the {p}} {sold out|available|still on sale}{ now|}?", "{Any|Do you have any} {p} left?", "{I am|We are} looking for a {green|small|cheap} {p}{, do you sell it|}.", "Does the {p} come with {a bag|other colours|two sizes}?", "{When|How soon} is the {p} back{ on the shelf|}?", "How {big|heavy|wide} is the {p}?"],
    "hours": ["{Until when|From what time} are you {open|there}{ today|}?", "Are you open on {weekends|Christmas|Sundays}?", "{What is|Tell me} the {address|phone number} of your {shop|store}{?|.}", "{Can|May} I {pick up|collect} {things|the {p}} {in person|at your store}?", "Is there {parking|a bus} {at|near} your {shop|store}?", "{Lunch break|Closed} on {Mondays|Fridays}?"],
    "job": ["{I want|I would love} to {join|be part of} your {team|company}.", "Do you need {drivers|people|staff}?", "{Where|How} can I apply{ for a job|}?", "I am a {student|driver|designer} and {need|look for} {a job|work}.", "{Attached|Here} is my {CV|resume}.", "Do you {have|offer} {training|trial days|evening jobs}?"],
    "partner": ["{We are|I am} a {small shop|school|club|blogger} and {look for|need} {a partner|a sponsor|a supplier}.", "{Do you|Can you} {give|offer} {wholesale prices|prices for companies|a discount for schools}?", "{I make|We make} videos and {could show|want to present} the {p}.", "{Let us|We should} {work together|talk about a partnership}.", "{We want|Our firm wants} {N} {p} pieces, {who do I talk to|what is your offer}?", "{An idea|A proposal}: {we|our club} {sell|promote} your {p}."],
    "recommend": ["{Help|Please help} me {choose|decide}: which {p}{ for a small flat| for my dad|}?", "{What|Which one} would you {take|buy}{, the red or the blue {p}|}?", "Is the {p} {right|good|enough} for {a big family|camping|daily use}?", "I {know nothing|do not know much} about {p} models{, any tips|}.", "I {hesitate|cannot decide} between two {p} models.", "{Your|Any} advice{ on a {p}|}, please?", "Would the {p} fit {my needs|a student}?"],
    "cancel_sub": ["{I want|I would like} to {leave|quit} {the|your} {plan|club|subscription}.", "{Stop|End|Please end} {the|my} {monthly|yearly} {payments|deliveries|membership}.", "{No more|I do not want more} {monthly deliveries|subscription boxes}.", "{Take|Get} me out of {the|this} {plan|contract|subscription}.", "My {plan|membership|contract} {should|must|can} {end|stop}{ this month| now|}.", "I {wish|need} to {cancel|terminate} {the|my} {contract|membership|plan}.", "Do not {renew|continue} my {plan|subscription|contract}."],
    "damaged": ["{The glass|The handle|One leg|The lid} {of|on} the {p} {is|was} {cracked|broken|bent|torn} {on arrival|when it came|when I opened it}.", "{It|The {p}} {came|arrived} {in pieces|with a big scratch|with a broken lid}.", "The {courier|driver|post} {dropped|broke|crushed} my {p}.", "{The box|My parcel} {looks|was} {beaten up|crushed|wet} and {so is the {p}|the {p} has a dent}.", "I {took|got} a {bent|torn|scratched} {p} {from|out of} the {parcel|box}.", "{Delivery|Transport} damage{ on the {p}|}: {see the photo|one side is broken}."],
    "wrong_item": ["{In|Inside} {the box|my parcel} {was|is} {something else|not what I ordered|a different {p}}.", "{You mixed|Someone confused} my order{, this is not mine|}.", "I {wanted|ordered} {size {N}|the large one|two} and {got|you sent} {size {N}|the small one|one}.", "{This|The} {colour|size|model} is {not what I chose|not the one I ordered}.", "{Wrong|The wrong} {size|colour|model|thing} {came|was sent|in the box}.", "Why {do I get|did you send} a {p} that I never ordered?"],
    "promo": ["{The|Your} {10|20} percent {code|off} {does not count|has no effect}.", "{I have|I got} a {code|discount} from {the newsletter|your mail} and {it fails|the price stays the same}.", "{Where|How} do I {enter|use} {my|the} {coupon|discount code}?", "{Welcome|Summer|Birthday} discount {not accepted|is not deducted|does not work}.", "{No discount|Nothing off} although I {typed|entered} the {code|coupon}.", "The {coupon|promo} {field|box} says {invalid|expired}."],
    "warranty": ["For how many years is the warranty?", "{Does|Will} {my|the} warranty {pay|count} {for this|here}?", "Can I {get|have} the {p} repaired {under|on} warranty?", "{Where|How} do I {register|claim} the warranty{ of the {p}|}?", "The {p} is {N} months old{,|:} is it still in the warranty time?", "What is in the warranty?"],
    "ship_addr_change": ["{Please|Could you} {deliver|ship} {it|the {p}|my order} to {a friend|my work|another street}{ instead|}.", "{The|My} {delivery|shipping} address {is wrong|has changed|needs a change}.", "I {gave|entered} {an old|the wrong} {delivery |}address{, can you fix it|}.", "{We|I} {are moving|moved house|moved}, so {use the new|do not use the old} delivery address.", "{Can|May} I still {change|correct} where {it|the parcel} goes?", "{Send|Bring} it {to the shop|to my parents} and not {home|to my flat}."],
}
MOOD = {"negative": ["{Seriously|Honestly}, {this is bad|I am annoyed|I have never seen such a thing}.", "I {want|demand} {an explanation|better service}{ and I mean it|}.", "{Not|That is not} {acceptable|good enough|what I call service}.", "{I am|We are} {losing|out of} patience.", "{Shame on you|Thanks for nothing|Never again}!", "This {makes|drives} me {angry|mad|crazy}.", "{Really|Deeply} {disappointing|annoying|upsetting}.", "What {poor|lousy|miserable} {work|service|quality}!",
                     "You {do not|clearly do not} {care|listen}.", "I am {going to|about to} {complain|leave a bad review|tell everyone}.", "{One star|Zero stars}.", "I {feel|am} {cheated|ignored|fooled}{ by you|}.", "{So|How} {sad|bad|unfriendly}."],
        "positive": ["{You guys|You all} are {awesome|super|so nice}.", "{Love|I love} {it here|your team|the shop}!", "{Otherwise|Apart from that} {all|everything} is {super|lovely|top}.", "{Many|A thousand} thanks{ for everything| in advance, you are great|}!", "I {appreciate|value} your {work|help|kind team}.", "{Always|It is always} {nice|a pleasure} {to shop|to write} {here|with you}.", "{Happy|A happy} customer {here|speaking|for years}!", "I {have to|must} say your {service|shop} {is first class|rocks}.",
                     "{Big|A big} {compliment|thank you} to {the team|you all}!", "{Such|What} a {friendly|helpful|kind} {team|shop}.", "My {last|first} order was {perfect|a joy|excellent}.", "You {made|make} my day{!|.}"],
        "neutral": ["", ""]}
HURRY = {"high": ["{Fast|Quick} help{, please|}!", "{I need|We need} it {no later than|before} {tomorrow|tonight|noon}.", "{This|It} {has to|must} be {solved|fixed|settled} {today|now|right away}.", "{Guests|The customers} come {tonight|tomorrow|in an hour}.", "I {travel|leave|fly} {tomorrow|tonight|in a few hours}.", "{Top|Highest} priority{!|.}", "{Please do not|Do not} let me wait.", "{Very|Extremely|Super} urgent{!|.}",
                  "{Only|I have only} {hours|one day} left.", "Please {react|reply|call} {today|immediately|in the next minutes}.", "We {are stuck|are losing customers} {right now|right now}."],
         "low": ["{No|There is no} big hurry.", "{Answer|Reply|Write} {whenever you like|any day|next week}{ if you want|}.", "{It|This} is {just|only} a {small|little} {thing|question|matter}.", "{I have|We have} {time|all the time in the world|lots of time}.", "{Some|Any} day is {ok|fine}.", "{This|It} does not matter much.", "{Nothing|Not} {critical|pressing|dramatic}.", "{Low|The lowest} priority{ for me|}.", "I {am patient|can be patient|do not mind waiting}.",
                 "{After|Only after} the holidays is {fine|ok}."],
         "medium": ["", "", "", "{An answer|A reply} {this week|in a few days|soon} {would be nice|is enough}.", "{Please|Kindly} answer {by Friday|in two or three days}."]}
TALK = ["{Hope|I hope} you {had a good weekend|are fine|are doing well}.", "{Sorry|Excuse me} for {my English|the long mail|the trouble}.", "{I hope|I think} {this is the right place|you can help}.", "{My friend|My wife|My aunt} {recommended|showed me} your shop.", "{It was|It is} {raining|sunny} {all day|here}.", "{I have|We have} {two|three} {cats|kids|dogs}.", "{So|Ok|Well}, {here is my story|let me explain|here we go}.", "I {bought|ordered} {a lot|several things} {here|in your shop} {before|this year}.",
        "{Normally|Usually} I {shop|buy} {in town|elsewhere}.", "I {called|phoned|wrote} {already|twice|last week}{ but nobody answered|}.", "{I live|We live} {on the second floor|in the country|in a small town}.", "It was a {birthday|wedding|Christmas} {gift|present}.", "{I paid|I have paid} {N} euros{ for all of it|}.", "{The weather|The traffic} is bad here.", "{I am|My mother is} {N} years old.", "{As you know|As I wrote before}, {I am a regular customer|I buy here often}.", "{Thanks|Thank you} for {reading|your time}.",
        "{I attached|Here is} a {photo|picture}.", "{I am|Sorry, I am} {typing|writing} {on|from} my phone.", "I {got|have} your {mail|newsletter}.", "We {use|need} {it|this} {every day|at work|for school}.", "{That|This} is all {I know|I can say}.", "{By the way|PS}: {nice website|my number is 555 {N}}."]
OPEN = ["hi", "hey there", "hello", "Hi support,", "Dear Sir or Madam,", "Hello dear team,", "Good afternoon,", "Hey guys,", "Hi folks,", "To whom it may concern,", "Question:", "Hello there,", "hiya,", "Hey!"]
CLOSE = ["{Thx|Thanks|Cheers|Ciao|Take care|Many greetings|Have a nice day}{,|} {n}", "{n} S.", "{Kindly|Warmly|Respectfully},{ |\n}{n}", "/ {n}", "Your customer {n}"]
SHORT = {"I am": "I'm", "I have": "I've", "do not": "don't", "does not": "doesn't", "did not": "didn't", "cannot": "can't", "will not": "won't", "is not": "isn't", "was not": "wasn't", "It is": "It's", "it is": "it's", "You are": "You're", "We are": "We're", "has not": "hasn't", "have not": "haven't", "What is": "What's", "There is": "There's", "I will": "I'll", "I would": "I'd"}
CHAT = {"please": "pls", "Please": "Pls", "you": "u", "your": "ur", "because": "bc", "and": "&", "thanks": "thx", "Thanks": "Thx", "tomorrow": "tmrw", "today": "2day", "are": "r", "with": "w/"}

for _k, _v in SAID.items():
    I[_k]["phr"] += _v
for _k, _v in MOOD.items():
    w.SENT[_k] += _v
for _k, _v in HURRY.items():
    w.URG[_k] += _v
w.FILL += TALK
w.GREET += OPEN
w.SIGN += CLOSE
for _list in (w.FILL, w.SIGN, *w.SENT.values(), *w.URG.values(), *(x["phr"] for x in I.values())):
    v.bare_braces(_list)


def careless(rng, text, keep):
    """The text as somebody in a hurry types it; the words of ``keep`` (names, numbers) stay as they are."""
    k = rng.random()
    if k < .5:
        for long, short in SHORT.items():
            if rng.random() < .8:
                text = re.sub(r"\b%s\b" % long, short, text)
    words = re.split(r"(\s+)", text)
    rate = rng.choice([0, 0, .05, .12])
    chat, bare, small = rng.random() < .15, rng.random() < .25, rng.random() < .3
    for i, word in enumerate(words):
        if not word.strip() or any(part and part in word for part in keep):
            continue
        if chat and word in CHAT and rng.random() < .6:
            word = CHAT[word]
        if small:
            word = word.lower()
        if bare and rng.random() < .7:
            word = word.rstrip(".,!")
        if rng.random() < rate:
            word = mistyped(rng, word)
        words[i] = word
    text = "".join(words)
    if rng.random() < .15:
        text = text.replace(". ", rng.choice(["! ", "... ", ", ", " - ", "\n", "!! "]))
    return text


def mistyped(rng, word):
    if len(word) < 5 or not word.isalpha():
        return word
    i = rng.randrange(1, len(word) - 2)
    return rng.choice([word[:i] + word[i + 1] + word[i] + word[i + 2:], word[:i] + word[i + 1:], word[:i] + word[i] + word[i:], word[:i] + rng.choice("aeionrst") + word[i + 1:]])


_ticket = w.ticket


def ticket(rng, split="train", kind=None, has_order=None, short=None):
    """world.ticket; of the train split every fourth one is written without care or with talk around the problem."""
    tk = _ticket(rng, split, kind, has_order, short)
    if split != "train":
        return tk
    if short is not True and rng.random() < .15:
        talk = [spin(choose(rng, TALK, split), rng, split).replace("{N}", str(rng.randrange(2, 99)))for _ in range(rng.choice([1, 2]))]
        tk.text = talk[0] + rng.choice([" ", "\n", "\n\n"]) + tk.text + (" " + talk[1] if len(talk) > 1 else "")
    if rng.random() < .25:
        keep = [part for value in (tk.order, tk.product, tk.given) if value for part in value.split()]
        tk.text = careless(rng, tk.text, keep)
    return tk


for _module in (w, t, m, v):
    _module.ticket = ticket
