"""A mail server that keeps what it is given, or refuses it."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage

from tests.waiting import eventually

TOKEN = re.compile(r"#token=([\w-]+)(&invited=1)?")


class Mailbox:
    """The mails that came, oldest first."""

    def __init__(self) -> None:
        self.address = ""
        self.mails: list[EmailMessage] = []
        self.refuses = False
        self.attempts = 0

    async def wait_for(self, recipient: str, count: int = 1) -> EmailMessage:
        """The newest mail to that address, once there are `count`."""

        async def found() -> list[EmailMessage]:
            mails = [mail for mail in self.mails if recipient in mail["To"]]
            return mails if len(mails) >= count else []

        return (await eventually(found))[-1]

    async def token_for(self, recipient: str, count: int = 1) -> str:
        """The token in the newest mail to that address."""
        match = TOKEN.search((await self.wait_for(recipient, count)).get_content())
        assert match, "the mail has no link"
        return match[1]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Speak as much SMTP as a client needs."""
        self.attempts += 1
        writer.write(b"220 test\r\n")
        while line := await reader.readline():
            verb = line[:4].upper().strip()
            if verb == b"DATA":
                writer.write(b"354 go on\r\n")
                self.mails.append(await _read_mail(reader))
            refused = self.refuses and verb == b"RCPT"
            writer.write(b"451 not now\r\n" if refused else b"250 fine\r\n")
            if verb == b"QUIT":
                break
        writer.close()


async def _read_mail(reader: asyncio.StreamReader) -> EmailMessage:
    text = (await reader.readuntil(b"\r\n.\r\n")).removesuffix(b".\r\n")
    mail = message_from_bytes(text.replace(b"\r\n..", b"\r\n."), policy=policy.default)
    assert isinstance(mail, EmailMessage)
    return mail


@asynccontextmanager
async def mail_server() -> AsyncIterator[Mailbox]:
    """A mail server on a free port."""
    mailbox = Mailbox()
    server = await asyncio.start_server(mailbox.serve, "127.0.0.1", 0)
    mailbox.address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield mailbox
    finally:
        server.close()
