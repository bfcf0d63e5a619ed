"""Invitations to the desk by e-mail. The link is in the mail alone: it is sent at once and kept nowhere."""

from __future__ import annotations

import smtplib
from collections.abc import Mapping
from email.message import EmailMessage
from email.utils import make_msgid

import structlog

from bot.delivery.alerts import EmailAlert
from bot.delivery.service import Undeliverable

log = structlog.get_logger()

_SUBJECT = "دعوة إلى فريق الدعم · An invitation to the support team"
_TEXT = """\
تلقيت دعوة من {ar} للانضمام إلى فريق الدعم. لإنشاء الحساب، يرجى فتح هذا الرابط خلال 7 أيام؛ وهو صالح لمرة واحدة:

{en} has invited you to the support team. To make your account, open this link within 7 days; it works once:

{link}
"""


class InvitationMail(EmailAlert):
    """Mails from `sender` over an smtp:// or smtps:// address. Implements `agents.accounts.InvitationMail`."""

    def __init__(self, smtp_url: str, sender: str) -> None:
        super().__init__(smtp_url, sender)
        self._sender = sender

    def invite(self, to: str, link: str, names: Mapping[str, str]) -> bool:
        """Whether the mail server took it."""
        mail = EmailMessage()
        mail["Subject"], mail["From"], mail["To"] = _SUBJECT, self._sender, to
        mail["Message-ID"] = make_msgid(domain=self._sender.rpartition("@")[2] or None)
        mail.set_content(_TEXT.format(ar=names["ar"], en=names["en"], link=link))
        try:
            self._deliver(mail)
        except (OSError, smtplib.SMTPException, Undeliverable, ValueError) as error:
            log.warning("invitation.not_mailed", error=type(error).__name__)
            return False
        return True
