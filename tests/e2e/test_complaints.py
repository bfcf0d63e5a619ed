"""Whole complaints over the REST channel against the running product, and what the databases say afterwards.

`complaints/*.yml` holds them, in the form of `conversations/` (see test_conversations.py) with two more steps: `later`
lets hours or days pass, and `shop` changes what the shop has (`stock: {SKU: 0}`). What `ends` checks besides: `cases`,
`ledger`, `promises`, `outreach`, `ratings`, `vouchers` and `refunds` of the shop. Each conversation begins with the demo
shop as new and without any case.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
import yaml

from bot.bootstrap import DEMO_SHOP
from bot.shops.embedded import EmbeddedShop, reset_demo
from bot.storage import tables as t
from tests.e2e.server import Server, link_trained
from tests.e2e.test_conversations import ENDS, EXPECTS, SAYS, Customer, _check_reply, _expected_handoff

pytestmark = pytest.mark.slow

STEPS = SAYS | {"later", "shop"}
MORE_ENDS = {"cases", "ledger", "promises", "outreach", "ratings", "vouchers", "refunds"}
# In the order in which rows may go: those that point to others first.
_OF_COMPLAINTS = (
    t.outreach,
    t.promises,
    t.ledger_entries,
    t.ledger_locks,
    t.case_files,
    t.case_events,
    t.cases,
    t.suggestions,
    t.ratings,
)


def _load() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for path in sorted((Path(__file__).parent / "complaints").glob("*.yml")):
        for name, conversation in yaml.safe_load(path.read_text("utf-8")).items():
            assert name not in found, f"two conversations are called {name}"
            assert set(conversation) <= {"holds", "variety", "talk", "ends"}, name
            for step in conversation["talk"]:
                assert len(STEPS & set(step)) == 1 and set(step) <= STEPS | EXPECTS, (name, step)
                if SAYS & set(step):
                    assert len({"gets", "any_of"} & set(step)) == 1, (name, step)
            assert set(conversation.get("ends", {})) <= ENDS | MORE_ENDS, name
            found[name] = conversation
    return found


COMPLAINTS = _load()


@pytest.fixture(scope="module")
def shop_server(trained_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A Thiqa of these tests' own: cases of one customer are seen from every conversation of theirs."""
    server = Server(link_trained(tmp_path_factory.mktemp("complaints"), trained_home))
    try:
        yield server.start()
    finally:
        server.close()


@pytest.fixture
def complaints(shop_server: Server) -> Server:
    with shop_server.database().write() as c:
        for table in _OF_COMPLAINTS:
            c.execute(table.delete())
    reset_demo(shop_server.database(), DEMO_SHOP, datetime.now(timezone.utc))
    return shop_server


def let_pass(customer: Customer, by: timedelta) -> None:
    """What has happened in this conversation happened so much earlier."""
    conversation = customer.row.id
    moved = {
        t.messages: ("at",),
        t.cases: ("opened_at", "updated_at", "closed_at"),
        t.promises: ("made_at", "due_at", "reminded_at", "settled_at"),
        t.outreach: ("due_at", "until", "made_at"),
        t.proofs: ("given_at", "used_at"),
        t.ledger_entries: ("at",),
    }
    with customer.server.database().write() as c:
        for table, columns in moved.items():
            of_this = table.c.conversation_id == conversation
            for row in c.execute(sa.select(table).where(of_this)).all():
                earlier = {name: getattr(row, name) - by for name in columns if getattr(row, name) is not None}
                key = list(table.primary_key)[0]
                c.execute(table.update().where(of_this, key == getattr(row, key.name)).values(earlier))
        states = t.assistant_states
        of_this = states.c.conversation_id == conversation
        data = c.execute(sa.select(states.c.data).where(of_this)).scalar_one_or_none()
        if data is not None:
            state = json.loads(data)
            _earlier(state, by.total_seconds())
            c.execute(states.update().where(of_this).values(data=json.dumps(state, ensure_ascii=False)))


def _earlier(value: Any, seconds: float) -> None:
    if isinstance(value, dict):
        if isinstance(value.get("timestamp"), (int, float)):
            value["timestamp"] -= seconds
        for inner in value.values():
            _earlier(inner, seconds)
    elif isinstance(value, list):
        for inner in value:
            _earlier(inner, seconds)


def change_shop(server: Server, change: Mapping[str, Any]) -> None:
    """`stock: {SKU: pieces}` of a product; `order: {number: {field: value}}` of an order."""
    records = t.shop_records
    with server.database().write() as c:
        for kind, name in (("product", "stock"), ("order", "order")):
            for key, value in (change.get(name) or {}).items():
                where = (records.c.kind == kind, records.c.key == key)
                body = c.execute(sa.select(records.c.body).where(*where)).scalar_one()
                changed = {**body, **(value if name == "order" else {"stock": value})}
                c.execute(records.update().where(*where).values(body=changed))


def check_complaints(customer: Customer, ends: Mapping[str, Any]) -> None:
    """The rows of this conversation, each as far as `ends` tells it."""
    cases = customer.rows(t.cases, by=t.cases.c.opened_at)
    _same(cases, ends.get("cases", []), lambda row: {"order": row.order_number, **row._mapping})
    entries = [
        f"{row.kind} {row.option} {row.amount.quantize(Decimal('0.01'))}"
        for row in customer.rows(t.ledger_entries, by=t.ledger_entries.c.id)
    ]
    assert entries == ends.get("ledger", [])
    promises = [f"{row.kind} {row.state}" for row in customer.rows(t.promises, by=t.promises.c.made_at)]
    assert sorted(promises) == sorted(ends.get("promises", []))
    assert [row.kind for row in customer.rows(t.outreach, by=t.outreach.c.id)] == ends.get("outreach", [])
    ratings = [f"{row.score} {row.comment}".strip() for row in customer.rows(t.ratings)]
    assert ratings == ends.get("ratings", [])
    shop = EmbeddedShop(customer.server.database())
    vouchers = [
        row.reference for row in customer.rows(t.ledger_entries) if row.kind == "fulfil" and row.option == "voucher"
    ]
    amounts = []
    for code in vouchers:
        voucher = shop.voucher(code)
        assert voucher is not None and voucher.state.value == "active"
        amounts.append(str(voucher.amount.amount.quantize(Decimal("0.01"))))
    assert amounts == ends.get("vouchers", [])


def _same(rows: Any, expected: Any, of: Callable[[Any], Mapping[str, Any]]) -> None:
    assert len(rows) == len(expected), [dict(row._mapping) for row in rows]
    for row, wanted in zip(rows, expected, strict=True):
        found = of(row)
        accepted = found.get("accepted") or {}
        told = {name: accepted.get("option") if name == "accepted" else found[name] for name in wanted}
        assert told == wanted


@pytest.mark.parametrize("name", COMPLAINTS)
def test_complaint(complaints: Server, name: str) -> None:
    """What the conversation's `holds` says, and records in the database and the shop that agree with it."""
    conversation = COMPLAINTS[name]
    customer = Customer(complaints)
    for step in conversation["talk"]:
        if "later" in step:
            let_pass(customer, timedelta(**step["later"]))
            continue
        if "shop" in step:
            change_shop(complaints, step["shop"])
            continue
        handoff = _expected_handoff(complaints)
        keys = customer.say(step["says"]) if "says" in step else customer.press(step["presses"])
        _check_reply(customer, step, keys, handoff | _expected_handoff(complaints))
    customer.check_record()
    ends = conversation.get("ends", {})
    customer.check_ends({name: value for name, value in ends.items() if name in ENDS})
    check_complaints(customer, ends)


def test_there_are_complaints_of_every_kind_and_variety() -> None:
    """At least forty, each kind and each variety among them."""
    assert len(COMPLAINTS) >= 40
    kinds = {case.get("kind") for talk in COMPLAINTS.values() for case in talk.get("ends", {}).get("cases", ())}
    assert kinds >= {
        *("late", "not_received", "damaged", "wrong_item", "missing_item", "quality", "service", "billing"),
        "refund_delay",
    }
    assert {talk["variety"] for talk in COMPLAINTS.values()} >= {
        *("msa", "gulf", "egy", "lev", "mag", "en", "arabizi", "mix")
    }
