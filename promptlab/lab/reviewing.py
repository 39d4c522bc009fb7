"""What people say of the answers of a run: what they are asked, and what they said."""

from __future__ import annotations

import getpass
import random
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from statistics import fmean
from typing import TYPE_CHECKING, Literal

from msgspec import Struct

from promptlab.errors import InvalidFile, NotFound, Problem, UsageFault
from promptlab.lab.values import CellScored
from promptlab.scoring.replies import EVEN
from promptlab.scoring.values import Score
from promptlab.workspace.reviews import (
    Kind,
    Review,
    answer_hash,
    append,
    example_hash,
    file_of,
    new_id,
    not_yet,
    parse_reviews,
    standing,
)
from promptlab.workspace.values import Example

if TYPE_CHECKING:
    from promptlab.lab.reading import Reader
    from promptlab.lab.table import RunTable

NOBODY = "nobody had reviewed this answer; `promptlab score RUN -M people` looks again"
"""Why an answer has no score from people, in a run that is kept as it was scored."""

Asked = Literal["thumb", "grade", "pairwise"]


class Task(Struct, frozen=True):
    """One thing that a person is asked: an answer to grade, or two to choose from. Nothing says whose they are.

    Attributes:
        left, right: What is shown; ``right`` is "" where there is one answer.
        turned: The candidate's answer is on the left, not on the right.
    """

    example: Example
    left: str
    right: str = ""
    turned: bool = False

    @property
    def answer(self) -> str:
        """The candidate's answer."""
        return self.left if self.turned or not self.right else self.right

    @property
    def against(self) -> str:
        """The baseline's answer, "" where there is one only."""
        return (self.right if self.turned else self.left) if self.right else ""

    def review(self, kind: Kind, by: str, value: float | None = None, *, metric: str = "", text: str = "") -> Review:
        """What a person said, as it is stored. ``value`` of a pair: 1 for the right one, 0 for the left one."""
        turned = kind == "pairwise" and self.turned and value is not None
        return Review(
            id=new_id(),
            kind=kind,
            by=by,
            at=now(),
            example=self.example.id,
            content=example_hash(self.example),
            answer=answer_hash(self.answer),
            against=answer_hash(self.against) if self.right else "",
            value=1.0 - value if turned and value is not None else value,
            metric=metric,
            text=text,
        )


def now() -> str:
    """The moment, to the microsecond: reviews are a key press apart."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def reviewer(lab: Reader) -> str:
    """Who is at the terminal: the name that git would put on a commit, else that of the account."""
    if not lab.history_problem():
        answer = lab.repository().git.try_read("config", "user.name")
        if answer.code == 0 and (name := answer.out.decode("utf-8", "replace").strip()):
            return name
    return getpass.getuser()


def reviews_of(lab: Reader, evalset: str) -> list[Review]:
    """The reviews of an eval set that stand, oldest first.

    Raises:
        InvalidFile: Its file has lines that are no reviews.
    """
    source = _file(evalset)
    try:
        return standing(parse_reviews(lab.workspace.read(source), source))
    except NotFound:
        return []


def add(lab: Reader, evalset: str, reviews: Sequence[Review]) -> None:
    """Store reviews; they are on disk when this returns.

    Raises:
        StorageFault: They cannot be written.
    """
    _file(evalset)
    append(lab.root, evalset, reviews)


def take_in(lab: Reader, evalset: str, reviews: Sequence[Review]) -> int:
    """Store those of some imported reviews that are not there yet, and say how many.

    Raises:
        InvalidFile: The eval set's reviews do not load.
        StorageFault: They cannot be written.
    """
    source = _file(evalset)
    try:
        known = parse_reviews(lab.workspace.read(source), source)
    except NotFound:
        known = []
    if fresh := not_yet(reviews, known):
        add(lab, evalset, fresh)
    return len(fresh)


def take_back(lab: Reader, evalset: str, review: Review, by: str) -> None:
    """Take a review back by a line of its own."""
    add(lab, evalset, [Review(id=new_id(), kind="retract", by=by, at=now(), takes_back=review.id)])


def _file(evalset: str) -> str:
    try:
        return file_of(evalset)
    except ValueError as fault:
        raise InvalidFile(Problem(f"The eval set's name cannot be that of a reviews file: {fault}.")) from fault


# -- what is asked --------------------------------------------------------------------------------


def tasks(
    table: RunTable, kind: Asked, seed: int, done: Iterable[Review] = (), by: str = "", column: str = ""
) -> list[Task]:
    """What a person has not answered yet, shuffled; the same seed gives the same order and sides.

    Args:
        table: The run.
        kind: ``pairwise`` puts a column's answers beside its baseline's; the others show every different answer once.
        seed: Of the order, and of who is left.
        done: Reviews that stand.
        by: Whose count.
        column: The candidate of the pairs; the run's own where "".

    Raises:
        UsageFault: The run has no second column.
    """
    dice = random.Random(seed)
    mine = {_question(one) for one in done if one.by == by and one.kind == kind}
    found: list[Task] = []
    if kind == "pairwise":
        column = column or table.candidate
        base = table.baseline_of(column)
        if column == base:
            raise UsageFault("The run has one column: there are no pairs to choose from. Grade its answers instead.")
        for example in table.examples:
            old, new = text_of(table, base, example.id), text_of(table, column, example.id)
            if old and new and old.strip() != new.strip():
                turned = dice.random() < 0.5
                found.append(Task(example, *((new, old) if turned else (old, new)), turned))
    else:
        for example in table.examples:
            answers = (text_of(table, variant.column, example.id) for variant in table.variants)
            found += [Task(example, answer) for answer in dict.fromkeys(filter(None, answers))]
    dice.shuffle(found)
    return [task for task in found if _question(task.review(kind, by)) not in mine]


def _question(review: Review) -> tuple[str, ...]:
    return review.example, review.content, *sorted((review.answer, review.against))


def text_of(table: RunTable, column: str, example: str, trial: int = 0) -> str:
    """What there is to review, "" where a cell has no answer."""
    outcome = table.outcome(column, example, trial)
    return outcome.text if outcome is not None and outcome.fault is None and outcome.stored else ""


# -- what was said --------------------------------------------------------------------------------


class Labels:
    """Reviews that stand, found by what they are of."""

    def __init__(self, reviews: Iterable[Review]) -> None:
        self._by_answer: dict[tuple[str, str, str, str], list[Review]] = {}
        for review in reviews:
            key = (review.kind, review.example, review.content, review.answer + review.against)
            self._by_answer.setdefault(key, []).append(review)

    def of(
        self, kind: Asked, example: Example, answer: str, against: str = "", metric: str | None = None
    ) -> dict[str, float]:
        """Reviewer to value, of those that answered this metric's question or that of the answer as a whole.

        Without a metric: whatever the question was.
        """
        content, mine = example_hash(example), answer_hash(answer)
        other = answer_hash(against) if against else ""
        found = self._of(kind, example.id, content, mine + other, metric)
        if other:
            turned = self._of(kind, example.id, content, other + mine, metric)
            found |= {by: 1.0 - value for by, value in turned.items()}
        return found

    def _of(self, kind: str, example: str, content: str, answers: str, metric: str | None) -> dict[str, float]:
        found = self._by_answer.get((kind, example, content, answers), [])
        mine = (one for one in found if metric is None or one.metric in ("", metric))
        return {one.by: one.value for one in mine if one.value is not None}


def kind_for(table: RunTable, metric: str) -> Asked:
    """How people answer the question of a metric."""
    kinds: dict[str, Asked] = {"binary": "thumb", "preference": "pairwise"}
    return kinds.get(table.infos[metric].kind, "grade")


def labels_of(table: RunTable, column: str, metric: str, labels: Labels) -> dict[str, dict[str, float]]:
    """Example id to what each reviewer said of the column's first answer, as far as anybody did."""
    kind, base = kind_for(table, metric), table.baseline_of(column)
    found: dict[str, dict[str, float]] = {}
    for example in table.examples:
        answer = text_of(table, column, example.id)
        against = text_of(table, base, example.id) if kind == "pairwise" else ""
        if answer and (kind != "pairwise" or against) and (said := labels.of(kind, example, answer, against, metric)):
            found[example.id] = said
    return found


def rate(table: RunTable, reviews: Iterable[Review], problem: str = "") -> None:
    """Give a table the scores of its ``people`` metrics: the mean of what the reviewers said of each answer.

    Args:
        table: The run.
        reviews: Those that stand.
        problem: Why nobody's reviews are known.
    """
    from promptlab.scoring.catalogue import PEOPLE

    asked = [spec.name for spec in table.metrics if spec.id == PEOPLE]
    labels = Labels(reviews) if asked else None
    for metric in asked:
        for column in (variant.column for variant in table.variants):
            if labels is None or (kind_for(table, metric) == "pairwise" and column == table.baseline_of(column)):
                continue
            for example in table.examples:
                for trial in range(table.trials):
                    _rate(table, metric, column, example, trial, labels, problem)


def _rate(
    table: RunTable, metric: str, column: str, example: Example, trial: int, labels: Labels, problem: str
) -> None:
    outcome = table.outcome(column, example.id, trial)
    if outcome is None:
        return
    score = Score(metric, missing=problem or NOBODY)
    if outcome.fault is not None:
        score = Score(metric, missing=f"error: {outcome.fault.message}")
    elif said := _said(table, metric, column, example, trial, labels):
        score = Score(metric, fmean(said.values()), detail=", ".join(f"{by}: {said[by]:g}" for by in said))
    table.add(CellScored(column, example.id, trial, outcome, (score,)))


def _said(
    table: RunTable, metric: str, column: str, example: Example, trial: int, labels: Labels
) -> dict[str, float]:
    """Reviewer to value, of one answer; of two equal ones that neither is better."""
    kind, answer = kind_for(table, metric), text_of(table, column, example.id, trial)
    against = text_of(table, table.baseline_of(column), example.id, trial) if kind == "pairwise" else ""
    if kind == "pairwise" and answer.strip() == against.strip():
        return {"equal answers": EVEN}
    return labels.of(kind, example, answer, against) if answer else {}


def rate_in(lab: Reader, table: RunTable) -> None:
    """Give a table the scores that come from the workspace's reviews: what people said, and what they corrected."""
    from promptlab.lab.correcting import asked_of, score_corrected
    from promptlab.scoring.catalogue import PEOPLE

    if not asked_of(table) and not any(spec.id == PEOPLE for spec in table.metrics):
        return
    reviews, problem = list[Review](), ""
    try:
        reviews = reviews_of(lab, table.evalset)
    except InvalidFile as fault:
        # What was run and judged must not be lost for it.
        problem = str(fault)
    rate(table, reviews, problem)
    score_corrected(table, reviews, problem)
