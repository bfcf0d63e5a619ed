"""Ratings and suggestions are kept with their words, and who suggested something hears when it is done, once."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from bot.complaints.model import CaseId
from bot.conversations.model import Turn
from bot.feedback import model
from bot.feedback.model import Average, CaseRated, Rating, SuggestionMade
from bot.feedback.service import FeltRatings
from bot.storage import tables as t
from bot.storage.database import Database
from bot.storage.feedback import SqlFeedback
from tests.integration.conversations import START
from tests.integration.test_outreach import World
from tests.integration.test_promises import at_once

DAY = timedelta(days=1)


class Box(World):
    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.feedback = SqlFeedback(database)
        self.here = self.talk()
        self.case_id = CaseId(self.case(self.here))

    def turn(self, *effects: Any, address: str = "visitor") -> None:
        def add(turn: Turn) -> None:
            turn.effects += effects

        self.core.assistant.before = add
        self.talk(address)
        self.core.assistant.before = lambda turn: None

    def rated(self, score: int | None, comment: str = "", emotion: str | None = None) -> None:
        self.turn(CaseRated(self.case_id, "case:C204817", score, comment, emotion))

    def ratings(self) -> list[Any]:
        with self.database.read() as c:
            return list(c.execute(sa.select(t.ratings)).all())


@pytest.fixture
def box(database: Database) -> Box:
    return Box(database)


def test_a_case_is_rated_and_a_word_comes_later(box: Box) -> None:
    box.rated(4)
    box.rated(None, "thank you " * 200, "happy")
    [row] = box.ratings()
    assert (row.key, row.score, row.case_id, row.emotion) == ("case:C204817", 4, box.case_id, "happy")
    assert row.comment == ("thank you " * 200)[: model.LONGEST_COMMENT]


def test_the_last_score_counts_and_takes_no_word_away(box: Box) -> None:
    box.rated(5, "quick", "happy")
    box.rated(1)
    [row] = box.ratings()
    assert (row.score, row.comment, row.emotion) == (1, "quick", "happy")


def test_a_word_without_a_score_rates_nothing(box: Box) -> None:
    box.rated(None, "hm")
    assert box.ratings() == []


@pytest.mark.parametrize("score", [0, 6, -1])
def test_a_score_is_between_one_and_five(score: int) -> None:
    with pytest.raises(ValueError):
        CaseRated(CaseId("case"), "case:C204817", score)


def test_averages_tell_cases_from_conversations(box: Box) -> None:
    assert box.feedback.of_cases(START) == Average(0, None)
    box.rated(2)
    for key, score in (("one", 5), ("two", 4), ("three", 3)):
        assert box.feedback.rate("webchat", "visitor", Rating(key, score, ""), box.core.clock())
    assert box.feedback.of_cases(START) == Average(1, 2.0)
    assert box.feedback.of_conversations(START) == Average(3, 4.0)
    assert box.feedback.of_conversations(START + DAY) == Average(0, None)


def test_a_word_about_a_conversation_is_kept_with_what_it_sounds_like(box: Box) -> None:
    box.rated(5)
    felt = FeltRatings(box.feedback, {"finally!": "positive"}.get)
    assert felt.rate("webchat", "visitor", Rating("one", 5, "finally!"), box.core.clock())
    assert felt.rate("webchat", "visitor", Rating("two", 3, ""), box.core.clock())
    assert {row.key: row.emotion for row in box.ratings() if row.case_id is None} == {"one": "positive", "two": None}


def test_a_suggestion_is_kept_with_its_number_and_emotion(box: Box) -> None:
    made = SuggestionMade("sell gift cards", "neutral")
    box.turn(made)
    [kept] = box.feedback.suggestions()
    assert (kept.number, kept.text, kept.emotion, kept.language) == (made.number, "sell gift cards", "neutral", "ar")
    assert made.number[0] == "S" and made.number[1:].isdigit() and len(made.number) == 6


def test_a_number_that_is_taken_makes_the_turn_think_anew(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    """The customer is told the number in that very turn, so it cannot be changed behind their back."""
    numbers: Iterator[int] = iter([1, 1, 2])
    monkeypatch.setattr(model.secrets, "randbelow", lambda below: next(numbers))
    told: list[str] = []

    def suggest(turn: Turn) -> None:
        made = SuggestionMade("an idea")
        told.append(made.number)
        turn.effects.append(made)

    box.core.assistant.before = suggest
    box.talk("one")
    box.talk("two")
    assert told == ["S10001", "S10001", "S10002"]
    assert [s.number for s in box.feedback.suggestions()] == ["S10002", "S10001"]


def test_two_in_one_message_are_one(box: Box) -> None:
    first = SuggestionMade("an idea")
    box.turn(first, SuggestionMade("the same"))
    assert [s.number for s in box.feedback.suggestions()] == [first.number]


def test_its_author_hears_when_it_is_done_once_whoever_marks_it(box: Box) -> None:
    made, other = SuggestionMade("sell gift cards"), SuggestionMade("another")
    box.turn(made)
    box.turn(other)
    now = box.core.clock()
    marks = at_once(*[lambda: box.feedback.done(made.number, "They are here.", now) for _ in range(4)])
    assert sorted(marks) == [False, False, False, True]
    assert [s.number for s in box.feedback.suggestions()] == [other.number, made.number], "open ones first"
    done = box.feedback.suggestions()[1]
    assert (done.done_at, done.answer) == (now, "They are here.")
    box.run()
    [said] = box.told(box.here)
    assert said.meta == {"response": "utter_outreach_suggestion_done", "outreach": "suggestion_done"}
    assert box.words.values == [{"number": made.number, "answer": "They are here."}]


def test_an_unknown_suggestion_is_not_done(box: Box) -> None:
    assert not box.feedback.done("S99999", "?", START)
    with box.database.read() as c:
        assert c.execute(sa.select(t.outreach)).all() == []
