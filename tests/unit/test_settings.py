"""Settings: each is documented, none of them tells a secret, and a wrong one is named without its value."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from bot.errors import ConfigurationError
from bot.settings import PROJECT, Settings, load_settings, prepare_home, secret_keys

FIELDS = Settings.__fields__
SECRETS = [name for name, field in FIELDS.items() if field.type_ is SecretStr]
TOLD = "tell-nobody-5519"


@pytest.fixture(autouse=True)
def _no_settings_of_this_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in FIELDS:
        monkeypatch.delenv(f"THIQA_{name.upper()}", raising=False)
    monkeypatch.chdir(tmp_path)  # a developer's own .env is not read


def default_of(name: str) -> str:
    value: Any = FIELDS[name].default
    if isinstance(value, SecretStr):
        value = value.get_secret_value()
    return f"{value:g}" if isinstance(value, float) else str(value)


def rows_of_page() -> list[tuple[str, str, str]]:
    page = (PROJECT / "docs" / "settings.md").read_text("utf-8")
    return re.findall(r"^\| `(THIQA_\w+)` \| (.+?) \| (.+?) \|$", page, re.MULTILINE)


def lines_of_example() -> list[tuple[str, str]]:
    example = (PROJECT / ".env.example").read_text("utf-8")
    return re.findall(r"^# (THIQA_\w+)=(.*)$", example, re.MULTILINE)


def test_the_page_of_settings_lists_every_setting_in_order_and_no_other() -> None:
    assert [name for name, _, _ in rows_of_page()] == [f"THIQA_{name.upper()}" for name in FIELDS]


def test_the_page_tells_the_default_in_force_and_a_meaning() -> None:
    for name, default, meaning in rows_of_page():
        expected = default_of(name.removeprefix("THIQA_").lower())
        assert default == (f"`{expected}`" if expected else "empty"), name
        assert len(meaning) > 15 and meaning.endswith("."), name


def test_the_example_lists_every_setting_with_its_default_and_sets_none() -> None:
    assert lines_of_example() == [(f"THIQA_{name.upper()}", default_of(name)) for name in FIELDS]
    text = (PROJECT / ".env.example").read_text("utf-8")
    assert all(not line or line.startswith("#") for line in text.splitlines())


def test_every_setting_describes_itself() -> None:
    for name, field in FIELDS.items():
        assert field.field_info.description, name


def test_the_example_made_effective_changes_nothing(tmp_path: Path) -> None:
    """Whoever takes all the # away gets the defaults."""
    (tmp_path / ".env").write_text("".join(f"{name}={default}\n" for name, default in lines_of_example()), "utf-8")
    assert load_settings() == Settings.construct(**{name: field.default for name, field in FIELDS.items()})


def test_the_environment_wins_over_the_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("THIQA_PORT=8111\nTHIQA_WORKERS=3\n")
    monkeypatch.setenv("THIQA_PORT", "8222")
    settings = load_settings()
    assert (settings.port, settings.workers) == (8222, 3)


def test_what_gives_access_is_a_secret_type() -> None:
    """A setting whose name says secret, token or key, or that holds a password, never prints itself."""
    speaking = [name for name in FIELDS if re.search(r"secret|token|key|password|smtp|database|webhook", name)]
    assert set(speaking) <= set(SECRETS)


@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_is_in_no_text_of_the_settings(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"THIQA_{name.upper()}", TOLD)
    settings = load_settings()
    assert getattr(settings, name).get_secret_value() == TOLD
    for text in (repr(settings), str(settings), f"{settings.dict()}"):
        assert TOLD not in text


def test_a_password_in_the_database_address_is_in_no_text_of_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("THIQA_DATABASE_URL", f"postgresql://thiqa:{TOLD}@db/thiqa")
    settings = load_settings()
    assert TOLD in settings.url
    assert TOLD not in repr(settings) and TOLD not in str(settings)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "eighty-55191"),
        ("PORT", "70001"),
        ("PORT", "-55191"),
        ("WORKERS", "0"),
        ("WORKERS", "55191"),
        ("MAX_PENDING", "0"),
        ("SHOP_TIMEOUT", "0"),
        ("SHOP_TIMEOUT", "soon-55191"),
        ("TURN_TIMEOUT", "-55191"),
        ("SHUTDOWN_GRACE", "0"),
        ("LOG_LEVEL", "LOUD-55191"),
        ("LOG_FORMAT", "xml-55191"),
    ],
)
def test_a_wrong_value_is_named_by_its_variable_and_not_repeated(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"THIQA_{name}", value)
    with pytest.raises(ConfigurationError) as caught:
        load_settings()
    assert caught.value.what == f"THIQA_{name}"
    assert caught.value.remedy
    assert len(value) < 3 or value not in str(caught.value)
    assert caught.value.__cause__ is None and caught.value.__suppress_context__, "the value would be in the traceback"


def test_log_levels_are_taken_in_any_case(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("THIQA_LOG_LEVEL", "debug")
    assert load_settings().log_level == "DEBUG"


def test_a_state_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    for home in (tmp_path / "taken", tmp_path / "taken" / "below"):
        with pytest.raises(ConfigurationError) as caught:
            prepare_home(load_settings(home=home))
        assert caught.value.what == "THIQA_HOME"


def test_signing_keys_are_made_once_and_are_nobody_elses_to_read(tmp_path: Path) -> None:
    settings = load_settings(home=tmp_path / "state")
    first = secret_keys(settings)
    assert len(first) == 1 and len(first[0]) >= 32
    assert secret_keys(settings) == first
    assert (tmp_path / "state" / "secret_keys").stat().st_mode & 0o077 == 0


def test_signing_keys_of_the_environment_are_taken_in_their_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("THIQA_SECRET_KEYS", " newest , older,")
    assert secret_keys(load_settings()) == [b"newest", b"older"]
