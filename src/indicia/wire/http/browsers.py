"""What a web page can make a browser send does not count where nobody has to prove anything.

A browser sends for any page: simple requests to wherever the page says, and all requests to a name of the
page's own, which may lead to this machine by now (DNS rebinding). It says so: in `Host` the name, in `Origin`
the page, in `Sec-Fetch-Site` how far the page is from what it asks (W3C Fetch Metadata §2.2; browsers say it
to loopback and to HTTPS). Programs that are no browsers say nothing of the kind.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from indicia.domain.faults import FaultKind, refuse
from indicia.domain.names import shown
from indicia.wire.http.forwarded import is_address, is_loopback
from indicia.wire.http.requests import joined

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from indicia.wire.http.requests import App, Receive, Scope, Send

# A name, an address or an address in brackets, and a port: no user, no blank, no dot at the end.
_HOST = re.compile(
    r"(?:(?P<name>[a-z0-9_-]+(?:\.[a-z0-9_-]+)*)|\[(?P<v6>[0-9a-f:.]{2,45})\])(?::[0-9]{1,5})?", re.ASCII
)
_LOOPBACK = "localhost, 127.0.0.1 or [::1]"
_BY_ITSELF = frozenset({b"same-origin"})
# What a person typed, or followed from another program, may be a page that redirects here (W3C Fetch Metadata
# §2.2: `none` stays `none`): that counts where there is nothing but to look.
_BY_A_PERSON_OR_ITSELF = _BY_ITSELF | {b"none"}


class Guard:
    """Tells what a web page may have sent, at a server that is meant to be reached under certain hosts.

    Those are the loopback ones. `elsewhere` is whether the server was told to listen for other machines too:
    then addresses count, and names without dots, which nobody can register, and `names`.
    """

    def __init__(self, names: Collection[str] = (), *, elsewhere: bool = False) -> None:
        self._names = frozenset(name.lower() for name in names)
        self._elsewhere = elsewhere

    def check(self, headers: Mapping[bytes, bytes], scheme: str, *, simple: bool = False) -> None:
        """No web page has sent this, or only one of the very same origin. Faults: ACCESS_DENIED.

        `simple` is whether a page may send it anywhere without asking first (Fetch §2.2.2), which is the case
        of a signature in the query string, and not of an Authorization header.
        """
        said = headers.get(b"host", b"")
        host = said.decode("latin-1").lower()
        if not _is_loopback(host):
            self._check_elsewhere(host, simple=simple)
        origin = headers.get(b"origin")
        if origin is not None and origin.lower() != scheme.encode() + b"://" + said.lower():
            _refuse(f"not from a page of another origin ('{shown(origin.decode('latin-1'))}')")
        site = headers.get(b"sec-fetch-site")
        if site is not None and site not in (_BY_ITSELF if simple else _BY_A_PERSON_OR_ITSELF):
            _refuse(f"not from another web page (Sec-Fetch-Site: {shown(site.decode('latin-1'))})")

    def _check_elsewhere(self, host: str, *, simple: bool) -> None:
        if not self._elsewhere:
            _refuse(f"only under the Host {_LOOPBACK}, not under '{shown(host)}'")
        name = host_of(host)
        if not (name in self._names or is_address(name) or (name and "." not in name)):
            _refuse(
                f"only under the Host {_LOOPBACK}, an IP address, a name without dots, or that of"
                f" INDICIA_PUBLIC_URL, not under '{shown(host)}'"
            )
        if simple:  # of which browsers do not tell where it comes from, when it goes there over HTTP
            _refuse(f"signed in the query string only under the Host {_LOOPBACK}, not under '{shown(host)}'")


@dataclass(frozen=True, slots=True)
class Guarded:
    """An ASGI application that a guard stands before."""

    app: App
    guard: Guard

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer what no web page has sent. Faults: ACCESS_DENIED."""
        self.guard.check(joined(scope["headers"]), scope["scheme"])
        await self.app(scope, receive, send)


def _refuse(how: str) -> None:
    refuse(FaultKind.ACCESS_DENIED, f"Nobody has to prove anything here, so a request is taken {how}.")


def host_of(host: str) -> str:
    """Return the name or address in a Host header, which is in lower case; "" if it is not well formed."""
    found = _HOST.fullmatch(host)
    return (found["name"] or found["v6"]) if found is not None else ""


def _is_loopback(host: str) -> bool:
    name = host_of(host)
    return name == "localhost" or is_loopback(name)
