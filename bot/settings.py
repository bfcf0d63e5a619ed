"""Typed settings, read from the environment and from `.env`. docs/settings.md and `.env.example` list every one."""

from __future__ import annotations

import hashlib
import os
import re
import secrets
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pydantic import BaseSettings, Field, SecretStr, ValidationError, validator

from bot.errors import ConfigurationError

PROJECT = Path(__file__).resolve().parent.parent


class Settings(BaseSettings):
    """Each field is the environment variable `THIQA_<NAME>`; its description is the documentation."""

    home: Path = Field(Path("var"), description="State folder: database, model, caches, keys.")
    database_url: SecretStr = Field(
        SecretStr(""),
        description="SQLAlchemy URL; SQLite under THIQA_HOME when empty. PostgreSQL: postgresql://user@host/name",
    )
    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(8000, ge=0, le=65535, description="Port to listen on.")
    public_url: str = Field(
        "", description="Address under which customers reach this server; http://HOST:PORT when empty."
    )
    allowed_origins: str = Field(
        "",
        description="Websites that may show the chat, comma-separated: https://shop.example; `*` for all. This server's own pages always may.",
    )
    identity_secret: SecretStr = Field(
        SecretStr(""),
        description="Secret with which the shop's website signs who its visitor is; 32 random characters or more. Off while empty.",
    )
    secret_keys: SecretStr = Field(
        SecretStr(""),
        description="Signing keys, comma-separated, newest first; made on the first run in THIQA_HOME when empty.",
    )
    rest_token: SecretStr = Field(
        SecretStr(""), description="Bearer token of POST /webhooks/rest/webhook; the channel is off while empty."
    )
    shop_url: str = Field(
        "", description="Base URL of a shop that speaks docs/shop-openapi.yaml; the embedded demo shop when empty."
    )
    shop_token: SecretStr = Field(SecretStr(""), description="Bearer token towards that shop.")
    shop_timeout: float = Field(3.0, gt=0, le=30, description="Seconds to wait for one answer of the shop.")
    telegram_token: SecretStr = Field(
        SecretStr(""), description="Telegram bot token; several, comma-separated, for several bots. Off while empty."
    )
    telegram_api_url: str = Field("https://api.telegram.org", description="Address of the Bot API server.")
    telegram_mode: str = Field(
        "polling",
        description="`polling`, or `webhook`: then THIQA_PUBLIC_URL must be an https:// address of this server.",
    )
    telegram_agents_group: str = Field(
        "", description="Id of the agents' Telegram group, the only group in which the bot stays."
    )
    alert_webhook_url: SecretStr = Field(
        SecretStr(""), description="URL that receives a JSON POST when a customer waits for a person."
    )
    alert_email: str = Field(
        "", description="Address that is mailed when a customer waits for a person; needs THIQA_SMTP_URL."
    )
    smtp_url: SecretStr = Field(
        SecretStr(""), description="smtp://user:password@host:587 or smtps://…, for alerts by e-mail."
    )
    mail_from: str = Field("", description="Address from which invitations are mailed; THIQA_ALERT_EMAIL when empty.")
    desk_idle_hours: float = Field(
        12.0, gt=0, le=720, description="Hours without use after which an agent has to sign in again."
    )
    desk_session_hours: float = Field(
        168.0, gt=0, le=2160, description="Hours after which an agent has to sign in again, however busy they are."
    )
    workers: int = Field(2, ge=1, le=16, description="Turn workers (threads) in this process.")
    max_pending: int = Field(
        50,
        ge=1,
        description="Unanswered messages a conversation may have; further ones are refused until some are answered.",
    )
    turn_timeout: float = Field(
        30.0, gt=0, description="Seconds one turn may take before the customer is told and a person takes over."
    )
    shutdown_grace: float = Field(20.0, gt=0, description="Seconds a stop waits for turns under way.")
    log_level: str = Field(
        "INFO", description="DEBUG, INFO, WARNING or ERROR. Message texts are never logged above DEBUG."
    )
    log_format: str = Field("auto", description="`json`, `text`, or `auto`: text on a terminal, JSON elsewhere.")

    class Config:
        env_prefix = "THIQA_"
        env_file = ".env"
        env_file_encoding = "utf-8"
        extra = "ignore"

    @validator("log_level")
    def _known_level(cls, value: str) -> str:
        if value.upper() not in {"DEBUG", "INFO", "WARNING", "ERROR"}:
            raise ValueError("must be DEBUG, INFO, WARNING or ERROR")
        return value.upper()

    @validator("allowed_origins")
    def _origins(cls, value: str) -> str:
        for origin in filter(None, (part.strip() for part in value.split(","))):
            parts = urlsplit(origin)
            if origin != "*" and (
                parts.scheme not in ("http", "https") or origin != f"{parts.scheme}://{parts.netloc}"
            ):
                raise ValueError("must be origins such as https://shop.example, without a path, or *")
        return value

    @validator("telegram_mode")
    def _known_mode(cls, value: str) -> str:
        if value not in {"polling", "webhook"}:
            raise ValueError("must be polling or webhook")
        return value

    @validator("telegram_api_url")
    def _address(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.netloc or parts.query:
            raise ValueError("must be an address such as https://api.telegram.org")
        return value.rstrip("/")

    @validator("telegram_agents_group")
    def _group(cls, value: str) -> str:
        if value and not re.fullmatch(r"-\d{1,18}", value.strip()):
            raise ValueError("must be the id of a group, such as -1001234567890")
        return value.strip()

    @validator("log_format")
    def _known_format(cls, value: str) -> str:
        if value not in {"auto", "json", "text"}:
            raise ValueError("must be auto, json or text")
        return value

    @property
    def url(self) -> str:
        """The database URL in force."""
        return self.database_url.get_secret_value() or f"sqlite:///{(self.home / 'thiqa.db').resolve()}"

    @property
    def origins(self) -> list[str]:
        """THIQA_ALLOWED_ORIGINS as a list."""
        return [part.strip() for part in self.allowed_origins.split(",") if part.strip()]

    @property
    def telegram_tokens(self) -> list[str]:
        """THIQA_TELEGRAM_TOKEN as a list."""
        return [part.strip() for part in self.telegram_token.get_secret_value().split(",") if part.strip()]

    @property
    def mail_sender(self) -> str:
        """The address in force from which people are mailed; empty where mail cannot be sent."""
        return (self.mail_from or self.alert_email) if self.smtp_url.get_secret_value() else ""

    @property
    def base_url(self) -> str:
        """The public URL in force, without a trailing slash."""
        return (self.public_url or f"http://{self.host}:{self.port}").rstrip("/")


def load_settings(**overrides: Any) -> Settings:
    """Read the settings. Raises ConfigurationError that names the variable at fault, never its value."""
    try:
        return Settings(**overrides)
    except ValidationError as error:
        first = error.errors()[0]
        name = "THIQA_" + str(first["loc"][0]).upper()
        raise ConfigurationError(
            name, str(first["msg"]), "Correct it in the environment or in .env; docs/settings.md lists every setting."
        ) from None


def prepare_home(settings: Settings) -> Path:
    """Make the state folder and prove that it can be written. Raises ConfigurationError."""
    home = settings.home
    try:
        home.mkdir(parents=True, exist_ok=True)
        probe = home / f".write-test-{os.getpid()}"
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        raise ConfigurationError(
            "THIQA_HOME",
            f"{home} cannot be written ({error.strerror})",
            "Choose a folder that this user may write, or change its rights.",
        ) from None
    return home


def secret_keys(settings: Settings) -> list[bytes]:
    """Signing keys, newest first; a key file is made in THIQA_HOME on the first run."""
    text = settings.secret_keys.get_secret_value()
    if not text:
        path = prepare_home(settings) / "secret_keys"
        try:
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as made:
                made.write(secrets.token_urlsafe(32) + "\n")
        except FileExistsError:
            pass
        text = path.read_text().replace("\n", ",")
    return [key.strip().encode() for key in text.split(",") if key.strip()]


def identity_secret(settings: Settings) -> str:
    """THIQA_IDENTITY_SECRET; where it is unset, the demo shop has one of its own, and a real shop none."""
    given = settings.identity_secret.get_secret_value()
    if given or settings.shop_url:
        return given
    return hashlib.sha256(b"thiqa demo shop identity\0" + secret_keys(settings)[0]).hexdigest()
