"""Bodies: none is read for nothing, none before its key is known, and all of them have one budget."""

from __future__ import annotations

import asyncio
import contextlib
import tracemalloc
from functools import partial
from ipaddress import ip_network
from typing import Any

import edge
import pytest
from edge import Asking, signed
from hypothesis import given
from hypothesis import strategies as st

from indicia.connections.networks import network_of
from indicia.domain.faults import Fault, FaultKind, refuse
from indicia.wire.authentication import AccessKeyRecord, Authenticator
from indicia.wire.gateway import Gateway, RequestLimits
from indicia.wire.http.bodies import MIB, UNKNOWN_OCTETS
from indicia.wire.http.body_budget import FREE_OCTETS, BodyBudget, Held
from indicia.wire.shapes.operation import Operation

PIECE = 64 * 1024
SEND = "/v2/email/outbound-emails"


class Sender:
    """A client that sends a body piece by piece, as far as it is asked for it, and can be told to wait."""

    def __init__(
        self,
        asking: Asking,
        octets: int,
        *,
        announced: bool = True,
        address: str = "192.0.2.1",
        piece: int = PIECE,
    ) -> None:
        asking = asking.without("content-length")
        fields = {"Content-Length": str(octets)} if announced else {"Transfer-Encoding": "chunked"}
        self._headers = [(n.lower().encode(), v.encode()) for n, v in (*asking.headers, *fields.items())]
        self._asking, self._octets, self._piece, self._address = asking, octets, piece, address
        self.sent = 0
        self.pause_at = octets + 1  # octets after which nothing more comes
        self.paused = asyncio.Event()
        self.status = 0
        self.body = b""
        self.headers: dict[bytes, bytes] = {}

    async def ask(self, app: Gateway) -> int:
        """The status that the application answers."""
        path, _, query = self._asking.target.partition("?")
        scope = {"type": "http", "method": self._asking.method, "path": path, "raw_path": path.encode()}
        more = {"query_string": query.encode(), "headers": self._headers, "client": (self._address, 1)}
        await app({**scope, **more}, self._receive, self._send)
        return self.status

    async def _receive(self) -> dict[str, Any]:
        if self.sent >= self.pause_at:
            self.paused.set()
            await asyncio.Event().wait()
        octets = min(self._piece, self._octets - self.sent)
        begin = self._asking.body[self.sent : self.sent + octets]
        self.sent += octets
        return {
            "type": "http.request",
            "body": begin + b"x" * (octets - len(begin)),
            "more_body": self.sent < self._octets,
        }

    async def _send(self, message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self.status, self.headers = message["status"], dict(message["headers"])
        self.body += message.get("body", b"")


def send(**more: Any) -> Asking:
    """A request that may be large."""
    return signed("POST", SEND, b"{}", **more)


def form(action: str, **more: Any) -> Asking:
    """The same in the Query protocol."""
    return signed("POST", "/", f"Action={action}&Version=2010-12-01&X=".encode(), headers=edge.FORM, **more)


def built(*names: str) -> Any:
    """What admits these operations only."""

    def admit(operation: Operation) -> None:
        if operation.name not in names:
            refuse(FaultKind.NOT_IMPLEMENTED, f"{operation.name} is not built.")

    return admit


@pytest.mark.parametrize("announced", [True, False])
@pytest.mark.parametrize("key", [edge.KEY, edge.UNKNOWN_KEY])
def test_nothing_is_read_of_an_operation_that_is_not_built(key: str, announced: bool) -> None:
    """40 MB of a v2 request are refused unread, whoever sends them."""
    sender = Sender(send(key=key), 40 * MIB, announced=announced)
    assert asyncio.run(sender.ask(edge.gateway(admit=built()))) == 501
    assert sender.sent == 0
    assert sender.headers[b"connection"] == b"close"


@pytest.mark.parametrize("action", ["SendEmail", "SendRawEmail", "ListIdentities"])
@pytest.mark.parametrize("octets", [100_000, 900_000, 9 * MIB])
@pytest.mark.parametrize("announced", [True, False])
def test_no_more_than_its_beginning_is_read_of_a_form(announced: bool, octets: int, action: str) -> None:
    """That of a v1 request has to be, to know what is asked for."""
    sender = Sender(form(action), octets, announced=announced, piece=1024)
    assert asyncio.run(sender.ask(edge.gateway(admit=built()))) == 501
    assert sender.sent <= 5 * 1024


@pytest.mark.parametrize("announced", [True, False])
@pytest.mark.parametrize("asking", [send, lambda **m: form("SendRawEmail", **m)])
def test_no_body_beyond_a_mebibyte_is_read_for_a_key_that_nobody_knows(asking: Any, announced: bool) -> None:
    """It is looked up first, and where the size is known nothing is read at all."""
    sender = Sender(asking(key=edge.UNKNOWN_KEY), 9 * MIB, announced=announced)
    assert asyncio.run(sender.ask(edge.gateway())) == 403
    assert sender.sent <= (0 if announced else UNKNOWN_OCTETS)
    assert b"security token included in the request is invalid" in sender.body
    known = Sender(asking(), 9 * MIB, announced=announced)
    assert asyncio.run(known.ask(edge.gateway())) == 403  # the signature is of another body
    assert known.sent == 9 * MIB


def test_up_to_a_mebibyte_an_unknown_key_costs_what_a_wrong_signature_does() -> None:
    """Its body is read, as that of a known key is."""
    for key in (edge.KEY, edge.UNKNOWN_KEY):
        sender = Sender(send(key=key), UNKNOWN_OCTETS)
        assert asyncio.run(sender.ask(edge.gateway())) == 403
        assert sender.sent == UNKNOWN_OCTETS


def test_small_pieces_are_not_kept_as_pieces() -> None:
    """A body that comes octet by octet takes what is in it, not some fifty times that."""
    octets = 100_000
    sender = Sender(signed("POST", "/v2/email/identities", b"{}"), octets, piece=1)
    app = edge.gateway(record=lambda _: None)
    tracemalloc.start()
    try:
        assert asyncio.run(sender.ask(app)) == 403
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 10 * octets


TIGHT = RequestLimits(bodies=1_000_000, share=400_000)
KEYS = {
    f"AKIAEXAMPLETENANT{n:03}": AccessKeyRecord(edge.SECRET, f"{n:012}", f"arn:aws:iam::{n:012}:root")
    for n in range(5)
}


def shared(**more: Any) -> Gateway:
    """An edge with a small budget, and with keys of five accounts."""
    return edge.gateway(limits=TIGHT, authenticator=Authenticator(KEYS.get, edge.REGIONS), **more)


def large(tenant: int, address: str, octets: int = 200_000, **headers: str) -> Sender:
    """A body of a tenant's from somewhere. Its signature is of another one."""
    asking = signed("POST", "/v2/email/identities", b"{}", key=f"AKIAEXAMPLETENANT{tenant:03}")
    for name, value in headers.items():
        asking = asking.with_header(name.replace("_", "-"), value)
    return Sender(asking, octets, address=address)


async def proved(app: Gateway, tenant: int, *addresses: str) -> None:
    """The tenant has used its key from there."""
    for address in addresses:
        asking = edge.v2(key=f"AKIAEXAMPLETENANT{tenant:03}")
        assert (await edge.asked(app, asking, address)).status == 200


async def held_by(app: Gateway, *senders: Sender) -> list[asyncio.Task[int]]:
    """Let each send 300 kB of its body and no more, and return what waits for their answers."""
    tasks = []
    for sender in senders:
        sender._octets, sender.pause_at = 900_000, 300_000
        tasks.append(asyncio.create_task(sender.ask(app)))
        waiting = asyncio.create_task(sender.paused.wait())
        await asyncio.wait({tasks[-1], waiting}, return_when=asyncio.FIRST_COMPLETED)
        assert sender.paused.is_set()
    return tasks


async def ended(tasks: list[asyncio.Task[int]]) -> None:
    """The clients have gone away."""
    for task in tasks:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


@pytest.mark.parametrize(
    ("one", "same", "another"),
    [
        ("192.0.2.1", "192.0.2.1", "192.0.2.2"),
        ("2001:db8:0:1::1", "2001:db8:0:2:ffff::9", "2001:db8:1::1"),
    ],
)
def test_a_client_has_a_share(one: str, same: str, another: str) -> None:
    """Who holds it all is told to come again, others are taken in; and then there is room again."""

    async def scenario() -> None:
        app = shared()
        await proved(app, 1, one)
        await proved(app, 2, same, another)
        tasks = await held_by(app, large(1, one))
        refused = large(2, same)
        assert await refused.ask(app) == 429
        assert b"Too much is being sent at the same time" in refused.body
        assert refused.headers[b"x-amzn-errortype"] == b"TooManyRequestsException"
        assert await large(2, another).ask(app) == 403
        await ended(tasks)
        assert app.budget.held == 0
        assert await large(2, same).ask(app) == 403
        assert (app.budget.held, app.budget.refused) == (0, 1)

    asyncio.run(scenario())


def test_an_account_has_a_share() -> None:
    """From however many addresses it sends; another account's is another one."""

    async def scenario() -> None:
        app = shared()
        await proved(app, 1, "192.0.2.1", "192.0.2.2")
        await proved(app, 2, "192.0.2.3")
        tasks = await held_by(app, large(1, "192.0.2.1"))
        assert await large(1, "192.0.2.2").ask(app) == 429
        assert await large(2, "192.0.2.3").ask(app) == 403
        await ended(tasks)
        assert await large(1, "192.0.2.2").ask(app) == 403

    asyncio.run(scenario())


def test_who_has_proved_nothing_shares_with_others_who_have_not() -> None:
    """Who only knows the id of a key uses up nothing of its account's, from however many addresses."""

    async def scenario() -> None:
        app = shared()
        await proved(app, 1, "192.0.2.1")
        tasks = await held_by(app, large(1, "198.51.100.1"))
        assert await large(2, "198.51.100.2").ask(app) == 429
        assert await large(1, "192.0.2.1").ask(app) == 403
        await ended(tasks)
        assert await large(2, "198.51.100.2").ask(app) == 403

    asyncio.run(scenario())


def test_a_process_has_a_budget() -> None:
    """Many clients together hold no more than that; what is small is taken all the same."""

    async def scenario() -> None:
        app = shared()
        for n in range(1, 5):
            await proved(app, n, f"192.0.2.{n}")
        tasks = await held_by(app, *(large(n, f"192.0.2.{n}") for n in range(1, 4)))
        refused = large(4, "192.0.2.4")
        assert await refused.ask(app) == 503
        assert b"This server holds as much of requests as it can." in refused.body
        assert await large(4, "192.0.2.4", FREE_OCTETS).ask(app) == 403
        assert await large(4, "198.51.100.1", FREE_OCTETS).ask(app) == 403
        await ended(tasks)
        assert app.budget.held == 0
        assert await large(4, "192.0.2.4").ask(app) == 403

    asyncio.run(scenario())


def test_a_proxy_has_no_share_and_its_clients_have() -> None:
    """What comes through a trusted proxy is its client's; what the proxy asks itself is no network's."""

    async def scenario() -> None:
        app = shared(trusted_proxies=[ip_network("10.0.0.0/8")])
        await proved(app, 2, "10.0.0.1")
        through = partial(large, address="10.0.0.1")
        tasks = await held_by(app, through(1, X_Forwarded_For="192.0.2.1"))
        assert await through(2, X_Forwarded_For="192.0.2.1").ask(app) == 429
        assert await through(2, octets=390_000).ask(app) == 403
        await ended(tasks)

    asyncio.run(scenario())


def test_where_keys_are_not_checked_nobody_is_a_stranger() -> None:
    """In a sandbox each account that is spelled has its share."""

    async def scenario() -> None:
        loose = Authenticator(edge.KEYS.get, edge.REGIONS, strict=False)
        app = edge.gateway(limits=TIGHT, authenticator=loose)
        one, two = (
            signed("POST", "/v2/email/identities", b"{}", key=key).with_header("Host", "localhost")
            for key in ("111111111111", "222222222222")
        )
        tasks = await held_by(app, Sender(one, 200_000, address="127.0.0.1"))
        assert await Sender(one, 200_000, address="127.0.0.2").ask(app) == 429
        assert await Sender(two, 200_000, address="127.0.0.2").ask(app) == 400  # taken, and no JSON
        await ended(tasks)

    asyncio.run(scenario())


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("take"), st.integers(0, 5), st.integers(0, 2 * FREE_OCTETS)),
        st.tuples(st.just("release"), st.integers(0, 5), st.just(0)),
    ),
    max_size=60,
)


@given(STEPS)
def test_what_is_held_is_what_was_taken(steps: list[tuple[str, int, int]]) -> None:
    """Whatever happens in whatever order: never beyond the budget or a share, and nothing in the end."""
    budget = BodyBudget(100_000, 50_000)
    held = [Held(budget, f"account {n % 2}", f"network {n % 3}") for n in range(6)]
    taken = [0] * 6
    for step, which, octets in steps:
        if step == "take":
            with contextlib.suppress(Fault):
                held[which].take(octets)
                taken[which] += octets
        else:
            held[which].release()
            held[which] = Held(budget, f"account {which % 2}", f"network {which % 3}")
            taken[which] = 0
        assert budget.held <= 100_000
        assert budget.held >= sum(max(0, each - FREE_OCTETS) for each in taken)
        assert all(octets <= 50_000 for octets in budget._of.values())
    for each in held:
        each.release()
    assert (budget.held, budget._of) == (0, {})


@pytest.mark.parametrize(
    ("address", "same"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8::1", "2001:db8:0:ff:1::"),
        ("fe80::1%eth0", "fe80::2"),
        ("", ""),
        ("unknown", "unknown"),
        ("a:b", "a:b"),
    ],
)
def test_one_client_may_have_many_addresses(address: str, same: str) -> None:
    """A site has a /56 of IPv6 at least (RFC 6177 §2)."""
    assert network_of(address) == network_of(same)
