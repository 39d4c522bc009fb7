"""Languages by published texts, readability by its authors' own abstract."""

from __future__ import annotations

import re

import pytest
import scored

from promptlab.scoring.families.language import language_of

# Article 1 of the Universal Declaration of Human Rights, from the translations of the United Nations.
ARTICLE_1 = {
    "en": "All human beings are born free and equal in dignity and rights. They are endowed with reason and "
    "conscience and should act towards one another in a spirit of brotherhood.",
    "de": "Alle Menschen sind frei und gleich an Würde und Rechten geboren. Sie sind mit Vernunft und Gewissen "
    "begabt und sollen einander im Geist der Brüderlichkeit begegnen.",
    "fr": "Tous les êtres humains naissent libres et égaux en dignité et en droits. Ils sont doués de raison et de "
    "conscience et doivent agir les uns envers les autres dans un esprit de fraternité.",
    "es": "Todos los seres humanos nacen libres e iguales en dignidad y derechos y, dotados como están de razón y "
    "conciencia, deben comportarse fraternalmente los unos con los otros.",
    "it": "Tutti gli esseri umani nascono liberi ed eguali in dignità e diritti. Essi sono dotati di ragione e di "
    "coscienza e devono agire gli uni verso gli altri in spirito di fratellanza.",
    "pt": "Todos os seres humanos nascem livres e iguais em dignidade e em direitos. Dotados de razão e de "
    "consciência, devem agir uns para com os outros em espírito de fraternidade.",
    "nl": "Alle mensen worden vrij en gelijk in waardigheid en rechten geboren. Zij zijn begiftigd met verstand en "
    "geweten, en behoren zich jegens elkander in een geest van broederschap te gedragen.",
    "ru": "Все люди рождаются свободными и равными в своем достоинстве и правах. Они наделены разумом и совестью и "
    "должны поступать в отношении друг друга в духе братства.",
    "uk": "Всі люди народжуються вільними і рівними у своїй гідності та правах. Вони наділені розумом і совістю і "
    "повинні діяти у відношенні один до одного в дусі братерства.",
    "zh": "人人生而自由，在尊严和权利上一律平等。他们赋有理性和良心，并应以兄弟关系的精神相对待。",
    "ja": "すべての人間は、生れながらにして自由であり、かつ、尊厳と権利とについて平等である。",
    "ko": "모든 인간은 태어날 때부터 자유로우며 그 존엄과 권리에 있어 동등하다.",
    "el": "Όλοι οι άνθρωποι γεννιούνται ελεύθεροι και ίσοι στην αξιοπρέπεια και τα δικαιώματα.",
    "ar": "يولد جميع الناس أحرارًا متساوين في الكرامة والحقوق.",
    "he": "כל בני האדם נולדו בני חורין ושווים בערכם ובזכויותיהם.",
    "hi": "सभी मनुष्यों को गौरव और अधिकारों के मामले में जन्मजात स्वतन्त्रता और समानता प्राप्त है।",
    "th": "มนุษย์ทั้งหลายเกิดมามีอิสระและเสมอภาคกันในเกียรติศักดิ์และสิทธิ",
}
# Coleman & Liau 1975, its abstract; "US" for "U.S.", whose full stops would end a sentence.
ABSTRACT = (
    "Existing computer programs that measure readability are based largely upon subroutines which estimate number of "
    "syllables, usually by counting vowels. The shortcoming in estimating syllables is that it necessitates "
    "keypunching the prose into the computer. There is no need to estimate syllables since word length in letters is "
    "a better predictor of readability than word length in syllables. Therefore, a new readability formula was "
    "computed that has for its predictors letters per 100 words and sentences per 100 words. Both predictors can be "
    "counted by an optical scanning device, and thus the formula makes it economically feasible for an organization "
    "such as the US Office of Education to calibrate the readability of all textbooks for the public school system."
)


@pytest.mark.parametrize("language", ARTICLE_1)
def test_the_declaration_of_human_rights(language: str) -> None:
    """Article 1 in every language that can be told, and told from every other."""
    assert language_of(ARTICLE_1[language]) == language
    others = [scored.value("language_is", text, language=language) for text in ARTICLE_1.values()]
    assert sum(others) == 1


def test_too_little_to_tell_a_language_by() -> None:
    reason = "the answer has too few common words to tell its language"
    for text in ("", "billing", "42", "de la", "OK 👍"):
        assert scored.of("language_is", text, language="en").missing == reason
    assert scored.of("language_is", ARTICLE_1["fr"], language="en").detail == "it is fr"
    quoted = ARTICLE_1["en"] + " (" + ARTICLE_1["ru"][:40] + ")"
    assert language_of(quoted) == "en"


def test_the_abstract_of_coleman_and_liau() -> None:
    """Its grade is printed as 14.5, for 119 words in 5 sentences."""
    assert scored.value("readability", ABSTRACT, method="coleman_liau") == pytest.approx(14.5, abs=0.06)
    letters = len(re.findall("[A-Za-z0-9]", ABSTRACT))
    assert scored.value("readability", ABSTRACT) == pytest.approx(4.71 * letters / 119 + 0.5 * 119 / 5 - 21.43)
    assert scored.of("readability", "Too short.").missing == (
        "the answer has fewer than 100 words, too few for a grade"
    )
