"""Whoever calls operations in tests: an account in a region, a clock in the hand, a house round it."""

from __future__ import annotations

import asyncio
import base64
import secrets
from collections.abc import Awaitable, Callable
from typing import Any

from operation_contexts import SERVICE_DOMAIN, made_context, with_ports, with_rules

from indicia.domain.call import Call
from indicia.domain.faults import Fault
from indicia.domain.identities.identity import ErrorType, Facet, FacetState, Status
from indicia.domain.time import MINUTE, Instant
from indicia.operations.context import OperationContext
from indicia.operations.dispatch import Dispatch
from indicia.operations.own.api import declared
from indicia.store.accounts import audit
from indicia.store.dkim import keys
from indicia.store.engine.database import Database
from indicia.store.engine.ids import new_id
from indicia.store.engine.session import Session
from indicia.store.identities import identities
from indicia.store.proofs import facets
from indicia.store.verification import checks
from indicia.vault.keyring import Keyring
from indicia.vault.purposes import PRIVATE_KEY
from indicia.wire.shapes import operations

T0: Instant = 1_790_000_000_000
ZONE = f"dkim.{SERVICE_DOMAIN}"
OWN_REQUESTS = {route.operation: route.request for route in declared()}


class NotedHints:
    """Notes who was woken."""

    def __init__(self) -> None:
        self.woken: list[str] = []

    def engine(self) -> None:
        """Note it."""
        self.woken.append("engine")

    def outbox(self) -> None:
        """Note it."""
        self.woken.append("outbox")

    def pool(self) -> None:
        """Note it."""
        self.woken.append("pool")


class Desk:
    """Calls operations as one account in one region, at `now`, which only the test moves."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.now = T0
        self.account = "111122223333"
        self.region = "eu-west-1"
        self.principal = f"arn:aws:iam::{self.account}:root"
        self.policy: str | None = None
        self.keyring = Keyring((secrets.token_bytes(32),))
        self.hints = NotedHints()
        self.house = made_context(self.keyring, self.hints)
        self.dispatch = Dispatch(database, self.house)

    def rule(self, **rules: Any) -> None:
        """Let these rules hold from now on in the place of those of the house."""
        self._use(with_rules(self.house, **rules))

    def reach(self, **ports: Any) -> None:
        """Let the house reach the outside through these from now on."""
        self._use(with_ports(self.house, **ports))

    def _use(self, house: OperationContext) -> None:
        self.house, self.dispatch = house, Dispatch(self.database, house)

    def beside(self, *, account: str | None = None, region: str | None = None) -> Desk:
        """Return a desk of another account or region in the same house."""
        other = Desk(self.database)
        other.account, other.region = account or self.account, region or self.region
        other.house = self.house
        other.dispatch = self.dispatch
        return other

    def call(self, service: str, operation: str) -> Call:
        """Return the call as the edge would make it."""
        return Call(
            service,
            operation,
            self.account,
            self.region,
            self.principal,
            "AKIATESTTESTTESTTEST",
            "192.0.2.7",
            "5f6d2a0c-0000-4000-8000-000000000000",
            self.now,
            self.policy,
        )

    def asking(self, operation: str, **members: Any) -> Awaitable[Any]:
        """Return the answer, to be awaited. The service is found by the operation's name."""
        if operation in OWN_REQUESTS:
            return self.dispatch(self.call("indicia", operation), OWN_REQUESTS[operation](**members))
        service = next(name for name in ("sesv2", "ses", "sts") if operation in operations(name))
        return self.dispatch(self.call(service, operation), operations(service)[operation].request(**members))

    def ask(self, operation: str, **members: Any) -> Any:
        """Return the answer."""

        async def answered() -> Any:
            return await self.asking(operation, **members)

        return asyncio.run(answered())

    def refused(self, operation: str, **members: Any) -> Fault:
        """Return the fault with which the call is refused."""
        try:
            answer = self.ask(operation, **members)
        except Fault as fault:
            return fault
        raise AssertionError(f"{operation} was answered: {answer}")

    def read(self, work: Callable[[Session], Any]) -> Any:
        """Look into the store."""
        return self.database.read(work)

    def view(self, name: str) -> identities.IdentityView:
        """Return everything the store has on an identity."""
        found = self.read(lambda s: identities.view(s, self.account, self.region, name))
        assert found is not None
        return found  # type: ignore[no-any-return]

    def find(self, name: str, facet: Facet, status: Status, error: ErrorType | None = None) -> None:
        """Let the verifier have found this of a facet."""
        view = self.view(name)
        state = FacetState(facet, status, view.identity.generation, self.now, error=error)
        self.database.write(lambda s: facets.put(s, view.identity.id, state))

    def stock(self, bits: int, public_key: str = "") -> str:
        """Put a key into the pool and return its public half."""
        public = public_key or base64.b64encode(secrets.token_bytes(24)).decode()
        sealed = self.keyring.seal(b"der", PRIVATE_KEY)
        key = keys.PooledKey(new_id(), bits, public, sealed, self.now)
        self.database.write(lambda s: keys.add_pooled(s, key))
        return public

    def claims(self) -> list[checks.Claim]:
        """Take everything that is due, as a verifier does."""
        return self.database.write(
            lambda s: checks.claim(s, now=self.now, owner="test", lease_until=self.now + MINUTE, limit=100)
        )

    def trail(self) -> list[audit.AuditEntry]:
        """Return the audit log of the account, newest first."""
        found: list[audit.AuditEntry] = self.read(lambda s: audit.latest(s, self.account, limit=100))
        return found
