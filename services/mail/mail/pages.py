"""The pages: a list of mails, and one mail. What a mail holds is never trusted."""

import re
from collections.abc import Sequence
from html import escape

from mail.mailbox import Mail

_STYLE = """
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif }
body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
table { border-collapse: collapse; width: 100% }
th, td { text-align: left; padding: .4rem .6rem; border-bottom: 1px solid #8886 }
td { overflow-wrap: anywhere }
pre { white-space: pre-wrap; overflow-wrap: anywhere; padding: 1rem; border: 1px solid #8886 }
iframe { width: 100%; height: 30rem; border: 1px solid #8886; background: #fff }
"""
_LINK = re.compile(r"https?://[^\s<>\"']+")


def listed(mails: Sequence[Mail]) -> str:
    """All mails; the page looks again every five seconds."""
    rows = "".join(
        f"<tr><td>{_time(mail)}</td><td>{escape(', '.join(mail.recipients))}</td>"
        f'<td><a href="/mails/{mail.id}">{escape(mail.subject) or "(no subject)"}</a></td></tr>'
        for mail in mails
    )
    head = "<tr><th>Time (UTC)</th><th>To</th><th>Subject</th></tr>"
    body = f"<table>{head}{rows}</table>" if mails else "<p>No mail has come yet.</p>"
    return _page("Mails", body, '<meta http-equiv="refresh" content="5">')


def shown(mail: Mail) -> str:
    """One mail with its text, the links of which can be followed."""
    fields = {"From": mail.sender, "To": ", ".join(mail.recipients), "Time (UTC)": _time(mail)}
    rows = "".join(f"<tr><th>{name}</th><td>{escape(fields[name])}</td></tr>" for name in fields)
    html = (
        f'<h2>HTML</h2><iframe sandbox src="/mails/{mail.id}/html"></iframe>' if mail.html else ""
    )
    body = f"<p><a href='/'>All mails</a> · <a href='/mails/{mail.id}/source'>Source</a></p>"
    return _page(mail.subject, f"{body}<table>{rows}</table><pre>{_linked(mail.text)}</pre>{html}")


def _linked(text: str) -> str:
    """`text` as HTML, with its addresses as links."""
    parts, end = [], 0
    for match in _LINK.finditer(text):
        url = escape(match[0])
        parts += [escape(text[end : match.start()]), f'<a href="{url}">{url}</a>']
        end = match.end()
    return "".join([*parts, escape(text[end:])])


def _time(mail: Mail) -> str:
    return mail.at[:19].replace("T", " ")


def _page(title: str, body: str, head: str = "") -> str:
    title = escape(title) or "(no subject)"
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f'<meta name="viewport" content="width=device-width">{head}<style>{_STYLE}</style></head>'
        f"<body><h1>{title}</h1>{body}</body></html>"
    )
