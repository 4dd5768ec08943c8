"""From a signed request to a caller: whose key, which account, which region.

`examine` refuses what can be refused without the key and before the body is read. `authenticate` looks the
key up and does the arithmetic. A refused signature costs one look-up in the store and one full verification,
whether the key is known, known and at hand, or unknown: neither time nor the order of errors tells which.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable
from typing import TYPE_CHECKING

from msgspec import Struct

from indicia.connections.networks import network_of
from indicia.domain.accounts.account import SANDBOX_ACCOUNT
from indicia.domain.arns import caller_arn, in_partition_of
from indicia.domain.faults import Fault, FaultKind
from indicia.wire.aws import sigv4
from indicia.wire.http.bodies import STRANGERS
from indicia.wire.http.browsers import Guard

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from typing import TypeAlias

    from indicia.domain.time import Instant
    from indicia.wire.http.requests import Request

    Lookup: TypeAlias = Callable[[str], "Awaitable[AccessKeyRecord | None] | AccessKeyRecord | None"]

# Stands in for the secret of a key that nobody has. It opens nothing: the answer is decided already.
_NOBODYS_SECRET = "0" * 40


# A revoked key is refused everywhere within 5 s (contract, `indicia key`).
KEPT_SECONDS = 4.0

_LATELY_SECONDS = 15 * 60.0
_MOST_KEYS, _MOST_NETWORKS = 4096, 64


class AccessKeyRecord(Struct, frozen=True):
    """An access key, as the store knows it. `policy` is the JSON text that limits it, if one does."""

    secret: str
    account: str
    principal: str
    policy: str | None = None

    def __repr__(self) -> str:
        return f"KeyRecord(principal={self.principal!r})"


class Caller(Struct, frozen=True):
    """Who has proved to be calling, in which region."""

    account: str
    principal: str
    access_key: str
    region: str
    policy: str | None = None


class KeptKeys:
    """Keys that have verified a request lately: no others, at most `capacity`, each for a few seconds."""

    def __init__(self, capacity: int = 4096, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._capacity = capacity
        self._monotonic = monotonic
        self._kept: dict[str, tuple[float, AccessKeyRecord]] = {}

    def get(self, key_id: str) -> AccessKeyRecord | None:
        """The key, when it was read from the store in the last few seconds."""
        kept = self._kept.get(key_id)
        if kept is None:
            return None
        if kept[0] < self._monotonic():
            del self._kept[key_id]
            return None
        return kept[1]

    def keep(self, key_id: str, record: AccessKeyRecord) -> None:
        """Remember a key that has just been read from the store."""
        if len(self._kept) >= self._capacity:
            del self._kept[next(iter(self._kept))]
        self._kept[key_id] = (self._monotonic() + KEPT_SECONDS, record)

    def forget(self, key_id: str) -> None:
        """The next use of the key reads the store."""
        self._kept.pop(key_id, None)


class Proofs:
    """From which networks a key has been proved lately, and of which account it is.

    A key's id is no secret: who only knows it must not be able to use up the share of the account. And
    whoever has proved nothing must not be able to use up what those need who have.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._known: dict[str, dict[str, tuple[float, str]]] = {}

    def note(self, key_id: str, network: str, account: str) -> None:
        """A request from there has proved to hold the key."""
        networks = self._known.get(key_id)
        if networks is None:
            if len(self._known) >= _MOST_KEYS:
                del self._known[next(iter(self._known))]
            networks = self._known[key_id] = {}
        if network not in networks and len(networks) >= _MOST_NETWORKS:
            del networks[next(iter(networks))]
        networks[network] = (self._monotonic() + _LATELY_SECONDS, account)

    def account(self, key_id: str, network: str) -> str | None:
        """The account of the key, if one has within the last quarter of an hour."""
        until, account = self._known.get(key_id, {}).get(network, (0.0, ""))
        return account if until > self._monotonic() else None


class Authenticator:
    """Holds requests against the keys that `lookup` finds and the `regions` that are served.

    With `strict` off (the sandbox's way) a key that is not known is accepted as the account it spells, or as
    `SANDBOX_ACCOUNT`, unsigned for all we know, unless `guard` sees a web page behind it; a key that is known
    is checked in full all the same.
    """

    def __init__(
        self,
        lookup: Lookup,
        regions: Collection[str],
        *,
        strict: bool = True,
        now: Callable[[], Instant] = lambda: time.time_ns() // 1_000_000,
        signatures: sigv4.Signatures | None = None,
        kept: KeptKeys | None = None,
        guard: Guard | None = None,
    ) -> None:
        self._lookup = lookup
        self._regions = dict.fromkeys(regions)  # in order, for the sentence that lists them
        self._strict = strict
        self._now = now  # real time: signatures do not follow the movable clock (contract)
        self._signatures = signatures if signatures is not None else sigv4.Signatures()
        self._kept = kept if kept is not None else KeptKeys()
        self._guard = guard if guard is not None else Guard()
        self._proofs = Proofs()

    def examine(self, request: Request, services: Collection[str]) -> sigv4.SignatureClaim:
        """What the request claims, when that could hold for one of `services`. Faults: spec 7.6."""
        claim = sigv4.claim_of(request.headers, request.query)
        if self._strict:
            self._check(claim, request, services)
        else:
            sigv4.check_region(claim, self._regions)
        return claim

    def owner(self, claim: sigv4.SignatureClaim, request: Request) -> str:
        """Whose share a body is of: the account's, where its key was proved from there lately."""
        account = self._proofs.account(claim.credential.key_id, network_of(request.address))
        if account is None and not self._strict:
            account = _anybody(claim).account
        return STRANGERS if account is None else f"account {account}"

    async def know(self, claim: sigv4.SignatureClaim, request: Request) -> None:
        """The key is known, or need not be. Faults: UNKNOWN_KEY, ACCESS_DENIED."""
        key_id = claim.credential.key_id
        if self._kept.get(key_id) is not None or await self._look_up(key_id) is not None:
            return
        if self._strict:
            raise Fault(FaultKind.UNKNOWN_KEY, sigv4.UNKNOWN)
        self._guard.check(request.headers, request.scheme, simple=claim.presigned)

    async def authenticate(
        self, claim: sigv4.SignatureClaim, request: Request, body: bytes, services: Collection[str]
    ) -> Caller:
        """The caller, proved. Faults: UNKNOWN_KEY, WRONG_SIGNATURE, ACCESS_DENIED, and those of `examine`."""
        key_id = claim.credential.key_id
        kept = self._kept.get(key_id)
        record = kept if kept is not None else await self._look_up(key_id)
        if not self._strict:
            if record is None:
                self._guard.check(request.headers, request.scheme, simple=claim.presigned)
                return _anybody(claim)
            self._check(claim, request, services)
        secret = _NOBODYS_SECRET if record is None else record.secret
        if self._holds(claim, secret, request, body) and record is not None:
            if kept is None:
                self._kept.keep(key_id, record)
            self._proofs.note(key_id, network_of(request.address), record.account)
            region = claim.credential.region
            principal = in_partition_of(region, record.principal)
            return Caller(record.account, principal, key_id, region, record.policy)
        if kept is not None:
            self._kept.forget(key_id)
            record = await self._look_up(key_id)  # what an unknown key costs as well
        if record is None:
            raise Fault(FaultKind.UNKNOWN_KEY, sigv4.UNKNOWN)
        raise Fault(FaultKind.WRONG_SIGNATURE, sigv4.MISMATCH)

    def check_service(self, claim: sigv4.SignatureClaim, service: str) -> None:
        """The signature is scoped to the service that the request is for. Faults: as `examine`."""
        if self._strict and service != claim.credential.service:
            sigv4.check_scope(claim, (service,), self._regions)

    def _check(self, claim: sigv4.SignatureClaim, request: Request, services: Collection[str]) -> None:
        sigv4.check_scope(claim, services, self._regions)
        sigv4.check_coverage(claim, request.headers)
        sigv4.check_payload(claim, secure=request.scheme == "https")
        sigv4.check_time(claim, self._now())

    def _holds(self, claim: sigv4.SignatureClaim, secret: str, request: Request, body: bytes) -> bool:
        covered = sigv4.payload_hash(claim, body)
        canonical = sigv4.canonical_request(
            claim,
            request.method,
            request.path,
            request.query,
            request.headers,
            payload=covered or b"of another body",
        )
        return self._signatures.hold(claim, secret, canonical) and covered is not None

    async def _look_up(self, key_id: str) -> AccessKeyRecord | None:
        found = self._lookup(key_id)
        return await found if isinstance(found, Awaitable) else found


def _anybody(claim: sigv4.SignatureClaim) -> Caller:
    """The caller in a sandbox, where a key id of twelve digits is that account (contract, sandbox)."""
    key_id = claim.credential.key_id
    account = key_id if len(key_id) == 12 and key_id.isascii() and key_id.isdigit() else SANDBOX_ACCOUNT
    region = claim.credential.region
    return Caller(account, caller_arn(region, account, "root"), key_id, region)
