"""Which language an answer is in, by its letters and its commonest words, and how hard it is to read."""

from __future__ import annotations

import re
from collections import Counter

from promptlab.scoring.families.checks import sentences
from promptlab.scoring.metric import Case, Metric, Missing, amount, number, yes_no
from promptlab.scoring.values import Score
from promptlab.workspace import sheet as check

FEWEST_WORDS = 100
"""Below, a grade of readability means nothing."""
_FEWEST_COMMON = 2
_COMMON = {
    "en": "the and of to in is that it for you was with are this be have not or we your",
    "de": "der die das und ist nicht ein eine zu den mit von sie wir ihr auf für im sich haben",
    "fr": "le la les de et est des une un pas vous nous que dans pour qui du au avec sont ce",
    "es": "el la los las y es que de en un una por para con no su del se al está",
    "it": "il la che di è un una per non con gli le del della sono si nel alla ma più",
    "pt": "o a os as e é que de um uma para com não do da em dos das se são",
    "nl": "de het een en van is dat niet op te met voor zijn u wij aan er om maar naar",
}
_WORDS = {language: frozenset(words.split()) for language, words in _COMMON.items()}
# Japanese before Chinese: its texts have Chinese characters, too.
_SCRIPTS = {
    "ja": re.compile(r"[\u3040-\u30ff]"),
    "zh": re.compile(r"[\u4e00-\u9fff]"),
    "ko": re.compile(r"[\uac00-\ud7af]"),
    "uk": re.compile(r"[іїєґІЇЄҐ]"),
    "ru": re.compile(r"[\u0400-\u04ff]"),
    "el": re.compile(r"[\u0370-\u03ff]"),
    "ar": re.compile(r"[\u0600-\u06ff]"),
    "he": re.compile(r"[\u0590-\u05ff]"),
    "hi": re.compile(r"[\u0900-\u097f]"),
    "th": re.compile(r"[\u0e00-\u0e7f]"),
}
_SAME_LETTERS = {"ja": "zh", "uk": "ru"}
"""Languages with letters of their own among those of another."""
_LETTER = re.compile(r"[^\W\d_]")
_FORMULAS = ("ari", "coleman_liau")


def language_of(text: str) -> str:
    """The code of a language, "" where there is too little to tell by.

    Most letters decide which writing it is; where that has several languages, letters that only one of them has, or
    for the Latin letters the commonest words of each: at least two, and more than of any other language.
    """
    letters = len(_LETTER.findall(text))
    counts = {language: len(script.findall(text)) for language, script in _SCRIPTS.items()}
    for own, shared in _SAME_LETTERS.items():
        if counts[own] + counts[shared] > letters / 2:
            return own if counts[own] * 20 > letters else shared
    for language, count in counts.items():
        if count > letters / 2:
            return language
    words = Counter(re.findall(r"[^\W\d_]+", text.casefold()))
    (first, most), (_, second) = Counter(
        {language: sum(words[word] for word in common) for language, common in _WORDS.items()}
    ).most_common(2)
    return first if most >= _FEWEST_COMMON and most > second else ""


def language_is(case: Case) -> Score:
    found = language_of(case.searched)
    if not found:
        raise Missing("the answer has too few common words to tell its language")
    wanted = case.options.get("language")
    return case.score(found == wanted, "" if found == wanted else f"it is {found}")


def readability(case: Case) -> float:
    """The school grade for which an English text is written; 0 is the lowest.

    ``ari``: 4.71·characters/words + 0.5·words/sentences − 21.43 (Smith & Senter 1967). ``coleman_liau``:
    5.88·characters/words − 29.6·sentences/words − 15.8 (Coleman & Liau 1975). Both need no syllables, which no
    program counts well.
    """
    text = case.searched
    words, ends = len(text.split()), sentences(text)
    if words < FEWEST_WORDS:
        raise Missing(f"the answer has fewer than {FEWEST_WORDS} words, too few for a grade")
    letters = sum(map(str.isalnum, text)) / words
    if case.options.get("method") == "coleman_liau":
        return max(0.0, 5.88 * letters - 29.6 * ends / words - 15.8)
    return max(0.0, 4.71 * letters + 0.5 * words / max(1, ends) - 21.43)


METRICS = (
    Metric(
        yes_no("language_is", "the answer is in this language"),
        language_is,
        {"language": check.one_of(*_WORDS, *_SCRIPTS)},
        ("language",),
    ),
    amount(
        number("readability", "school grade that an English answer is written for", unit="grade"),
        readability,
        check.number(0),
        {"method": check.one_of(*_FORMULAS)},
    ),
)
