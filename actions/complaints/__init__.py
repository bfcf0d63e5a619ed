"""Complaints: an apology for this one, the facts, a case, what can be done about it, and whether it is right again.

`intake` answers first, `drafts` keeps what was said until `opening` makes a case of it, `details` asks what a decision
needs; `offers` says what a case is made good by, `choice` does what was picked, `status` tells what became of it,
`feedback` asks whether it is right again.
"""

from __future__ import annotations

from actions.complaints.cases import about_words
from actions.complaints.choice import DeclineOffers, NotEnough, accept, change_by_person, other_choice
from actions.complaints.drafts import (
    ASKED_IN_ITS_OWN_WORDS,
    GOALS,
    UPSET,
    begin,
    note,
    say_sorry,
    waits_for_its_order,
    word_before,
)
from actions.complaints.intake import ask_kind, late_and_upset, names_its_order, serve
from actions.complaints.offers import offers_of, remind
from actions.complaints.opening import ComplainAnyway, draft_to_person
from actions.complaints.status import CaseStatus

__all__ = [
    "ASKED_IN_ITS_OWN_WORDS",
    "GOALS",
    "UPSET",
    "CaseStatus",
    "ComplainAnyway",
    "DeclineOffers",
    "NotEnough",
    "about_words",
    "accept",
    "ask_kind",
    "begin",
    "change_by_person",
    "draft_to_person",
    "late_and_upset",
    "names_its_order",
    "note",
    "offers_of",
    "other_choice",
    "remind",
    "say_sorry",
    "serve",
    "waits_for_its_order",
    "word_before",
]
