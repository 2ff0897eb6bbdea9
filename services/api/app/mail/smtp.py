"""Hands mails to an SMTP server."""

import asyncio
from email.message import EmailMessage

import aiosmtplib

from app.settings import Settings, split_address

# The row of the mail is locked meanwhile: less than PostgreSQL lets a transaction idle.
TIMEOUT_S = 20.0


class MailError(Exception):
    """The server is away, or did not take the mail."""


async def send(settings: Settings, message: EmailMessage) -> None:
    """Send a mail; returns once the server took it over. Raises MailError."""
    host, port = split_address(settings.smtp_address)
    password = settings.smtp_password if settings.smtp_user else None
    try:
        async with asyncio.timeout(TIMEOUT_S):
            await aiosmtplib.send(
                message,
                hostname=host,
                port=port,
                username=settings.smtp_user or None,
                password=password.get_secret_value() if password else None,
                use_tls=settings.smtp_tls == "tls",
                start_tls=settings.smtp_tls == "starttls",
            )
    except (aiosmtplib.SMTPException, OSError, ValueError) as error:
        raise MailError(str(error) or type(error).__name__) from error
