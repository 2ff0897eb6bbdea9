"""The mails that were caught, in memory."""

import itertools
from collections import deque
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any


@dataclass(frozen=True)
class Mail:
    """A mail as a reader sees it."""

    id: int
    at: str
    """When it came, in ISO 8601."""
    sender: str
    """Of the envelope, as are the recipients."""
    recipients: Sequence[str]
    subject: str
    headers: dict[str, str]
    text: str
    html: str
    source: bytes = field(repr=False)

    def public(self) -> dict[str, Any]:
        """All but the source, for JSON."""
        return {name: value for name, value in asdict(self).items() if name != "source"}


class Mailbox:
    """The newest mails; it forgets the oldest."""

    def __init__(self, max_mails: int) -> None:
        self._mails: deque[Mail] = deque(maxlen=max_mails)
        self._ids = itertools.count(1)

    def add(self, sender: str, recipients: Sequence[str], source: bytes) -> Mail:
        """Keep a mail, however broken it is."""
        message = message_from_bytes(source, policy=policy.default)
        mail = Mail(
            id=next(self._ids),
            at=datetime.now(UTC).isoformat(timespec="milliseconds"),
            sender=sender,
            recipients=tuple(recipients),
            headers=_headers(message),
            subject=_headers(message).get("Subject", ""),
            text=_part(message, "plain"),
            html=_part(message, "html"),
            source=source,
        )
        self._mails.appendleft(mail)
        return mail

    def find(self, recipient: str = "") -> list[Mail]:
        """The mails to that address, or all; newest first."""
        wanted = recipient.lower()
        return [
            mail
            for mail in self._mails
            if not wanted or wanted in (address.lower() for address in mail.recipients)
        ]

    def get(self, number: int) -> Mail | None:
        """The mail with that id, while it is kept."""
        return next((mail for mail in self._mails if mail.id == number), None)

    def clear(self) -> None:
        """Forget all."""
        self._mails.clear()


def _headers(message: EmailMessage) -> dict[str, str]:
    return {name: _printable(str(value)) for name, value in message.items()}


def _part(message: EmailMessage, subtype: str) -> str:
    """The first part of that kind that is no attachment."""
    for part in message.walk():
        if part.get_content_type() == f"text/{subtype}" and not part.is_attachment():
            payload = part.get_payload(decode=True)
            content = payload if isinstance(payload, bytes) else b""
            return _decoded(content, part.get_content_charset("utf-8"))
    return ""


def _decoded(content: bytes, charset: str) -> str:
    try:
        return content.decode(charset, "replace")
    except LookupError:
        return content.decode("utf-8", "replace")


def _printable(text: str) -> str:
    """Without the lone surrogates that stand for bytes of no known meaning."""
    return text.encode("utf-8", "replace").decode()
