"""The SMTP side: takes every mail and delivers none."""

import asyncio
import logging
import socket
from typing import Any

from aiosmtpd.smtp import SMTP

from mail.mailbox import Mailbox
from mail.settings import Settings

log = logging.getLogger(__name__)


class _Handler:
    def __init__(self, mailbox: Mailbox) -> None:
        self._mailbox = mailbox

    # aiosmtpd finds this by its name.
    async def handle_DATA(self, _server: SMTP, _session: Any, envelope: Any) -> str:  # noqa: ANN401, N802 - aiosmtpd has no types
        """Keep the mail, then say so."""
        mail = self._mailbox.add(envelope.mail_from, envelope.rcpt_tos, envelope.content)
        log.info("mail %d to %s", mail.id, ", ".join(mail.recipients))
        return f"250 OK: mail {mail.id}"


async def serve(mailbox: Mailbox, settings: Settings) -> asyncio.Server:
    """Listen for mails; raises OSError where the port is taken."""

    def connection() -> SMTP:
        return SMTP(
            _Handler(mailbox),
            data_size_limit=settings.max_bytes,
            enable_SMTPUTF8=True,
            hostname=socket.gethostname(),
            ident="Groundplan mail catcher",
        )

    loop = asyncio.get_running_loop()
    return await loop.create_server(connection, settings.smtp_host, settings.smtp_port)
