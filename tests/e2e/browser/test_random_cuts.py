"""A hundred cuts at random moments, through two transports and four tabs, and not a word lost, doubled or displaced."""

from __future__ import annotations

import os
import random
import time
from collections import Counter
from collections.abc import Callable

import pytest
from playwright.sync_api import Request, WebSocket

from tests.e2e.browser.records import flat, log_of, shown, unanswered, visitor_of, waiting
from tests.e2e.browser.widget import Chat
from tests.e2e.server import Server
from tests.e2e.wires import Cable

pytestmark = pytest.mark.slow

CUTS = 100
MESSAGES = 44  # 22 a visitor, and as many sent again, stay under the server's 20 and one every two seconds
SPEECH = ("كم رسوم الشحن؟ ({})", "مرحبا ({})", "كم مدة التوصيل؟ ({})", "شكرا ({})")
# Browsers that can only do the one or the other; without a choice the widget soon settles for polling.
POLLING = "<script>window.WebSocket = class { constructor() { throw new DOMException('blocked') } }</script>"
WEBSOCKET = """<script>{ const given = window.fetch; window.fetch = (address, ...rest) =>
    String(address).includes('transport=polling') ? Promise.reject(new TypeError('blocked')) : given(address, ...rest) }
</script>"""
NAMES = ("session_request", "session_confirm", "user_uttered", "customer_uttered", "bot_uttered", "history", "marks")


class Watch:
    """What a tab's connection was last seen doing."""

    def __init__(self, chat: Chat) -> None:
        self.doing = "away"
        chat.page.on("websocket", self._opened)
        chat.page.on("request", self._asked)

    def _opened(self, socket: WebSocket) -> None:
        self.doing = "connecting"
        socket.on("framesent", lambda data: self._saw("sent", data))
        socket.on("framereceived", lambda data: self._saw("got", data))
        socket.on("close", lambda _: setattr(self, "doing", "away"))

    def _asked(self, request: Request) -> None:
        if "transport=polling" not in request.url:
            return
        if "sid=" not in request.url:
            self.doing = "connecting by polling"
        elif request.method == "POST":
            self._saw("polling: sent", request.post_data or "")

    def _saw(self, how: str, data: object) -> None:
        text = data if isinstance(data, str) else ""
        if text.startswith("43"):
            self.doing = f"{how} answer"
        for name in NAMES:
            if f'["{name}"' in text:
                self.doing = f"{how} {name}"


@pytest.mark.timeout(300)
def test_a_hundred_random_cuts_lose_double_and_displace_nothing(visit: Callable[..., Chat], shop: Server) -> None:
    seed = int(os.environ.get("SEED") or random.randrange(10**6))
    chance = random.Random(seed)
    print(f"seed {seed}")
    phases: Counter[str] = Counter()
    with Cable("127.0.0.1", shop.port) as cable:
        pairs: list[list[Chat]] = []
        watches: list[Watch] = []
        said: dict[Chat, list[str]] = {}
        for head in (WEBSOCKET, POLLING):
            first = visit(server=cable, head=head).open()
            first.ask(SPEECH[0].format(0))
            second = visit(server=cable, context=first.page.context).open()
            second.wait(lambda second=second: len(second.messages()) == 2)
            pairs.append([first, second])
            said[first], said[second] = [SPEECH[0].format(0)], []
        tabs = [tab for pair in pairs for tab in pair]
        watches = [Watch(tab) for tab in tabs]
        began, cuts, spoken, least = time.monotonic(), 0, 0, 10**6

        while cuts < CUTS:
            if spoken < MESSAGES and chance.random() < MESSAGES / CUTS * 1.3:
                spoken += 1
                tab = tabs[spoken % len(tabs)]
                text = chance.choice(SPEECH).format(spoken)
                said[tab].append(text)
                if chance.random() < 0.5:
                    cable.cut_after(chance.randrange(1, 12), chance.random() < 0.5)
                tab.say(text)
            if cable.whole and chance.random() < 0.6:
                # In the midst of whatever goes over the line next: 4 tabs connect within some 40 pieces.
                cable.cut_after(chance.choice((chance.randrange(1, 8), chance.randrange(1, 60))), chance.random() < 0.5)
            until = time.monotonic() + chance.choice((0.05, 0.2, 0.4, 0.8))
            while cable.whole and time.monotonic() < until:
                tabs[0].page.wait_for_timeout(10)
            cable.cut()
            cuts += 1
            phases.update(watch.doing for watch in watches)
            tabs[0].page.wait_for_timeout(chance.choice((0, 20, 100)))
            cable.upgrades = chance.choice(("pass", "pass", "pass", "refused"))
            cable.mend()
            for tab in tabs:
                if chance.random() < 0.8:  # the visitor clicks into the page
                    tab.page.evaluate("window.dispatchEvent(new Event('focus'))")
        for tab in tabs:
            while spoken < MESSAGES:
                spoken += 1
                said[tab].append(SPEECH[0].format(spoken))
                tab.say(said[tab][-1])
        over = time.monotonic()
        cable.upgrades = "pass"
        for tab in tabs:
            tab.page.evaluate("window.dispatchEvent(new Event('focus'))")

        for pair in pairs:
            visitor = visitor_of(pair[0], cable.url)
            everything = sorted(text for tab in pair for text in said[tab])

            def done(pair: list[Chat] = pair, visitor: str = visitor, count: int = len(everything)) -> bool:
                log = log_of(shop, visitor)
                customer = [line for line in log if line[1] == "customer"]
                return len(customer) >= count and waiting(shop, visitor) == 0 and all(shown(tab) == log for tab in pair)

            try:
                pair[0].wait(done, 40)
            except AssertionError:
                pass  # below it says what is wrong
            log = log_of(shop, visitor)
            assert [number for number, _, _ in log] == list(range(1, len(log) + 1)), f"seed {seed}"
            stored = [text for _, author, text in log if author == "customer"]
            assert sorted(stored) == everything, f"seed {seed}: said and stored are not the same"
            for tab in pair:
                assert [text for text in stored if text in said[tab]] == said[tab], f"seed {seed}: out of order"
                assert shown(tab) == log, f"seed {seed}: a tab shows another log"
            assert unanswered(shop, visitor) == [], f"seed {seed}: left without a reply"
            assert sum(author == "bot" for _, author, _ in log) == len(stored), f"seed {seed}: a reply too many"
            assert all(flat(text) for _, _, text in log)
            least = min(least, len(log))
    print(
        f"{cuts} cuts in {over - began:.0f} s, settled after {time.monotonic() - over:.0f} s; logs of {least} or more"
    )
    print("each of the 4 tabs was cut", dict(phases.most_common()))
