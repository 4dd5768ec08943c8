"""Publishing an identity's records in a sandbox, soundly or broken, for whoever talks to one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol
from urllib.parse import quote

import msgspec

from indicia.domain.verification.findings import Finding
from indicia.sandbox.breaking import ListedRecord, RecordSurroundings, Step, broken, sound

# Registers the same domain, so that there are records of another identity to mistake for one's own.
SOMEBODY_ELSE: Final = "000000000001"


class Talk(Protocol):
    """A way to talk to a sandbox. What is refused is raised as whoever talks has it."""

    def signed(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, *, account: str | None = None
    ) -> Any:
        """Return the answer of a signed call, made as another account where one is named."""

    def steer(self, method: str, place: str, body: Mapping[str, Any]) -> Any:
        """Return the answer of a call that steers the sandbox."""


def records_of(talk: Talk, identity: str, *, account: str | None = None) -> tuple[ListedRecord, ...]:
    """Return the records that should be published for an identity."""
    path = f"/indicia/v1/identities/{quote(identity, safe='')}/records"
    found = talk.signed("GET", path, account=account)["records"]
    return msgspec.convert(found, tuple[ListedRecord, ...])


def publish(
    talk: Talk, identity: str, records: Sequence[ListedRecord], finding: Finding | None = None
) -> tuple[Step, ...]:
    """Publish the records, wrongly where there is a finding to be had; return the steps that were taken.

    Raises: `UnbreakableError` when the finding fits none of the records.
    """
    if finding is None or finding is Finding.OK:
        steps = sound(records)
    else:
        others = _others(talk, identity) if finding is Finding.OTHER_IDENTITY else ()
        steps = broken(
            finding, records, RecordSurroundings(_zone_of(identity), _domain_of(identity), records, others)
        )
    for step in steps:
        method, body = step.call()
        talk.steer(method, "records", body)
    return steps


def _domain_of(identity: str) -> str:
    return identity.rpartition("@")[2].lower()


def _zone_of(identity: str) -> str:
    from indicia.publicsuffix import PublicSuffixes  # a long list, that few findings need

    return PublicSuffixes().registrable(_domain_of(identity))


def _others(talk: Talk, identity: str) -> tuple[ListedRecord, ...]:
    domain = f"somebody-else.{_zone_of(identity)}"
    listed = talk.signed("GET", "/v2/email/identities", account=SOMEBODY_ELSE)["EmailIdentities"]
    if domain not in [each["IdentityName"] for each in listed]:
        talk.signed("POST", "/v2/email/identities", {"EmailIdentity": domain}, account=SOMEBODY_ELSE)
    return records_of(talk, domain, account=SOMEBODY_ELSE)
