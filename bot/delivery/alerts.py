"""Tells the merchant that a customer waits for a person: by webhook or by e-mail. No customer's words are in it."""

from __future__ import annotations

import smtplib
import ssl
from email.message import EmailMessage
from urllib.parse import unquote, urlsplit

import requests

from bot.delivery.model import Outgoing
from bot.delivery.service import TryAgain, Undeliverable

_TIMEOUT = (3.05, 10)
_SUBJECTS = {
    "handoff.asked": "عميل بانتظار موظف · A customer is waiting for a person",
    "handoff.reply_due": "الرد الأول على عميل يحين موعده قريبًا · A first reply to a customer is due soon",
    "handoff.reply_late": "تأخر الرد الأول على عميل · A first reply to a customer is late",
    "handoff.agent_gone": "غادر الموظف وعميله بانتظار الرد · An agent is gone while their customer waits",
    "handoff.unnoticed": "عميل ينتظر ولم يُبلَّغ أحد · A customer waits and nobody was told",
    "promise.due": "وعد لعميل يحين موعده قريبًا · A promise to a customer is due soon",
    "promise.broken": "وعد لعميل فات موعده · A promise to a customer was not kept",
}


class WebhookAlert:
    """POSTs `{"id", "event", …}` as JSON. `id` is the same on a repeat."""

    def __init__(self, url: str) -> None:
        self._url = url

    def send(self, outgoing: Outgoing) -> None:
        try:
            # stream: the body is not read, however long or slow it is
            with requests.post(
                self._url,
                json={"id": outgoing.id, **outgoing.body},
                timeout=_TIMEOUT,
                allow_redirects=False,
                stream=True,
            ) as answer:
                status, wait = answer.status_code, answer.headers.get("Retry-After", "")
        except requests.RequestException as error:
            raise TryAgain(type(error).__name__) from error
        if status == 429 or status >= 500:
            raise TryAgain(f"HTTP {status}", float(wait) if wait.isdecimal() else None)
        if status >= 300:
            raise Undeliverable(f"HTTP {status}")


class EmailAlert:
    """Mails `to` over an smtp:// (STARTTLS where offered) or smtps:// address."""

    def __init__(self, smtp_url: str, to: str) -> None:
        self._server, self._to = urlsplit(smtp_url), to

    def send(self, outgoing: Outgoing) -> None:
        mail = EmailMessage()
        mail["Subject"] = _SUBJECTS.get(str(outgoing.body.get("event")), _SUBJECTS["handoff.asked"])
        mail["From"] = mail["To"] = self._to
        mail["Message-ID"] = f"<thiqa-{outgoing.id}@{self._to.rpartition('@')[2]}>"
        mail.set_content(
            "\n".join(f"{key}: {value}" for key, value in sorted(outgoing.body.items())) + "\n\nthiqa queue\n"
        )
        try:
            self._deliver(mail)
        except smtplib.SMTPRecipientsRefused as error:
            if all(code >= 500 for code, _ in error.recipients.values()):
                raise Undeliverable("recipient refused") from error
            raise TryAgain("recipient refused for now") from error  # greylisting
        except (OSError, smtplib.SMTPException) as error:
            raise TryAgain(type(error).__name__) from error

    def _deliver(self, mail: EmailMessage) -> None:
        host, port = self._server.hostname or "localhost", self._server.port
        if self._server.scheme == "smtps":
            server: smtplib.SMTP = smtplib.SMTP_SSL(host, port or 465, timeout=10, context=ssl.create_default_context())
        else:
            server = smtplib.SMTP(host, port or 25, timeout=10)
        with server:
            if self._server.scheme == "smtp" and server.has_extn("starttls"):
                server.starttls(context=ssl.create_default_context())
            elif self._server.username and self._server.scheme == "smtp":
                raise Undeliverable(
                    "the mail server offers no encryption for the password; use smtps:// or one that does"
                )
            if self._server.username:
                server.login(unquote(self._server.username), unquote(self._server.password or ""))
            server.send_message(mail)
