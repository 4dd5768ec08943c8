"""The custom MAIL FROM domain of an identity: which names may be one, and what setting it begins."""

from __future__ import annotations

from enum import Enum

from indicia.domain.faults import FaultKind, refuse
from indicia.domain.identities.identity import MxFailureBehavior, Status
from indicia.domain.names import IdentityName, fold_domain, parse_domain, shown, under


class Step(Enum):
    """What becomes of the search for the MX when MAIL FROM is set."""

    KEEP = "keep"  # it goes on, or has its result
    BEGIN = "begin"  # another domain, or one whose search has ended in failure
    FORGET = "forget"  # there is no domain any more


class Envelope(Enum):
    """With which envelope a message may leave."""

    CUSTOM = "custom"  # the MAIL FROM domain of the identity
    DEFAULT = "default"  # a name under the service domain
    REFUSED = "refused"  # none: MailFromDomainNotVerifiedException


def envelope(domain: str, status: Status | None, behavior: MxFailureBehavior) -> Envelope:
    """Return the envelope for mail of an identity whose MAIL FROM stands so (spec 3.5).

    Only SUCCESS is good enough: in a grace period the domain's owner gets no bounces.
    """
    if not domain:
        return Envelope.DEFAULT
    if status is Status.SUCCESS:
        return Envelope.CUSTOM
    return Envelope.REFUSED if behavior is MxFailureBehavior.REJECT_MESSAGE else Envelope.DEFAULT


def parse_mail_from(text: str, identity: IdentityName, *, asked: str) -> str:
    """Return the MAIL FROM domain in lower case: strictly below the domain of its identity (spec 6.3).

    `asked` is the identity's name as the caller wrote it. The identity's own domain, its parent and a sibling
    are refused alike, whatever the guide says of parents (probed).

    Raises: `Fault` INVALID_PARAMETER `Provided MAIL-FROM domain <M> is not subdomain of the domain of the
    identity <X>.`; `Invalid domain name M.` for one that is below it and can be no domain.
    """
    folded = fold_domain(text)
    if folded == identity.domain or not under(folded, identity.domain):
        refuse(
            FaultKind.INVALID_PARAMETER,
            f"Provided MAIL-FROM domain <{shown(text)}> is not subdomain of the domain of the identity"
            f" <{shown(asked)}>.",
        )
    return parse_domain(folded).text


def next_step(domain: str, status: Status | None, wanted: str) -> Step:
    """Return what setting MAIL FROM means for a facet that has `status`, None where it has none.

    The same domain again loses nothing that is there; only what has failed begins anew (spec 3.5: "stops;
    must be set again").
    """
    if not wanted:
        return Step.FORGET if domain else Step.KEEP
    if wanted != domain or status in (None, Status.FAILED, Status.NOT_STARTED):
        return Step.BEGIN
    return Step.KEEP
