"""The pages behind the links: what they show, what a button does, what looking does not."""

from __future__ import annotations

import asyncio
import re
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import pytest
from correspondence import (
    ACCOUNT,
    ADDRESS,
    KEYRING,
    REGION,
    SERVICE,
    mails,
    pending_address,
    read,
    send_link,
    token_in,
)
from structlog.testing import capture_logs

from indicia.domain.faults import Fault, FaultKind
from indicia.domain.identities.identity import Facet, Identity, Status
from indicia.domain.time import DAY, HOUR, MINUTE
from indicia.domain.verification.asking import AskedBy
from indicia.domain.verification_mail.links import TOKEN_OCTETS, make_token
from indicia.links.link_service import LinkService
from indicia.links.pages import application
from indicia.mail.html.harmless import HarmlessHtml
from indicia.mail.message.compose import Letter
from indicia.mail.notices.custom import CustomWords
from indicia.operations.verification_mail.verification_mail import CustomMail
from indicia.runtime.clock import Clock
from indicia.store.engine.database import Database
from indicia.store.engine.queue import Lease
from indicia.store.engine.session import Session
from indicia.store.engine.sharding import shard_of
from indicia.store.identities import identities
from indicia.store.proofs import facets
from indicia.store.verification import checks, evidence
from indicia.store.verification_mail import outbox
from indicia.store.verification_mail.links import RedirectTargets


@dataclass(frozen=True)
class Answer:
    """What a browser gets."""

    status: int
    headers: dict[str, str]
    body: str

    @property
    def heading(self) -> str:
        """The first thing a person reads."""
        found = re.search(r"<h1[^>]*>(.*?)</h1>", self.body, re.DOTALL)
        assert found is not None
        return found[1]


class Installation:
    """A service with its database, seen through its pages and through its mails."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.clock = Clock(real=lambda: 1_795_323_960_000)
        self.app = application(LinkService(database, self.clock), service=SERVICE)

    def ask(self, path: str, method: str = "GET") -> Answer:
        """Send one request to the pages, as the HTTP server would."""
        return asyncio.run(self._ask(path, method))

    async def _ask(self, path: str, method: str) -> Answer:
        path, _, query = path.partition("?")
        scope = {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method,
            "scheme": "https", "path": path, "raw_path": path.encode(), "query_string": query.encode(),
            "root_path": "", "headers": [(b"host", SERVICE.encode())], "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 80),
        }  # fmt: skip
        sent: list[Any] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Any) -> None:
            sent.append(message)

        await self.app(scope, receive, send)
        headers = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
        return Answer(sent[0]["status"], headers, b"".join(part["body"] for part in sent[1:]).decode())

    def get(self, token: str, query: str = "") -> Answer:
        """Open the page behind a link."""
        return self.ask(f"/verify/{token}{query}")

    def post(self, token: str, query: str = "") -> Answer:
        """Press the button."""
        return self.ask(f"/verify/{token}{query}", "POST")

    def address(self, name: str = ADDRESS, account: str = ACCOUNT) -> Identity:
        """Store an address whose link is awaited."""
        return self.database.write(lambda s: pending_address(s, self.clock.now(), name, account=account))

    def link(self, identity: Identity, custom: CustomMail | None = None) -> str:
        """Send a link and return the token in the mail."""
        self.database.write(lambda s: send_link(s, identity, self.clock.now(), mails(), custom))
        lease = Lease("reader", self.clock.now(), 0, 1)
        taken = self.database.write(lambda s: outbox.take(s, identity.account, lease, limit=100))
        for parcel in taken:
            self.database.write(lambda s, parcel=parcel: outbox.done(s, parcel.id, "reader", 0))
        return token_in(read(Letter.opened(KEYRING, taken[-1].payload).message))

    def status(self, identity: Identity) -> Status:
        """What the address counts as."""
        return self.database.read(lambda s: facets.get_all(s, identity.id))[Facet.LINK].status


@pytest.fixture
def installation(database: Database) -> Installation:
    """A fresh installation."""
    return Installation(database)


def test_the_page_shows_the_request_and_one_form(installation: Installation) -> None:
    """Who opens a link reads which address, account and region it is about, and finds one button."""
    answer = installation.get(installation.link(installation.address()))

    assert answer.status == 200
    assert answer.heading == "May this account send from your address?"
    for fact in (
        ADDRESS,
        ACCOUNT,
        REGION,
        SERVICE,
        "22 November 2026, 05:06 UTC",
        "23 November 2026, 05:06 UTC",
    ):
        assert fact in answer.body
    assert re.findall(r"<form[^>]*>", answer.body) == ['<form method="post">']
    assert answer.body.count("<button") == 1


def test_the_button_verifies_once(installation: Installation) -> None:
    """The form makes a pending address SUCCESS; sent again it changes nothing and says so kindly."""
    identity = installation.address()
    token = installation.link(identity)

    first, second = installation.post(token), installation.post(token)

    assert (first.status, first.heading) == (200, "The address is confirmed")
    assert (second.status, second.heading) == (410, "This address was confirmed before")
    assert installation.status(identity) is Status.SUCCESS
    (verdict,) = installation.database.read(lambda s: evidence.history(s, identity.id, limit=10))
    assert (verdict.facet, verdict.status_before, verdict.status_after) == (
        Facet.LINK, Status.PENDING, Status.SUCCESS,
    )  # fmt: skip
    assert verdict.asked_by is AskedBy.LINK


def test_of_two_buttons_at_once_one_verifies(installation: Installation) -> None:
    """Two requests at the same moment lead to one confirmation and one page that says it was done."""
    identity = installation.address()
    token = installation.link(identity)

    async def both() -> list[Answer]:
        asking = [installation._ask(f"/verify/{token}", "POST") for _ in range(5)]
        return list(await asyncio.gather(*asking))

    assert sorted(answer.status for answer in asyncio.run(both())) == [200, 410, 410, 410, 410]
    assert installation.status(identity) is Status.SUCCESS


def test_a_check_that_runs_meanwhile_does_not_undo_it(installation: Installation) -> None:
    """A check that read the address as PENDING before the button was pressed lands nowhere afterwards."""
    identity, now = installation.address(), installation.clock.now()
    token = installation.link(identity)

    def claim(s: Session) -> list[checks.Claim]:
        checks.schedule(s, identity.id, shard_of(identity.name), now)
        return checks.claim(s, now=now, owner="engine", lease_until=now + MINUTE, limit=1)

    (claimed,) = installation.database.write(claim)
    assert installation.post(token).status == 200
    late = checks.CheckResult(
        identity_id=identity.id,
        generation=claimed.identity.generation,
        owner="engine",
        facets=tuple(claimed.facets.values()),
        due_at=None,
        interval=MINUTE,
        checked_at=now,
        succeeded_at=None,
        error=None,
        soa=None,
    )

    assert installation.database.write(lambda s: checks.write_back(s, [late])) == []
    assert installation.status(identity) is Status.SUCCESS


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("query", ["", "?stop", "?allow", "?utm_source=scanner"])
def test_looking_changes_nothing(installation: Installation, method: str, query: str) -> None:
    """A link scanner may open every link of the mail a hundred times: the address waits, the link works."""
    identity = installation.address()
    token = installation.link(identity)

    for _ in range(100 if not query else 3):
        assert installation.ask(f"/verify/{token}{query}", method).status == 200

    assert installation.status(identity) is Status.PENDING
    assert installation.post(token).status == 200


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "PROPFIND"])
def test_other_methods_do_nothing(installation: Installation, method: str) -> None:
    """Only GET, HEAD and POST are answered; the refusal names them."""
    identity = installation.address()
    answer = installation.ask(f"/verify/{installation.link(identity)}", method)

    assert answer.status == 405
    assert answer.headers["allow"] == "GET, HEAD, POST"
    assert installation.status(identity) is Status.PENDING


def test_a_link_ends_when_its_window_does(installation: Installation) -> None:
    """One millisecond before the 24 hours are over the link works, at the end it does not."""
    identity, late = installation.address(), installation.address("late@example.com")
    token, late_token = installation.link(identity), installation.link(late)

    installation.clock.advance(DAY - 1)
    assert installation.post(token).status == 200
    installation.clock.advance(1)
    answer = installation.post(late_token)

    assert (answer.status, answer.heading) == (410, "This link has expired")
    assert "23 November 2026, 05:06 UTC" in answer.body
    assert installation.status(late) is Status.PENDING


def test_a_newer_link_supersedes(installation: Installation) -> None:
    """Only the link of the newest mail works; the older one says so."""
    identity = installation.address()
    older = installation.link(identity)
    installation.clock.advance(HOUR)
    newer = installation.link(identity)

    answer = installation.post(older)
    assert (answer.status, answer.heading) == (410, "A newer link was sent")
    assert installation.status(identity) is Status.PENDING
    assert installation.post(newer).status == 200


@pytest.mark.parametrize(
    "token",
    [make_token(bytes(TOKEN_OCTETS)), "short", "A" * 44, "..", "%00", "'" * 43, "A" * 5000, "ä" * 43],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_an_unknown_link_is_not_found(installation: Installation, token: str, method: str) -> None:
    """What is no link of ours, or was cut off, gets a page that says what to do, and status 404."""
    for query in ("", "?stop", "?allow"):
        answer = installation.ask(f"/verify/{token}{query}", method)
        assert (answer.status, answer.heading) == (404, "This link is not known")


def test_a_link_of_a_deleted_identity_is_unknown(installation: Installation) -> None:
    """A request that was withdrawn cannot be confirmed."""
    identity = installation.address()
    token = installation.link(identity)
    installation.database.write(lambda s: identities.delete(s, identity))

    assert installation.post(token).status == 404


def test_this_was_not_me(installation: Installation) -> None:
    """The stop button ends the request, and no caller can have the mailbox written to, however spelled."""
    identity = installation.address()
    token = installation.link(identity)

    asked = installation.get(token, "?stop")
    assert (asked.status, asked.heading) == (200, "Was this not you?")
    assert 'action="?stop"' in asked.body
    done = installation.post(token, "?stop")
    assert (done.status, done.heading) == (200, "No more verification mails")

    assert installation.post(token).heading == "This link was stopped"
    assert installation.status(identity) is Status.PENDING
    local, _, domain = ADDRESS.partition("@")
    for name in (ADDRESS, f"{local.lower()}+x@{domain.upper()}"):
        other = installation.address(name, account="999988887777")
        with pytest.raises(Fault, match="has asked this service to send none") as caught:
            installation.link(other)
        assert caught.value.kind is FaultKind.INVALID_PARAMETER
    installation.link(installation.address("someone-else@example.com"))


def test_stopping_works_after_the_identity_is_gone(installation: Installation) -> None:
    """A caller who deletes the identity behind the mail does not take the stop button away."""
    identity = installation.address()
    token = installation.link(identity)
    installation.database.write(lambda s: identities.delete(s, identity))

    assert installation.get(token, "?stop").status == 200
    assert installation.post(token, "?stop").heading == "No more verification mails"
    with pytest.raises(Fault, match="has asked this service to send none"):
        installation.link(installation.address())


@pytest.mark.parametrize("end", ["expired", "superseded", "used"])
def test_stopping_works_from_any_link_that_was_sent(installation: Installation, end: str) -> None:
    """However a link ended, its mail can say that this was not me; what was confirmed stays confirmed."""
    identity = installation.address()
    token = installation.link(identity)
    if end == "expired":
        installation.clock.advance(2 * DAY)
    elif end == "superseded":
        installation.link(identity)
    else:
        installation.post(token)

    answer = installation.post(token, "?stop")

    assert answer.heading == "No more verification mails"
    assert ("had been confirmed with this link" in answer.body) is (end == "used")
    assert installation.status(identity) is (Status.SUCCESS if end == "used" else Status.PENDING)


def test_a_stop_can_be_taken_back(installation: Installation) -> None:
    """The reader can allow mails again; the request that was stopped stays ended, a new mail works."""
    identity = installation.address()
    token = installation.link(identity)
    installation.post(token, "?stop")
    assert 'action="?allow"' in installation.get(token, "?stop").body

    assert installation.post(token, "?allow").heading == "Verification mails are allowed again"
    installation.clock.advance(MINUTE)
    assert installation.post(token).heading == "This link has expired"
    assert installation.post(installation.link(identity)).status == 200


def _confirm(installation: Installation) -> str:
    return installation.link(installation.address())


def _cut_off(installation: Installation) -> str:
    return _confirm(installation)[:-1]


def _stopped(installation: Installation) -> str:
    token = _confirm(installation)
    installation.post(token, "?stop")
    return token


@pytest.mark.parametrize("prepare", [_confirm, _stopped, _cut_off])
@pytest.mark.parametrize("query", ["", "?stop"])
@pytest.mark.parametrize("method", ["GET", "POST", "PUT"])
def test_every_page_keeps_to_itself(
    installation: Installation, prepare: Callable[[Installation], str], query: str, method: str
) -> None:
    """No page sets a cookie, is stored, indexed, framed, referred from, loads anything or holds the token."""
    token = prepare(installation)
    answer = installation.ask(f"/verify/{token}{query}", method)
    (style,) = re.findall(r"<style>(.*?)</style>", answer.body, re.DOTALL)
    digest = b64encode(sha256(style.encode()).digest()).decode()

    assert "set-cookie" not in answer.headers
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["x-robots-tag"] == "noindex, nofollow"
    assert answer.headers["content-security-policy"] == (
        f"default-src 'none'; style-src 'sha256-{digest}'; form-action 'self'; base-uri 'none';"
        " frame-ancestors 'none'"
    )
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert not re.search(r"<(script|img|link|iframe)|https?://|\bsrc=|\sstyle=|\son\w+=", answer.body)
    assert token not in answer.body
    assert token not in repr(answer.headers)


def test_an_address_is_text_on_a_page(installation: Installation) -> None:
    """An address that a caller made of markup is shown, not obeyed."""
    name = '"<script>alert(1)</script>"@example.com'
    answer = installation.get(installation.link(installation.address(name)))

    assert "<script" not in answer.body
    assert "&lt;script&gt;" in answer.body


def test_no_token_is_in_a_log(installation: Installation) -> None:
    """A visit is logged by what it did; the log holds neither token nor address."""
    token = _confirm(installation)
    with capture_logs() as log:
        installation.get(token)
        installation.post(token)
        installation.post(token, "?stop")

    assert [(entry["event"], entry["act"], entry["state"], entry["changed"]) for entry in log] == [
        ("link.visited", "confirm", "used", True),
        ("link.visited", "stop", "used", True),
    ]
    assert token not in repr(log)
    assert ADDRESS not in repr(log)


def test_our_trouble_is_called_ours(installation: Installation) -> None:
    """When the database is away, the page says so with 503, and the log has no token."""
    token = _confirm(installation)
    installation.database.close()
    with capture_logs() as log:
        answer = installation.post(token)

    assert (answer.status, answer.heading) == (503, "This did not work just now")
    assert answer.headers["retry-after"] == "60"
    assert [entry["event"] for entry in log] == ["link.page_failed"]
    assert token not in repr(log)


CUSTOM = CustomMail(
    words=CustomWords("hello@brand.example", "Welcome", HarmlessHtml("<p>Hi</p>", "Hi", ())),
    landing=RedirectTargets("https://app.brand.example/ok?a=1", "http://brand.example:8080/failed"),
    message_id="01020000-x-000000",
)


def test_a_template_has_pages_of_its_own_for_the_end(installation: Installation) -> None:
    """The page with the button is ours; pressing it leads to the template's page of success (303)."""
    identity = installation.address()
    token = installation.link(identity, CUSTOM)

    shown = installation.get(token)
    assert (shown.status, shown.heading) == (200, "May this account send from your address?")
    # A browser follows the redirect that answers a form only where the policy of the page lets it.
    assert (
        "form-action 'self' http://brand.example:8080 https://app.brand.example;"
        in shown.headers["content-security-policy"]
    )

    done = installation.post(token)
    assert (done.status, done.headers["location"], done.body) == (303, CUSTOM.landing.success, "")
    assert done.headers["referrer-policy"] == "no-referrer"
    assert installation.status(identity) is Status.SUCCESS


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
@pytest.mark.parametrize("end", ["used", "expired", "superseded"])
def test_a_link_that_is_over_ends_at_the_templates_failure(
    installation: Installation, method: str, end: str
) -> None:
    """Used, expired or superseded, looked at or pressed: the browser goes where the template says."""
    identity = installation.address()
    token = installation.link(identity, CUSTOM)
    if end == "used":
        installation.post(token)
    elif end == "expired":
        installation.clock.advance(DAY)
    else:
        installation.link(identity)
    before = installation.status(identity)

    answer = installation.ask(f"/verify/{token}", method)

    assert (answer.status, answer.headers["location"]) == (303, CUSTOM.landing.failure)
    assert installation.status(identity) is before


def test_this_was_not_me_is_answered_by_us(installation: Installation) -> None:
    """Whoever stops such mails is told so here, whatever the template says, and so is who comes back."""
    identity = installation.address()
    token = installation.link(identity, CUSTOM)

    assert installation.get(token, "?stop").status == 200
    stopped = installation.post(token, "?stop")
    assert (stopped.status, "location" in stopped.headers) == (200, False)
    again = installation.get(token)
    assert (again.status, "location" in again.headers) == (410, False)
    assert installation.status(identity) is Status.PENDING
