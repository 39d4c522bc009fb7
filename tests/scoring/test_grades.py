"""Reading a judge's reply: the corpus of what judges write, and that nothing is ever guessed."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from promptlab.scoring.grades import grade_words, read_grade
from promptlab.workspace.values import Judge

S5 = Judge(scale=(1, 5))
S10 = Judge(scale=(0, 10))
S3 = Judge(scale=(0, 3))
AROUND_0 = Judge(scale=(-2, 2))
YES_NO = Judge(choices={"yes": 1.0, "no": 0.0})
PHRASES = Judge(choices={"good": 1.0, "not good": 0.0, "so so": 0.5})


@pytest.mark.parametrize(
    ("judge", "text", "value"),
    [
        # The whole reply.
        (S5, "4", 4),
        (S5, " **4** ", 4),
        (S5, '"4".', 4),
        (S5, "# 4", 4),
        (S5, "4.0", 4),
        (S5, "٤", 4),
        (S10, "10/10", 10),
        (S3, "3 of 3", 3),
        (S5, "4 out of 5.", 4),
        (AROUND_0, "-2", -2),
        (AROUND_0, "−1", -1),
        (AROUND_0, "+1", 1),
        # Behind a label.
        (S10, "I found 0 errors, score 9", 9),
        (S5, "Score: **2**", 2),
        (S5, "Score: 4\nIt greets.", 4),
        (S5, "SCORE = 4", 4),
        (S5, "Score → 4", 4),
        (S5, "Score - 4", 4),
        (S5, "score of 4", 4),
        (S5, "Score of the reply: 4", 4),
        (S5, "Score for politeness: 4", 4),
        (S5, "Rating (1-5): 4", 4),
        (S5, "Grade: 4 because it is polite", 4),
        (S5, "The score is therefore **4**.", 4),
        (S5, "My rating is a 4!", 4),
        (S5, "On a scale of 1 to 5, I rate this 4.", 4),
        (S5, "I'd rate this reply 4 out of 5 stars", 4),
        (S5, "I would give it a 4.", 4),
        (S5, "**Answer:** 4", 4),
        (S5, '{"score": 4, "reason": "has 2 parts"}', 4),
        (S5, "Score: 4/5 (2 of 3 facts)", 4),
        (S5, "Score: 4, reason: 3 greetings", 4),
        (AROUND_0, "Score: -1", -1),
        # A final label beats the others.
        (S5, "Tone score: 3, clarity score: 4. Final score: 4", 4),
        (S5, "Score: 2. Overall score: 3/5", 3),
        # A fraction of the highest grade.
        (S10, "I make this 10 out of 10!", 10),
        (S5, "5/5, truly 5/5", 5),
        # By itself.
        (S5, "There are 3 mistakes in 2 lines.\n\n4", 4),
        (S5, "4\nBecause it greets.", 4),
        (S5, "4 - good", 4),
        (S5, "4: polite", 4),
        # Thinking aloud does not count.
        (S5, "<think>score 2?</think>\nScore: 5", 5),
        (YES_NO, "yes", 1),
        (YES_NO, "**No**.", 0),
        (YES_NO, "No, it lacks a greeting.", 0),
        (YES_NO, "No. The reply is rude.", 0),
        (YES_NO, "Answer: yes", 1),
        (YES_NO, "There is no doubt: the answer is yes", 1),
        (YES_NO, "It is polite.\nYES", 1),
        (YES_NO, "Yes. Verdict: no", 0),
        (PHRASES, "Not  good", 0),
        (PHRASES, "Verdict: not good", 0),
        (PHRASES, "so so", 0.5),
        # Adversarial: several numbers, other digits, JSON in prose, marks of all kinds.
        (S5, "I'd say 4 out of 5, not 3", 4),
        (S5, "I first thought 2, but the final score is 4", 4),
        (S5, "I do not rate this 5, I give it a 2", 2),
        (S5, "I have 2 reasons: 1) short 2) polite. Score: 5", 5),
        (S5, "Score (1 = worst, 5 = best): 3", 3),
        (S5, "Score (4): polite", 4),
        (S5, "Score: 4 = good", 4),
        (S5, "Score 3 out of a possible 5", 3),
        (S5, "Score: 4\nScore: 4", 4),
        (S5, "Score: 4,0", 4),
        (S5, "Score: 04", 4),
        (S5, "Score:\t4 / 5", 4),
        (S5, "SCORE:\n\n4", 4),
        (S5, "**Score:** **4**", 4),
        (S5, "Score: `4`", 4),
        (S5, "<score>4</score>", 4),
        (S5, "Rating: [[4]]", 4),
        (S5, "得分: 4/5", 4),
        (S10, "７", 7),
        (S10, "৪", 4),
        (S5, 'The JSON is {"score": 3} as asked.', 3),
        (S5, '```json\n{"score": "4"}\n```', 4),
        (S5, "{'grade': 2}", 2),
        (S5, '{"score": 4, "confidence": 5}', 4),
        (YES_NO, '{"verdict": "yes"}', 1),
    ],
)
def test_a_grade_is_found(judge: Judge, text: str, value: float) -> None:
    assert read_grade(judge, text) == (value, "")


@pytest.mark.parametrize(
    ("judge", "text", "reason"),
    [
        (S5, "", "the judge's reply is empty"),
        (S5, "<think>4</think>", "the judge's reply is empty"),
        (
            S5,
            "I'm sorry, I can't\x1b[2J grade that.",
            "no grade in the judge's reply: “I'm sorry, I can't\\x1b[2J grade that.”",
        ),
        (S5, "7", "the grade 7 is outside the scale from 1 to 5"),
        (S5, "Score: 7", "the grade 7 is outside the scale from 1 to 5"),
        (S5, "Score: -4", "the grade -4 is outside the scale from 1 to 5"),
        (S5, "9" * 400, "the grade inf is outside the scale from 1 to 5"),
        (S5, "Score: 3.5", "the grade 3.5 is not a whole number from 1 to 5"),
        (S5, "3,5", "the grade 3.5 is not a whole number from 1 to 5"),
        (S5, "Score: 3\nScore: 4", "the judge gives two different grades: 3 and 4"),
        (S5, "The user said 'Score: 5'. Score: 2", "the judge gives two different grades: 5 and 2"),
        (S10, "10 out of 10 facts right, but rude: 2/10", "the judge gives two different grades: 10 and 2"),
        (S5, "Score: 4.5/5", "the grade 4.5 is not a whole number from 1 to 5"),
        (S5, "5/5 then 4/5", "the judge gives two different grades: 5 and 4"),
        (YES_NO, "Verdict: Yes\nVerdict: No", "the judge gives two different grades: Yes and No"),
        (YES_NO, "Yes: fine.\nNo: bad", "the judge gives two different grades: Yes and No"),
    ],
)
def test_why_there_is_no_grade(judge: Judge, text: str, reason: str) -> None:
    assert read_grade(judge, text) == (None, reason)


@pytest.mark.parametrize(
    ("judge", "text"),
    [
        (S5, "four"),
        (S5, "seven"),
        (S5, "Score: five"),
        (S5, "Rating: ★★★★☆"),
        (S5, "IV"),
        (S5, "½"),
        (S5, "⁴"),
        (S5, "0x4"),
        (S5, "1e0"),
        (S5, "4th"),
        (S5, "I'd say 4, not 3"),
        (S5, "I would not give it a 5."),
        (S5, "I don’t rate this 4"),
        (S5, "Score: not 3"),
        (S5, "Score: not 3 but 4"),
        (S5, "Score (1 = worst, 5 = best): excellent"),
        (S5, "The score ranges from 1 to 5."),
        (S5, "As an AI I cannot assign a score."),
        (S5, "I refuse to score this. 1. It is harmful"),
        (S5, "Score: N/A"),
        (S5, "Score:"),
        (S5, '{"score": {"value": 4}}'),
        (S5, "2024-04-03"),
        (S5, "4 vs 5"),
        (S5, "4 of 4"),
        (S10, "between 7 and 8"),
        (S5, "7/10"),
        (S5, "Score: 1/10"),
        (S5, "Score: 80%"),
        (S5, "4-5"),
        (S5, "Score: 4-5"),
        (S5, "3 - 4"),
        (S5, "Between 3 and 4"),
        (S5, "I found 3 errors."),
        (S5, "score 3 errors"),
        (S5, "**2** issues were found."),
        (S5, "2 of 3 facts are right."),
        (S5, "1. It greets.\n2. It thanks."),
        (S5, "1 - It greets.\n2 - It thanks."),
        (S5, "3. The reply is fine"),
        (S5, "The answer is 4, which is right."),
        (YES_NO, "There is no doubt that it is right"),
        (YES_NO, "The answer is no longer valid"),
        (YES_NO, "yes and no"),
        (YES_NO, "yes/no"),
        (YES_NO, "The verdict is not no"),
        (YES_NO, "not yes"),
        (YES_NO, "nobody"),
        (YES_NO, "no-one"),
        (YES_NO, "I cannot say."),
    ],
)
def test_what_only_looks_like_a_grade_is_missing(judge: Judge, text: str) -> None:
    assert read_grade(judge, text).value is None


def test_the_words_of_a_judge() -> None:
    assert grade_words(S3) == ("0", "1", "2", "3")
    assert grade_words(YES_NO) == ("yes", "no")


FRAGMENTS = st.lists(
    st.sampled_from(
        [
            "score",
            "Final score",
            ":",
            " ",
            "\n",
            "**",
            "4",
            "-1",
            "7",
            "10",
            "/",
            "/5",
            " out of ",
            "5",
            "yes",
            "No",
            ".",
            "1-5",
            "%",
            "errors",
            "answer",
            "I rate this ",
            "3.5",
            "</think>",
            "(",
            "1e3",
            "٤",
        ]
    ),
    max_size=14,
).map("".join)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from([S5, S10, AROUND_0, YES_NO, PHRASES]), FRAGMENTS | st.text())
def test_no_value_off_the_scale_ever(judge: Judge, text: str) -> None:
    grade = read_grade(judge, text)
    assert (grade.value is None) == bool(grade.missing)
    if grade.value is not None:
        allowed = set(judge.choices.values()) if judge.choices else {float(word) for word in grade_words(judge)}
        assert grade.value in allowed


@given(
    st.sampled_from([S5, S10, AROUND_0, YES_NO, PHRASES]),
    st.data(),
    st.sampled_from(["{}", "**{}**", " {}.\n", "Score: {}"]),
)
def test_every_grade_alone_is_read_as_itself(judge: Judge, data: st.DataObject, shape: str) -> None:
    word = data.draw(st.sampled_from(grade_words(judge)))
    wanted = judge.choices[word] if judge.choices else float(word)
    assert read_grade(judge, shape.format(word)).value == wanted


@pytest.mark.parametrize(
    "hostile",
    [
        "score" + " " * 50_000,
        "score " * 20_000,
        "**" * 50_000,
        "9" * 100_000,
        "1 of " * 20_000,
        "score " + "( - " * 20_000,
    ],
)
def test_no_reply_is_tried_for_ever(hostile: str) -> None:
    start = time.perf_counter()
    read_grade(S5, hostile)
    read_grade(YES_NO, hostile)
    assert time.perf_counter() - start < 10  # a tenth of a second, where nothing is tried again and again
