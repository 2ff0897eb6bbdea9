"""The mails that are sent, and how long what they hold is good for."""

from datetime import timedelta
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from enum import StrEnum


class MailKind(StrEnum):
    """What a mail is for; its link has the same kind."""

    PASSWORD_RESET = "password_reset"  # noqa: S105 - a name
    INVITATION = "invitation"


LIFETIMES = {
    MailKind.PASSWORD_RESET: timedelta(minutes=30),
    MailKind.INVITATION: timedelta(days=7),
}
SUBJECTS = {
    MailKind.PASSWORD_RESET: "Set a new password",
    MailKind.INVITATION: "Your invitation",
}
TEXTS = {
    MailKind.PASSWORD_RESET: """\
Hello {name},

somebody asked for a new password for {email}. To set one, open this link within 30 minutes:

{link}

The link works once. If it was not you who asked, do nothing: your password stays as it is.
""",
    MailKind.INVITATION: """\
Hello {name},

you have been invited to {site}. To choose your password, open this link within 7 days:

{link}

The link works once. Afterwards sign in as {email}.
""",
}


def link_for(frontend_url: str, kind: MailKind, token: str) -> str:
    """Where the token is used. What follows # reaches no server, and so no log."""
    invited = "&invited=1" if kind is MailKind.INVITATION else ""
    return f"{frontend_url.rstrip('/')}/set-password#token={token}{invited}"


def compose(
    kind: MailKind, sender: str, email: str, name: str, token: str, frontend_url: str
) -> EmailMessage:
    """The mail as text."""
    message = EmailMessage()
    message["From"] = sender
    local, _, domain = email.rpartition("@")
    message["To"] = Address(username=local, domain=domain)
    message["Subject"] = SUBJECTS[kind]
    message["Date"] = formatdate(usegmt=True)
    message["Message-ID"] = make_msgid(domain=sender.rpartition("@")[2].rstrip(">"))
    # Nobody is on holiday for a mail of a program.
    message["Auto-Submitted"] = "auto-generated"
    link = link_for(frontend_url, kind, token)
    message.set_content(TEXTS[kind].format(name=name, email=email, link=link, site=frontend_url))
    return message
