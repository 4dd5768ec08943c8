"""What web pages can make a browser send, at a server where keys are not checked."""

from __future__ import annotations

from typing import Any

import edge
import pytest
from edge import Asking, Desk, ask, signed, v1, v2

from indicia.domain.faults import Fault, FaultKind
from indicia.wire.authentication import Authenticator
from indicia.wire.http.browsers import Guard, Guarded
from indicia.wire.own import Access, Asked, CallReply, Route

HOME = Guard()
AWAY = Guard(["0.0.0.0", "Mail.Corp.example"], elsewhere=True)


def refused(guard: Guard, host: str, *, simple: bool = False, scheme: str = "http", **said: str) -> bool:
    """Whether the guard refuses what comes under a host, with further headers."""
    headers = {name.replace("_", "-").encode(): value.encode("latin-1") for name, value in said.items()}
    try:
        guard.check({b"host": host.encode("latin-1"), **headers}, scheme, simple=simple)
    except Fault as fault:
        return fault.kind is FaultKind.ACCESS_DENIED
    return False


@pytest.mark.parametrize(
    "host",
    [
        *("localhost", "localhost:8465", "LocalHost:1", "127.0.0.1", "127.0.0.1:8465", "127.8.9.1:80"),
        *("[::1]", "[::1]:8465", "[0:0::1]", "[::ffff:127.0.0.1]:1"),
    ],
)
def test_programs_of_this_machine_are_let_in(host: str) -> None:
    """Under every loopback Host, with a port or without."""
    assert not refused(HOME, host)
    assert not refused(HOME, host, simple=True)
    assert not refused(AWAY, host, simple=True)


@pytest.mark.parametrize(
    "host",
    [
        *("", ":8465", " ", "evil.example", "evil.example:8465", "localhost.evil.example"),
        *("evil.localhost", "127.0.0.1.evil.example", "127.0.0.1.nip.io:8465", "localhost.", "127.0.0.1."),
        *("127.1", "2130706433", "0x7f000001", "0177.0.0.1", "0.0.0.0", "[::]", "::1", "::1:8465", "[::1"),
        *("[::1]x", "[::1]:", "[::1]:x", "localhost:", "localhost:x", "localhost:1:2", "localhost\t:1"),
        *("localhost@evil.example", "evil.example@localhost", "u:p@127.0.0.1:8465", "local host"),
        *("localhost,evil.example", "localhost evil.example", "localhost/", "xn--lochost-7ya"),
        *("loc\xe4lhost", "\u24db\u24de\u24d2al".encode().decode("latin-1")),
        *("169.254.169.254", "[fe80::1]", "10.0.0.1:8465", "indicia", "mail.corp.example"),
    ],
)
def test_no_other_host_counts_at_home(host: str) -> None:
    """A name may lead here by now, whatever it looks like: only those that always do are taken."""
    assert refused(HOME, host)


@pytest.mark.parametrize(
    ("host", "taken"),
    [
        ("10.0.0.1:8465", True),
        ("[fd00::1]:8465", True),
        ("indicia:8465", True),
        ("mail.corp.example", True),
        ("MAIL.corp.example:8465", True),
        ("indicia.default.svc", False),
        ("evil.example:8465", False),
        ("mail.corp.example.", False),
        ("x.mail.corp.example", False),
        ("10.0.0.1.evil.example", False),
        ("", False),
        (":8465", False),
        ("u@indicia", False),
    ],
)
def test_hosts_of_a_server_that_listens_elsewhere(host: str, taken: bool) -> None:
    """Addresses, names that nobody can register and those it was given; in the query string none of them."""
    assert refused(AWAY, host) is not taken
    assert refused(AWAY, host, simple=True)


@pytest.mark.parametrize(
    ("origin", "taken"),
    [
        ("http://localhost:8465", True),
        ("HTTP://LOCALHOST:8465", True),
        ("https://localhost:8465", False),
        ("http://localhost", False),
        ("http://localhost:3000", False),
        ("http://127.0.0.1:8465", False),
        ("http://evil.example", False),
        ("http://localhost:8465.evil.example", False),
        ("http://localhost:8465,http://evil.example", False),
        ("null", False),
        ("", False),
        ("chrome-extension://abc", False),
    ],
)
def test_a_page_of_another_origin_is_refused(origin: str, taken: bool) -> None:
    """Only a page that came from here itself may ask here."""
    assert refused(HOME, "localhost:8465", origin=origin) is not taken


@pytest.mark.parametrize(
    ("site", "taken", "signed_in_the_query_string"),
    [
        ("none", True, False),
        ("same-origin", True, True),
        ("same-site", False, False),
        ("cross-site", False, False),
        ("none,cross-site", False, False),
        ("", False, False),
        ("None", False, False),
    ],
)
def test_how_far_the_page_is(site: str, taken: bool, signed_in_the_query_string: bool) -> None:
    """What a person typed counts, and the same origin; another port of this machine is another page.

    What was typed may have been redirected here: no call is made so, whose signature is in the query string.
    """
    assert refused(HOME, "localhost:8465", sec_fetch_site=site) is not taken
    assert refused(HOME, "localhost:8465", simple=True, sec_fetch_site=site) is not signed_in_the_query_string


async def echo(call: Any, asked: Asked) -> CallReply:
    """Answer nothing much."""
    return CallReply(b"{}")


async def mailbox(scope: Any, receive: Any, send: Any) -> None:
    """Answer secrets."""
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"7")]})
    await send({"type": "http.response.body", "body": b"secrets"})


STEERING = Asking(
    "POST",
    "/indicia/v1/sandbox/clock",
    (("Host", "localhost:8465"), ("Content-Type", "application/json"), ("Content-Length", "2")),
    b"{}",
)
ANYONE = {
    "v1": v1("VerifyEmailIdentity&EmailAddress=a%40x.example", key="test"),
    "v1 by GET": v1("VerifyEmailIdentity&EmailAddress=a%40x.example", presigned=True, key="111122223333"),
    "v2": signed("POST", "/v2/email/identities", b'{"EmailIdentity": "a.example"}', key="test"),
    "ours": signed("GET", "/indicia/v1/identities/a.example/records", key="test"),
    "steering": STEERING,
    "mailbox": Asking("GET", "/_aws/ses", (("Host", "localhost:8465"),)),
    "mailbox, emptied": Asking("DELETE", "/_aws/ses", (("Host", "localhost:8465"),)),
}
PAGES = {
    "DNS rebinding": (("Host", "evil.example:8465"),),
    "DNS rebinding of today's browsers": (("Host", "evil.example:8465"), ("Sec-Fetch-Site", "same-origin")),
    "a form": (("Origin", "http://evil.example"), ("Content-Type", "text/plain")),
    "a form of nobody": (("Origin", "null"),),
    "an image": (("Sec-Fetch-Site", "cross-site"), ("Sec-Fetch-Mode", "no-cors")),
    "another port": (("Sec-Fetch-Site", "same-site"),),
}


def sandbox(desk: Desk) -> Any:
    """The edge of a sandbox."""
    routes = [
        Route("POST", "/indicia/v1/sandbox/clock", "MoveClock", echo, Access.LOCAL),
        Route("GET", "/indicia/v1/identities/{name}/records", "GetRecords", echo),
    ]
    return edge.gateway(
        desk,
        authenticator=Authenticator(edge.KEYS.get, edge.REGIONS, strict=False),
        routes=routes,
        mounts=[("/_aws/ses", Guarded(mailbox, HOME))],
    )


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("what", ANYONE)
def test_no_web_page_drives_a_sandbox(what: str, page: str) -> None:
    """Whatever it can send is refused, in each protocol, and what programs send is not."""
    desk = Desk()
    asking = ANYONE[what].with_header("Host", "localhost:8465")
    assert ask(sandbox(desk), asking, client="127.0.0.1").status == 200
    done = len(desk.calls)
    for name, value in PAGES[page]:
        asking = asking.with_header(name, value)

    answered = ask(sandbox(desk), asking, client="127.0.0.1")

    assert (answered.status, answered.code.removesuffix("Exception")) == (403, "AccessDenied")
    assert answered.message.startswith("Nobody has to prove anything here, so a request is taken ")
    assert b"secrets" not in answered.body
    assert len(desk.calls) == done


def test_a_page_that_somebody_typed_redirects_to_no_call() -> None:
    """The browser follows it with a GET that says `none`, as of what was typed itself."""
    desk = Desk()
    asking = ANYONE["v1 by GET"].with_header("Host", "localhost:8465").with_header("Sec-Fetch-Site", "none")

    answered = ask(sandbox(desk), asking, client="127.0.0.1")

    assert (answered.status, answered.code) == (403, "AccessDenied")
    assert desk.calls == []


@pytest.mark.parametrize("page", PAGES)
def test_a_key_that_is_checked_proves_enough(page: str) -> None:
    """In a sandbox too: what is signed with it comes from whoever has it, under any name."""
    desk = Desk()
    asking = v2()
    for name, value in PAGES[page]:
        asking = asking.with_header(name, value) if name != "Host" else asking
    assert ask(sandbox(desk), asking).status == 200
    assert asking.header("host") == edge.HOST  # no loopback one


def test_the_refusal_says_what_to_do() -> None:
    """Which hosts are taken, and which setting names more."""
    at_home = "only under the Host localhost, 127.0.0.1 or [::1], not under 'evil.example'."
    away = "an IP address, a name without dots, or that of INDICIA_PUBLIC_URL, not under 'evil.example'."
    for guard, told in ((HOME, at_home), (AWAY, away)):
        with pytest.raises(Fault) as caught:
            guard.check({b"host": b"evil.example"}, "http")
        assert caught.value.message.endswith(told)
