"""Mails are sent by SMTP as a service does, and read back."""

import smtplib
from email.message import EmailMessage

import pytest

from mail.mailbox import Mailbox
from tests.conftest import PATIENCE, Catcher, free_ports, start

LINK = "http://localhost:3000/set-password#token=abc"


def message(**fields: str) -> EmailMessage:
    """A mail to Ada."""
    mail = EmailMessage()
    mail["From"], mail["To"] = "system@example.com", "ada@example.com"
    mail["Subject"] = fields.get("subject", "Your new password")
    mail.set_content(fields.get("text", f"Follow this: {LINK}\n"))
    if "html" in fields:
        mail.add_alternative(fields["html"], subtype="html")
    return mail


def send(catcher: Catcher, mail: EmailMessage) -> None:
    """Send it as a service does."""
    with smtplib.SMTP("127.0.0.1", catcher.smtp_port, timeout=PATIENCE) as smtp:
        smtp.send_message(mail)


def test_a_mail_is_caught(catcher: Catcher) -> None:
    """A sent mail can be read by its recipient's address, with its subject, text and sender."""
    send(catcher, message(subject="Grüße", html="<p>Hello</p>"))
    (mail,) = catcher.web.get("/api/mails", params={"to": "ADA@example.com"}).json()["mails"]
    assert (mail["sender"], mail["recipients"]) == ("system@example.com", ["ada@example.com"])
    assert (mail["subject"], mail["html"].strip()) == ("Grüße", "<p>Hello</p>")
    assert LINK in mail["text"]
    assert catcher.web.get(f"/api/mails/{mail['id']}").json() == mail
    assert catcher.web.get("/api/mails", params={"to": "bob@example.com"}).json() == {"mails": []}


def test_the_newest_comes_first_until_all_are_forgotten(catcher: Catcher) -> None:
    """Mails are listed newest first, and a DELETE empties the box."""
    for subject in ("first", "second"):
        send(catcher, message(subject=subject))
    mails = catcher.web.get("/api/mails").json()["mails"]
    assert [mail["subject"] for mail in mails] == ["second", "first"]
    assert catcher.web.delete("/api/mails").status_code == 204
    assert catcher.web.get("/api/mails").json() == {"mails": []}


def test_the_pages_run_nothing_of_a_mail(catcher: Catcher) -> None:
    """Text links can be followed, and markup of a mail is text on the page and caged in its own."""
    evil = "<script>alert(1)</script>"
    send(catcher, message(subject=evil, text=f"{LINK} {evil}", html=evil))
    (mail,) = catcher.web.get("/api/mails").json()["mails"]
    listed, shown = catcher.web.get("/"), catcher.web.get(f"/mails/{mail['id']}")
    assert evil not in listed.text + shown.text
    assert f'<a href="{LINK}">' in shown.text
    caged = catcher.web.get(f"/mails/{mail['id']}/html")
    assert caged.headers["content-security-policy"].startswith("sandbox; default-src 'none'")
    source = catcher.web.get(f"/mails/{mail['id']}/source")
    assert source.headers["content-type"].startswith("text/plain")


def test_what_is_not_there(catcher: Catcher) -> None:
    """An unknown mail is 404, and a foreign host name gets nothing."""
    for path in ("/mails/0", "/mails/0/html", "/mails/0/source", "/api/mails/0", "/api/mails/x"):
        assert catcher.web.get(path).status_code == 404
    foreign = catcher.web.get("/api/mails", headers={"Host": "evil.example:1080"})
    assert foreign.status_code == 400


def test_a_mail_that_is_too_large(catcher: Catcher) -> None:
    """A mail over 10 MiB is refused with 552, and the next one is taken."""
    with pytest.raises(smtplib.SMTPException) as refusal:
        send(catcher, message(text="x" * 76 + "\n" + "y\n" * 6_000_000))
    assert "552" in str(refusal.value)
    send(catcher, message())
    assert len(catcher.web.get("/api/mails").json()["mails"]) == 1


@pytest.mark.parametrize(
    "source",
    [
        b"",
        b"\xff\xfe\x00",
        b"Subject: \xff\xfe\r\n\r\n\xff",
        b"Subject: =?nope?q?x?=\r\nContent-Type: text/plain; charset=nope\r\n\r\n\xff",
        b"Content-Type: multipart/mixed\r\n\r\nno boundary",
        b"Content-Type: message/rfc822\r\n\r\nTo: \xff",
    ],
)
def test_broken_mails_are_kept(source: bytes) -> None:
    """A mail that follows no rule is kept and can be written as JSON."""
    mail = Mailbox(1).add("a@example.com", ["b@example.com"], source)
    str(mail.public()).encode()
    assert mail.source == source


def test_the_oldest_is_forgotten() -> None:
    """Beyond its limit the box keeps the newest."""
    box = Mailbox(2)
    for number in range(3):
        box.add("a@example.com", [f"{number}@example.com"], b"")
    assert [mail.recipients for mail in box.find()] == [("2@example.com",), ("1@example.com",)]
    assert box.get(1) is None


def test_a_port_that_is_taken(catcher: Catcher) -> None:
    """It ends with an error that names the port where another program has it."""
    process = start(free_ports()[0], catcher.smtp_port)
    _, error = process.communicate(timeout=PATIENCE)
    assert process.returncode != 0
    assert str(catcher.smtp_port) in error
