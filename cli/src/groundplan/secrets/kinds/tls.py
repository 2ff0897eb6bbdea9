"""Certificates of servers inside, and the authority that signs them."""

from collections.abc import Iterator

from groundplan.secrets import certificates
from groundplan.secrets.inventory import Inventory
from groundplan.secrets.kinds.base import Values, renew, required
from groundplan.secrets.kinds.postgres import PSQL
from groundplan.secrets.steps import Ask, Renew, Step, Write

_CA, _CA_KEY = "internal-ca", "internal-ca-key"
# Where the server has a copy, since it wants a key that nobody else may read, the copy is renewed.
_RELOAD = f"""
set -eu
ask() {{ {PSQL} -At -c "$1"; }}
copy() {{
  case $2 in /run/secrets/*) ;; *) install -m 600 "$1" "$2.new" && mv "$2.new" "$2" ;; esac
}}
copy "/run/secrets/$1-certificate-key" "$(ask 'SHOW ssl_key_file')"
copy "/run/secrets/$1-certificate" "$(ask 'SHOW ssl_cert_file')"
ask 'SELECT pg_reload_conf()' >/dev/null
"""


class Certificate:
    """The certificate of a server; clients believe the authority, so they need not know."""

    def subjects(self, inventory: Inventory) -> list[str]:
        """The servers that have one."""
        return inventory.services_with("certificate")

    def values(self, subject: str, inventory: Inventory) -> Values:
        """A new key, with a certificate of the same authority."""
        names = (f"{subject}-certificate", f"{subject}-certificate-key")
        authority = required(inventory, _CA, _CA_KEY)
        new = _signed(subject, authority[_CA], authority[_CA_KEY])
        return Values(required(inventory, *names), new)

    def steps(self, subject: str, values: Values, inventory: Inventory) -> Iterator[Step]:
        """Write it, and let the server read it."""
        yield Write(values.new)
        yield _reload(subject, inventory)


class Authority:
    """The authority: both are believed while the certificates change."""

    def subjects(self, inventory: Inventory) -> list[str]:
        """There is one authority."""
        return [""] if _CA in inventory.names else []

    def values(self, subject: str, inventory: Inventory) -> Values:
        """A new authority, and certificates of it for every server."""
        old = required(inventory, _CA)
        key = certificates.new_key()
        new = {_CA: certificates.authority(key), _CA_KEY: key}
        signed: dict[str, str] = {}
        for host in inventory.services_with("certificate"):
            signed |= _signed(host, new[_CA], key)
        return Values(old, new | signed, ({_CA: f"{new[_CA]}\n{old[_CA]}"},))

    def steps(self, subject: str, values: Values, inventory: Inventory) -> Iterator[Step]:
        """Believe both, change the certificates, believe only the new one."""
        hosts = inventory.services_with("certificate")
        yield Write(values.between[0])
        yield from renew(inventory, _CA)
        yield Write({name: value for name, value in values.new.items() if name != _CA})
        yield from (_reload(host, inventory) for host in hosts)
        yield Write({_CA: values.new[_CA]})
        yield from renew(inventory, _CA)


def _signed(host: str, authority: str, authority_key: str) -> dict[str, str]:
    key = certificates.new_key()
    certificate = certificates.server(host, key, authority, authority_key)
    return {f"{host}-certificate": certificate, f"{host}-certificate-key": key}


def _reload(host: str, inventory: Inventory) -> Step:
    if inventory.workspace.service(host).image_name != "postgres":
        return Renew(host)
    return Ask(host, "take the new certificate", ("sh", "-c", _RELOAD, "reload", host))
