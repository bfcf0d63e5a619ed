"""The compensation policy that a merchant edits, read and checked. Every mistake is a ConfigurationError that names the
file, the line, what is wrong and how to mend it."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Collection, Mapping
from decimal import Decimal
from importlib.resources import files
from pathlib import Path
from typing import TypeVar

import structlog
import yaml

from bot.compensation.model import Caps, Option
from bot.compensation.policy import Extra, Rule, Rules, Terms
from bot.complaints.model import Kind, Severity
from bot.errors import ConfigurationError

__all__ = ["PolicyFile", "check_currency", "check_tiers", "load_policy", "policy_path"]

log = structlog.get_logger()

_MOST = Decimal(10_000_000)  # of money or points; more is a slip of the hand
_MOST_DAYS = 3650
_NUMBER = re.compile(r"[0-9]{1,20}(\.[0-9]{1,3})?")
_CURRENCY = re.compile(r"[A-Z]{3}")
_DAYS = re.compile(r"(?P<only>[0-9]{1,6})|(?P<from>[0-9]{1,6}) to (?P<to>[0-9]{1,6})|(?P<least>[0-9]{1,6}) or more")
_PLAIN = (Option.RESEND, Option.EXCHANGE, Option.MISSING_PART, Option.REFUND, Option.SHIPPING_REFUND)
_PERSON = "person"
_Known = TypeVar("_Known")


def policy_path() -> Path:
    """The policy that comes with Thiqa."""
    return Path(str(files("bot.content").joinpath("compensation.yml")))


def load_policy(path: Path | None = None) -> Rules:
    """The rules of a policy file. Raises ConfigurationError."""
    path = path or policy_path()
    return _rules(_Spot(path, _read(path), "the file"))


def check_currency(rules: Rules, currency: str) -> None:
    """Raises ConfigurationError where the file is written in another currency than the shop's."""
    if rules.currency not in (None, currency):
        raise ConfigurationError(
            f"{rules.path}, line {rules.lines.get('currency', 1)}",
            f"the amounts are in {rules.currency}, and the shop sells in {currency}",
            f"Write the amounts in {currency}, and “currency: {currency}”",
        )


def check_tiers(rules: Rules, tiers: Collection[str]) -> None:
    """Raises ConfigurationError where the file names a tier that the shop does not have."""
    for tier in rules.extras:
        if tier not in tiers:
            raise ConfigurationError(
                f"{rules.path}, line {rules.lines.get(f'tier {tier}', 1)}",
                f"the shop has no tier “{tier}”",
                f"Use {_or(tiers)}" if tiers else "Take the tiers out: the shop has none",
            )


class PolicyFile:
    """A policy that may be edited while it is in use.

    What is wrong at the start raises ConfigurationError. Later a change that is wrong is logged once, and the rules from
    before stay in force. `currency` and `tiers`: the shop's, where they are known, which the file must fit.
    """

    def __init__(
        self, path: Path | None = None, currency: str | None = None, tiers: Collection[str] | None = None
    ) -> None:
        self._path, self._currency, self._tiers = path or policy_path(), currency, tiers
        self._lock = threading.Lock()
        self._stamp = self._stamped()
        self._rules = self._load()

    def current(self) -> Rules:
        """The rules in force now."""
        with self._lock:
            stamp = self._stamped()
            if stamp != self._stamp:
                self._stamp = stamp
                try:
                    self._rules = self._load()
                    log.info("compensation.policy_changed", file=str(self._path))
                except ConfigurationError as error:
                    log.warning("compensation.policy_refused", where=error.what, problem=error.problem)
            return self._rules

    def _load(self) -> Rules:
        rules = load_policy(self._path)
        if self._currency is not None:
            check_currency(rules, self._currency)
        if self._tiers is not None:
            check_tiers(rules, self._tiers)
        return rules

    def _stamped(self) -> tuple[int, int, int] | None:
        """Changes with the file; None where there is none."""
        try:
            found = os.stat(self._path)
        except OSError:
            return None
        return found.st_ino, found.st_mtime_ns, found.st_size


# -- YAML with lines ---------------------------------------------------------------------------------------------------


def _read(path: Path) -> yaml.Node:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ConfigurationError(str(path), f"cannot be read ({error.strerror})", "Put the file there") from error
    try:
        node = yaml.compose(content.decode("utf-8"), Loader=yaml.SafeLoader)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise _wrong(path, line, "is not text in UTF-8", "Save the file as UTF-8") from error
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        remedy = "Check the indentation, the colons and the brackets"
        raise _wrong(path, line, f"is not valid YAML: {error.problem}", remedy) from error
    except yaml.reader.ReaderError as error:
        line = content.decode("utf-8").count("\n", 0, error.position) + 1
        raise _wrong(path, line, "holds a character that is no text", "Remove it") from error
    except RecursionError as error:
        raise _wrong(path, 1, "is nested too deep", "Start from the file that comes with Thiqa") from error
    if node is None:
        raise _wrong(path, 1, "is empty", "Start from the file that comes with Thiqa")
    return node


def _wrong(path: Path, line: int, problem: str, remedy: str) -> ConfigurationError:
    return ConfigurationError(f"{path}, line {line}", problem, remedy)


def _or(words: Collection[str]) -> str:
    return ", ".join(words)


class _Spot:
    """A value of the file, with its name and where it stands. What it is not raises ConfigurationError."""

    def __init__(self, path: Path, node: yaml.Node, name: str) -> None:
        self.path, self.node, self.name = path, node, name

    @property
    def line(self) -> int:
        return int(self.node.start_mark.line) + 1

    def wrong(self, problem: str, remedy: str) -> ConfigurationError:
        return _wrong(self.path, self.line, problem, remedy)

    def fields(self, known: Collection[str] | None = None, needed: Collection[str] = ()) -> dict[str, _Spot]:
        """The named parts; `known` None allows any name."""
        if not isinstance(self.node, yaml.MappingNode):
            shape = f"Write {_or(known)} below it, each with a colon" if known else "Write names with a colon below it"
            raise self.wrong(f"{self.name} has no named parts", shape)
        found: dict[str, _Spot] = {}
        for key_node, value in self.node.value:
            key = _Spot(self.path, key_node, "a name").text()
            at = _Spot(self.path, key_node, key)
            if known is not None and key not in known:
                raise at.wrong(f"“{key}” is unknown in {self.name}", f"Use {_or(known)}")
            if key in found:
                raise at.wrong(f"“{key}” is given twice in {self.name}", "Keep one of the two")
            found[key] = _Spot(self.path, value, key)
        for key in needed:
            if key not in found:
                raise self.wrong(f"{self.name} lacks “{key}”", f"Add “{key}:”")
        return found

    def items(self) -> list[_Spot]:
        """The elements; one value alone is a list of one."""
        nodes = self.node.value if isinstance(self.node, yaml.SequenceNode) else [self.node]
        if not nodes:
            raise self.wrong(f"{self.name} is empty", "Write at least one, or take it out")
        return [_Spot(self.path, node, self.name) for node in nodes]

    def text(self) -> str:
        if not isinstance(self.node, yaml.ScalarNode):
            raise self.wrong(f"{self.name} is not a single value", "Write one word or one number")
        return str(self.node.value).strip()

    def number(self, most: Decimal = _MOST) -> Decimal:
        """From 0 to `most`."""
        text = self.text()
        if text.startswith("-") and _NUMBER.fullmatch(text[1:]):
            raise self.wrong(f"{self.name} is negative ({text})", "Write 0 or more")
        if not _NUMBER.fullmatch(text):
            raise self.wrong(f"{self.name} “{text}” is not a number", "Write digits, such as 100 or 12.50")
        value = Decimal(text)
        if value > most:
            raise self.wrong(f"{self.name} {text} is too much", f"Write {most} or less")
        return value

    def positive(self, most: Decimal = _MOST) -> Decimal:
        value = self.number(most)
        if value == 0:
            raise self.wrong(f"{self.name} is 0, which is nothing", "Write more than 0, or take it out")
        return value

    def percent(self) -> Decimal:
        text = self.text()
        value = self.number() if not text.endswith("%") else _Spot(self.path, self._without("%"), self.name).number()
        if value > 100:
            raise self.wrong(f"{self.name} {text} is more than 100 percent", "Write 0 to 100")
        return value

    def _without(self, sign: str) -> yaml.ScalarNode:
        value = self.text().removesuffix(sign).strip()
        return yaml.ScalarNode(self.node.tag, value, self.node.start_mark, self.node.end_mark)

    def whole(self, most: int = _MOST_DAYS) -> int:
        """1 to `most`."""
        value = self.positive(Decimal(most))
        if value != int(value):
            raise self.wrong(f"{self.name} {self.text()} is not a whole number", "Write it without a fraction")
        return int(value)


# -- the policy --------------------------------------------------------------------------------------------------------


def _rules(spot: _Spot) -> Rules:
    top = spot.fields(("currency", "caps", "abuse", "tiers", "kinds"), needed=("caps", "kinds"))
    lines: dict[str, int] = {}
    currency = None
    if "currency" in top:
        currency, lines["currency"] = top["currency"].text(), top["currency"].line
        if not _CURRENCY.fullmatch(currency):
            raise top["currency"].wrong(f"“{currency}” is no currency", "Write its three letters, such as SAR")
    parts = top["caps"].fields(_CAPS, needed=_CAPS)
    caps = _caps(parts)
    extras: dict[str, Extra] = {}
    if "tiers" in top:
        for name, extra in top["tiers"].fields().items():
            extras[name], lines[f"tier {name}"] = _extra(extra), extra.line
    claims: dict[str, _Spot] = {}
    if "abuse" in top:
        claims = top["abuse"].fields(_ABUSE, needed=_ABUSE)
    kinds = {}
    for name, listed in top["kinds"].fields([kind.value for kind in Kind]).items():
        kinds[Kind(name)] = _kind(listed, extras, caps)
    return Rules(
        kinds=kinds,
        caps=caps,
        refund_needs_person_above=parts["refund_needs_person_above"].number(),
        extras=extras,
        claims_from=claims["claims_from"].whole() if claims else None,
        claims_days=claims["claims_days"].whole() if claims else 0,
        claims_share=claims["claims_share"].percent() if claims else Decimal(100),
        currency=currency,
        path=spot.path,
        lines=lines,
    )


_CAPS = ("per_order", "per_customer", "shop_per_day", "refund_needs_person_above")
_ABUSE = ("claims_days", "claims_from", "claims_share")


def _caps(parts: Mapping[str, _Spot]) -> Caps:
    customer = parts["per_customer"].fields(("amount", "days"), needed=("amount", "days"))
    return Caps(
        per_order=parts["per_order"].number(),
        per_customer=customer["amount"].number(),
        customer_days=customer["days"].whole(),
        shop_per_day=parts["shop_per_day"].number(),
    )


def _extra(spot: _Spot) -> Extra:
    parts = spot.fields(("points", "voucher_percent", "voucher_at_most"))
    return Extra(
        points=parts["points"].whole(int(_MOST)) if "points" in parts else 0,
        percent=parts["voucher_percent"].percent() if "voucher_percent" in parts else Decimal(0),
        at_most=parts["voucher_at_most"].number() if "voucher_at_most" in parts else Decimal(0),
    )


def _kind(spot: _Spot, tiers: Collection[str], caps: Caps) -> tuple[Rule, ...]:
    if isinstance(spot.node, yaml.ScalarNode):
        if spot.text() != _PERSON:
            raise spot.wrong(f"{spot.name} has no rules", f"Write “{spot.name}: {_PERSON}”, or rules below it")
        return ()
    rules: list[tuple[_Spot, Rule]] = []
    for item in spot.items():
        rule = _rule(_Spot(item.path, item.node, "the rule"), tiers, caps)
        for before, other in rules:
            _compare(item, rule, before.line, other)
        rules.append((item, rule))
    return tuple(rule for _, rule in rules)


def _rule(spot: _Spot, tiers: Collection[str], caps: Caps) -> Rule:
    parts = spot.fields(("days_late", "severity", "tier", "price_up_to", "steps"), needed=("steps",))
    days_from, days_to = _days(parts["days_late"]) if "days_late" in parts else (0, None)
    severities = set(Severity)
    if "severity" in parts:
        severities = {_one_of(item, {s.name.lower(): s for s in Severity}) for item in parts["severity"].items()}
    named = None
    if "tier" in parts:
        named = frozenset(_one_of(item, {tier: tier for tier in tiers}) for item in parts["tier"].items())
    return Rule(
        steps=_steps(parts["steps"], caps),
        days_from=days_from,
        days_to=days_to,
        severities=frozenset(severities),
        tiers=named,
        price_up_to=parts["price_up_to"].positive() if "price_up_to" in parts else None,
    )


def _one_of(spot: _Spot, known: Mapping[str, _Known]) -> _Known:
    text = spot.text()
    if text not in known:
        remedy = f"Use {_or(known)}" if known else "List the shop's tiers under “tiers:” first"
        raise spot.wrong(f"the {spot.name} “{text}” is unknown", remedy)
    return known[text]


def _days(spot: _Spot) -> tuple[int, int | None]:
    found = _DAYS.fullmatch(spot.text())
    if found is None:
        raise spot.wrong(f"days_late “{spot.text()}” is no span of days", "Write “2”, “1 to 2” or “3 or more”")
    if found["least"]:
        first, last = int(found["least"]), None
    else:
        first = int(found["only"] or found["from"])
        last = int(found["only"] or found["to"])
    if max(first, last or 0) > _MOST_DAYS:
        raise spot.wrong(f"days_late “{spot.text()}” is too much", f"Write {_MOST_DAYS} or less")
    if last is not None and last < first:
        raise spot.wrong(f"days_late “{spot.text()}” ends before it begins", f"Write “{last} to {first}”")
    return first, last


def _compare(spot: _Spot, rule: Rule, line: int, other: Rule) -> None:
    """Two rules for the same complaints: lower days and prices first, and nothing in both."""
    same_tier = rule.tiers is None or other.tiers is None or rule.tiers & other.tiers
    if not (rule.severities & other.severities and same_tier):
        return
    after = other.days_to is not None and rule.days_from > other.days_to
    before = rule.days_to is not None and rule.days_to < other.days_from
    if after:
        return
    if before:
        raise spot.wrong(
            f"the rule is for fewer days than the one on line {line} above it",
            "Put the rules in order, fewest days first",
        )
    narrower = other.price_up_to is not None and (rule.price_up_to is None or rule.price_up_to > other.price_up_to)
    if not narrower:
        raise spot.wrong(
            f"the rule overlaps the one on line {line}, which counts first",
            "Give each its own days_late, severity or tier, or a higher price_up_to than the one above",
        )


def _steps(spot: _Spot, caps: Caps) -> tuple[tuple[Terms, ...], ...]:
    if not isinstance(spot.node, yaml.SequenceNode):
        raise spot.wrong("steps is no list", "Write each round on its own line after a dash")
    steps, seen = [], set()
    for step in spot.items():
        terms = []
        for item in step.items():
            found = _terms(item, caps)
            if found.option in seen:
                raise item.wrong(
                    f"{found.option.value} is offered twice in this rule", "Keep it in one round: it is given once"
                )
            seen.add(found.option)
            terms.append(found)
        steps.append(tuple(terms))
    return tuple(steps)


def _terms(spot: _Spot, caps: Caps) -> Terms:
    options = {option.value: option for option in Option}
    spot = _Spot(spot.path, spot.node, "option")
    if isinstance(spot.node, yaml.ScalarNode):
        option = _one_of(spot, options)
        if option not in _PLAIN:
            example = "points: 500" if option is Option.POINTS else "voucher: {amount: 20, valid_days: 60}"
            raise spot.wrong(f"{option.value} does not say how much", f"Write for example “{example}”")
        return Terms(option)
    if not isinstance(spot.node, yaml.MappingNode):
        raise spot.wrong("a round holds a list in a list", f"Write the options of a round as [{_PLAIN[0].value}, …]")
    parts = spot.fields(options)
    if len(parts) != 1:
        raise spot.wrong(
            "an option is not one name with a colon", "Write each option after a dash or a comma of its own"
        )
    name, value = next(iter(parts.items()))
    if options[name] is Option.POINTS:
        return Terms(Option.POINTS, points=value.whole(int(_MOST)))
    if options[name] is Option.VOUCHER:
        return _voucher(value, caps)
    raise spot.wrong(f"{name} takes nothing after it", f"Write “{name}” alone")


def _voucher(spot: _Spot, caps: Caps) -> Terms:
    parts = spot.fields(("percent", "at_most", "amount", "valid_days"), needed=("valid_days",))
    valid_days = parts["valid_days"].whole()
    if "amount" in parts:
        if "percent" in parts or "at_most" in parts:
            raise spot.wrong("the voucher has both an amount and a percent", "Keep one of the two")
        amount = parts["amount"].positive()
        most = min(caps.per_order, caps.per_customer, caps.shop_per_day)
        if amount > most:
            raise parts["amount"].wrong(
                f"the voucher of {amount} is above the caps, so it would never be given", f"Write {most} or less"
            )
        return Terms(Option.VOUCHER, amount=amount, valid_days=valid_days)
    for name in ("percent", "at_most"):
        if name not in parts:
            raise spot.wrong(f"the voucher lacks “{name}”", "Write percent and at_most, or an amount")
    percent = parts["percent"].percent()
    if percent == 0:
        raise parts["percent"].wrong("percent is 0, which is nothing", "Write more than 0")
    return Terms(Option.VOUCHER, percent=percent, at_most=parts["at_most"].positive(), valid_days=valid_days)
