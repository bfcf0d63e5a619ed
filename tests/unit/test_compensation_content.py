"""The compensation policy that merchants edit: what is wrong in it is refused with its line, never half understood."""

from __future__ import annotations

import os
import re
from decimal import Decimal
from pathlib import Path

import pytest
import structlog

from bot.compensation.content import PolicyFile, check_currency, check_tiers, load_policy, policy_path
from bot.compensation.model import Caps, Option
from bot.compensation.policy import Extra, Rule, Terms
from bot.complaints.model import Kind, Severity
from bot.errors import ConfigurationError
from bot.settings import PROJECT

GOOD = """\
currency: SAR
caps:
  per_order: 100
  per_customer: {amount: 200, days: 90}
  shop_per_day: 2000
  refund_needs_person_above: 500
abuse:
  claims_days: 180
  claims_from: 3
  claims_share: 80%
tiers:
  silver: {}
  vip: {points: 500, voucher_percent: 5, voucher_at_most: 25}
kinds:
  late:
    - days_late: 1 to 2
      steps:
        - shipping_refund
    - days_late: 3 or more
      severity: [minor, moderate]
      steps:
        - voucher: {percent: 10, at_most: 50, valid_days: 90}
        - [shipping_refund, points: 300]
    - days_late: 3 or more
      severity: serious
      tier: vip
      price_up_to: 150
      steps:
        - [resend, refund]
        - voucher: {amount: 12.50, valid_days: 30}
  billing: person
"""


def policy(tmp_path: Path, text: str | bytes) -> Path:
    path = tmp_path / "compensation.yml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_every_word_of_a_policy_is_understood(tmp_path: Path) -> None:
    rules = load_policy(policy(tmp_path, GOOD))
    assert rules.caps == Caps(Decimal(100), Decimal(200), 90, Decimal(2000))
    assert rules.refund_needs_person_above == 500 and rules.currency == "SAR"
    assert (rules.claims_days, rules.claims_from, rules.claims_share) == (180, 3, 80)
    assert rules.extras == {"silver": Extra(), "vip": Extra(500, Decimal(5), Decimal(25))}
    assert rules.kinds[Kind.BILLING] == ()
    shipping, points = Terms(Option.SHIPPING_REFUND), Terms(Option.POINTS, points=300)
    percent = Terms(Option.VOUCHER, percent=Decimal(10), at_most=Decimal(50), valid_days=90)
    fixed = Terms(Option.VOUCHER, amount=Decimal("12.50"), valid_days=30)
    assert rules.kinds[Kind.LATE] == (
        Rule(((shipping,),), 1, 2),
        Rule(((percent,), (shipping, points)), 3, None, frozenset({Severity.MINOR, Severity.MODERATE})),
        Rule(
            ((Terms(Option.RESEND), Terms(Option.REFUND)), (fixed,)),
            3,
            None,
            frozenset({Severity.SERIOUS}),
            frozenset({"vip"}),
            Decimal(150),
        ),
    )


def test_what_is_left_out_is_not_limited_by_it(tmp_path: Path) -> None:
    text = "caps: {per_order: 0, per_customer: {amount: 0, days: 1}, shop_per_day: 0, refund_needs_person_above: 0}\n"
    rules = load_policy(policy(tmp_path, text + "kinds: {}\n"))
    assert rules.claims_from is None and rules.currency is None and not rules.kinds and not rules.extras


def test_the_policy_that_comes_with_thiqa_speaks_of_every_kind_and_fits_the_demo_shop() -> None:
    rules = load_policy()
    assert set(rules.kinds) == set(Kind)
    check_currency(rules, "SAR")
    check_tiers(rules, ["basic", "silver", "gold", "vip"])


def swapped(old: str, new: str) -> str:
    assert GOOD.count(old) == 1, old
    return GOOD.replace(old, new)


WRONG = [
    ("", 1, "is empty"),
    ("# nothing yet\n", 1, "is empty"),
    ("- a\n- b\n", 1, "has no named parts"),
    ("caps", 1, "has no named parts"),
    ("caps:\n  per_order: [1\nkinds: {}\n", 3, "is not valid YAML"),
    ("caps: a: b\n", 1, "is not valid YAML"),
    ("kinds: *nobody\n", 1, "is not valid YAML"),
    (GOOD + "---\nkinds: {}\n", 32, "is not valid YAML"),
    (swapped("abuse:", "abuse:\x07"), 7, "holds a character that is no text"),
    ("[" * 600, 1, "is nested too deep"),
    ("kinds: {}\n", 1, "lacks “caps”"),
    (GOOD.partition("kinds:")[0], 1, "lacks “kinds”"),
    (swapped("abuse:", "abused:"), 7, "“abused” is unknown in the file"),
    (GOOD + "caps: {}\n", 32, "“caps” is given twice in the file"),
    (swapped("  per_order: 100", "  per_oder: 100"), 3, "“per_oder” is unknown in caps"),
    (swapped("  per_order: 100\n", ""), 3, "caps lacks “per_order”"),
    (swapped("{amount: 200, days: 90}", "{amount: 200}"), 4, "per_customer lacks “days”"),
    (swapped("{amount: 200, days: 90}", "200"), 4, "per_customer has no named parts"),
    (swapped("per_order: 100", "per_order: -100"), 3, "per_order is negative (-100)"),
    (swapped("shop_per_day: 2000", "shop_per_day: -0.5"), 5, "shop_per_day is negative (-0.5)"),
    (swapped("per_order: 100", "per_order: 10000001"), 3, "per_order 10000001 is too much"),
    (swapped("per_order: 100", "per_order: 99999999999999999999"), 3, "is too much"),
    (swapped("per_order: 100", "per_order: 1e30"), 3, "per_order “1e30” is not a number"),
    (swapped("per_order: 100", "per_order: .nan"), 3, "per_order “.nan” is not a number"),
    (swapped("per_order: 100", "per_order: NaN"), 3, "per_order “NaN” is not a number"),
    (swapped("per_order: 100", "per_order: -.inf"), 3, "per_order “-.inf” is not a number"),
    (swapped("per_order: 100", "per_order: 100 SAR"), 3, "per_order “100 SAR” is not a number"),
    (swapped("per_order: 100", "per_order: ١٠٠"), 3, "per_order “١٠٠” is not a number"),
    (swapped("per_order: 100", "per_order:"), 3, "per_order “” is not a number"),
    (swapped("per_order: 100", "per_order: [100]"), 3, "per_order is not a single value"),
    (swapped("200, days: 90}", "200, days: 0}"), 4, "days is 0, which is nothing"),
    (swapped("days: 90}\n  shop", "days: 4000}\n  shop"), 4, "days 4000 is too much"),
    (swapped("days: 90}\n  shop", "days: 1.5}\n  shop"), 4, "days 1.5 is not a whole number"),
    (swapped("claims_share: 80%", "claims_share: 101"), 10, "claims_share 101 is more than 100 percent"),
    (swapped("claims_share: 80%", "claims_share: -1%"), 10, "claims_share is negative (-1)"),
    (swapped("  claims_from: 3\n", ""), 8, "abuse lacks “claims_from”"),
    (swapped("currency: SAR", "currency: riyal"), 1, "“riyal” is no currency"),
    (swapped("silver: {}", "silver: gift"), 12, "silver has no named parts"),
    (swapped("voucher_percent: 5", "voucher_percent: 500"), 13, "voucher_percent 500 is more than 100 percent"),
    (swapped("voucher_percent: 5", "cash: 5"), 13, "“cash” is unknown in vip"),
    (swapped("  late:", "  lost:"), 15, "“lost” is unknown in kinds"),
    (swapped("billing: person", "billing: nobody"), 31, "billing has no rules"),
    (swapped("billing: person", "billing: []"), 31, "billing is empty"),
    (swapped("billing: person", "billing: [person]"), 31, "the rule has no named parts"),
    (swapped("      price_up_to: 150", "      price_below: 150"), 27, "“price_below” is unknown in the rule"),
    (swapped("      price_up_to: 150", "      price_up_to: 0"), 27, "price_up_to is 0, which is nothing"),
    (swapped("      tier: vip", "      tier: diamond"), 26, "the tier “diamond” is unknown"),
    (swapped("      tier: vip", "      tier: [vip, diamond]"), 26, "the tier “diamond” is unknown"),
    (swapped("severity: serious", "severity: terrible"), 25, "the severity “terrible” is unknown"),
    (swapped("[minor, moderate]", "[]"), 20, "severity is empty"),
    (swapped("1 to 2", "some"), 16, "days_late “some” is no span of days"),
    (swapped("1 to 2", "-1"), 16, "days_late “-1” is no span of days"),
    (swapped("1 to 2", "2 to 1"), 16, "days_late “2 to 1” ends before it begins"),
    (swapped("1 to 2", "1 to 99999"), 16, "days_late “1 to 99999” is too much"),
    (swapped("1 to 2", "1 to 3"), 19, "the rule overlaps the one on line 16"),
    (swapped("1 to 2", "1 or more"), 19, "the rule overlaps the one on line 16"),
    (swapped("1 to 2", "9 to 12").replace("3 or more", "3 to 8", 1), 19, "fewer days than the one on line 16"),
    (swapped("    - days_late: 1 to 2\n", "    - price_up_to: 9\n"), 0, ""),  # the higher price takes the rest
    (swapped("severity: [minor, moderate]", "severity: [minor, serious]"), 24, "overlaps the one on line 19"),
    (GOOD.replace("      severity: serious\n      tier: vip\n", ""), 24, "overlaps the one on line 19"),
    (swapped("[resend, refund]", "[resend, gift]"), 29, "the option “gift” is unknown"),
    (swapped("[resend, refund]", "[resend, gift: 5]"), 29, "“gift” is unknown in option"),
    (swapped("[resend, refund]", "[resend, refund: 5]"), 29, "refund takes nothing after it"),
    (swapped("[resend, refund]", "[[resend, refund]]"), 29, "a round holds a list in a list"),
    (swapped("[resend, refund]", "[]"), 29, "steps is empty"),
    (swapped("[resend, refund]", "[voucher, refund]"), 29, "voucher does not say how much"),
    (swapped("[resend, refund]", "[resend, resend]"), 29, "resend is offered twice in this rule"),
    (swapped("[resend, refund]", "[voucher: {amount: 1, valid_days: 9}]"), 30, "voucher is offered twice in this rule"),
    (swapped("[resend, refund]", "{points: 1, refund: 2}"), 29, "an option is not one name with a colon"),
    (swapped("points: 300", "points: 0"), 23, "points is 0, which is nothing"),
    (swapped("points: 300", "points: -300"), 23, "points is negative (-300)"),
    (swapped("points: 300", "points: 30000000"), 23, "points 30000000 is too much"),
    (swapped("points: 300", "points: 2.5"), 23, "points 2.5 is not a whole number"),
    (swapped("percent: 10,", "percent: 110,"), 22, "percent 110 is more than 100 percent"),
    (swapped("percent: 10,", "percent: -10,"), 22, "percent is negative (-10)"),
    (swapped("percent: 10,", "percent: 0,"), 22, "percent is 0, which is nothing"),
    (swapped("percent: 10,", ""), 22, "the voucher lacks “percent”"),
    (swapped("at_most: 50,", ""), 22, "the voucher lacks “at_most”"),
    (swapped("at_most: 50,", "at_most: -50,"), 22, "at_most is negative (-50)"),
    (swapped("at_most: 50, valid_days: 90", "at_most: 50"), 22, "voucher lacks “valid_days”"),
    (swapped("amount: 12.50,", "amount: 12.50, percent: 5,"), 30, "the voucher has both an amount and a percent"),
    (swapped("amount: 12.50,", "amount: 12.5055,"), 30, "amount “12.5055” is not a number"),
    (swapped("amount: 12.50,", "amount: 101,"), 30, "the voucher of 101 is above the caps"),
    (swapped("      steps:\n        - shipping_refund\n", "      steps: []\n"), 17, "steps is empty"),
    (swapped("      steps:\n        - shipping_refund\n", "      steps: shipping_refund\n"), 17, "steps is no list"),
    (swapped("      steps:\n        - shipping_refund\n", ""), 16, "the rule lacks “steps”"),
]


@pytest.mark.parametrize(("text", "line", "problem"), WRONG, ids=range(len(WRONG)))
def test_what_is_wrong_is_refused_with_its_line_and_the_reason(
    tmp_path: Path, text: str, line: int, problem: str
) -> None:
    path = policy(tmp_path, text)
    if not line:
        load_policy(path)
        return
    with pytest.raises(ConfigurationError) as error:
        load_policy(path)
    assert problem in error.value.problem
    assert error.value.what == f"{path}, line {line}" and error.value.remedy


def test_a_file_that_is_missing_a_folder_or_not_text_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "none.yml", tmp_path):
        with pytest.raises(ConfigurationError) as error:
            load_policy(path)
        assert error.value.what == str(path) and "cannot be read" in error.value.problem
    with pytest.raises(ConfigurationError) as error:
        load_policy(policy(tmp_path, GOOD.encode().replace(b"silver", b"\xff\xfe")))
    assert error.value.what.endswith("line 12") and "UTF-8" in error.value.problem


def test_another_currency_than_the_shops_is_refused_with_its_line(tmp_path: Path) -> None:
    rules = load_policy(policy(tmp_path, GOOD))
    check_currency(rules, "SAR")
    with pytest.raises(ConfigurationError) as error:
        check_currency(rules, "KWD")
    assert error.value.what.endswith("line 1") and "SAR" in error.value.problem and "KWD" in error.value.problem
    without = load_policy(policy(tmp_path, swapped("currency: SAR\n", "")))
    check_currency(without, "KWD")


def test_a_tier_that_the_shop_has_not_is_refused_with_its_line(tmp_path: Path) -> None:
    rules = load_policy(policy(tmp_path, GOOD))
    check_tiers(rules, ["basic", "silver", "vip"])
    with pytest.raises(ConfigurationError) as error:
        check_tiers(rules, ["silver"])
    assert error.value.what.endswith("line 13") and "“vip”" in error.value.problem
    with pytest.raises(ConfigurationError):
        check_tiers(rules, [])


# -- edited while in use -----------------------------------------------------------------------------------------------


def edit(path: Path, text: str) -> None:
    """Save it, at another time than before."""
    before = path.stat().st_mtime_ns if path.exists() else 0
    path.write_text(text)
    os.utime(path, ns=(before + 10**9, before + 10**9))


def test_an_edit_counts_from_the_next_complaint_on(tmp_path: Path) -> None:
    path = policy(tmp_path, GOOD)
    file = PolicyFile(path, "SAR", ["silver", "vip"])
    first = file.current()
    assert file.current() is first
    edit(path, swapped("per_order: 100", "per_order: 150"))
    assert file.current().caps.per_order == 150
    assert first.caps.per_order == 100


@pytest.mark.parametrize(
    "bad",
    [
        swapped("per_order: 100", "per_order: x"),
        swapped("currency: SAR", "currency: USD"),
        swapped("silver:", "bronze:"),
        "",
    ],
)
def test_an_edit_that_is_wrong_leaves_the_rules_in_force_and_is_told_once(tmp_path: Path, bad: str) -> None:
    path = policy(tmp_path, GOOD)
    file = PolicyFile(path, "SAR", ["silver", "vip"])
    first = file.current()
    edit(path, bad)
    with structlog.testing.capture_logs() as logs:
        assert file.current() is first and file.current() is first
    assert [line["event"] for line in logs] == ["compensation.policy_refused"]
    assert logs[0]["where"].startswith(f"{path}, line ") and logs[0]["log_level"] == "warning"
    edit(path, swapped("per_order: 100", "per_order: 80"))
    assert file.current().caps.per_order == 80


def test_a_policy_that_is_taken_away_stays_in_force(tmp_path: Path) -> None:
    path = policy(tmp_path, GOOD)
    file = PolicyFile(path)
    first = file.current()
    path.unlink()
    assert file.current() is first
    edit(path, GOOD)
    assert file.current() == first


def test_a_start_with_a_wrong_policy_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError):
        PolicyFile(policy(tmp_path, swapped("per_order: 100", "per_order: x")))
    with pytest.raises(ConfigurationError):
        PolicyFile(policy(tmp_path, GOOD), "USD")
    with pytest.raises(ConfigurationError):
        PolicyFile(tmp_path / "none.yml")


# -- the guide ---------------------------------------------------------------------------------------------------------

GUIDE = (PROJECT / "docs" / "compensation.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^```yaml\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("example", EXAMPLES, ids=range(len(EXAMPLES)))
def test_each_example_of_the_guide_is_a_valid_policy(tmp_path: Path, example: str) -> None:
    rules = load_policy(policy(tmp_path, example))
    check_currency(rules, "SAR")
    check_tiers(rules, ["basic", "silver", "gold", "vip"])
    assert rules.kinds


def test_the_guide_has_examples_and_names_every_word_of_the_file() -> None:
    assert len(EXAMPLES) >= 4
    words = {kind.value for kind in Kind} | {option.value for option in Option}
    words |= set(re.findall(r"^\s*-?\s*(\w+):", policy_path().read_text(encoding="utf-8"), re.MULTILINE))
    assert not {word for word in words if f"`{word}`" not in GUIDE}
