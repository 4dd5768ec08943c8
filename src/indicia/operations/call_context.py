"""The circumstances of a call, as the condition keys of policies name them (spec 8.4).

What a call does not have is not there: whether the condition of a statement then holds, its operator says.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from indicia.domain.call import UNKNOWN_ADDRESS, Service
from indicia.domain.faults import FaultKind, refuse
from indicia.domain.names import shown
from indicia.domain.policies.conditions import UNKNOWN
from indicia.domain.sending.mailboxes import Mailbox, parse_mailboxes
from indicia.domain.time import rfc3339

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from indicia.operations.call import Call

_API_VERSIONS = {Service.SES: "1", Service.SES_V2: "2"}
# Where requests say who sends and to whom: v2 first, then v1.
_FROM = ("FromEmailAddress", "Source")
_FEEDBACK = ("FeedbackForwardingEmailAddress", "ReturnPath")
_LISTS = ("ToAddresses", "CcAddresses", "BccAddresses")


def context_of(call: Call, request: object, resource: str = "*") -> dict[str, tuple[str, ...]]:
    """Return the values of the condition keys that the call has.

    Raises: `Fault` INVALID_PARAMETER for a sender or a recipient that cannot be read: no policy could decide.
    """
    context: dict[str, tuple[str, ...]] = {
        "aws:CurrentTime": (rfc3339(call.now),),
        "aws:EpochTime": (str(call.now // 1000),),
        "aws:PrincipalAccount": (call.account,),
        "aws:PrincipalArn": (call.principal,),
        "aws:RequestedRegion": (call.region,),
        "aws:SecureTransport": ("true" if call.secure else "false",),
    }
    if call.address:
        context["aws:SourceIp"] = UNKNOWN if call.address == UNKNOWN_ADDRESS else (call.address,)
    if call.user_agent:
        context["aws:UserAgent"] = (call.user_agent,)
    user = call.principal.rpartition(":user/")[2] if ":user/" in call.principal else ""
    if user:
        context["aws:username"] = (user,)
    if resource != "*":
        context["aws:ResourceAccount"] = (resource.split(":", 5)[4],)
    replica_region = getattr(request, "replica_region", None)
    if isinstance(replica_region, str):
        context["ses:ReplicaRegion"] = (replica_region,)
    if call.service in _API_VERSIONS:
        context["ses:ApiVersion"] = (_API_VERSIONS[call.service],)
        context.update(_sending(request))
    return context


def _sending(request: object) -> Mapping[str, tuple[str, ...]]:
    """Return who is said to send, and to whom."""
    found: dict[str, tuple[str, ...]] = {}
    sender = _first(request, _FROM)
    if sender:
        mailbox = _read(sender)[0]
        found["ses:FromAddress"] = (mailbox.address,)
        if mailbox.name:
            found["ses:FromDisplayName"] = (mailbox.name,)
    feedback = _first(request, _FEEDBACK)
    if feedback:
        found["ses:FeedbackAddress"] = (feedback,)
    recipients = tuple(
        mailbox.address for text in _recipients(request) for mailbox in _read(text) if mailbox.address
    )
    if recipients:
        found["ses:Recipients"] = recipients
    return found


def _read(value: str) -> list[Mailbox]:
    try:
        return parse_mailboxes(value) or [Mailbox("", "")]
    except ValueError:
        refuse(FaultKind.INVALID_PARAMETER, f"Invalid email address<{shown(value)}>.")


def _first(request: object, members: Iterable[str]) -> str:
    for member in members:
        value = getattr(request, member, None)
        if isinstance(value, str) and value:
            return value
    return ""


def _recipients(request: object) -> list[str]:
    """Return every recipient that the request names, in To, Cc and Bcc or in one list (v1 raw)."""
    places = [getattr(getattr(request, "Destination", None), name, None) for name in _LISTS]
    places.append(getattr(request, "Destinations", None))
    return [each for place in places if isinstance(place, list) for each in place if isinstance(each, str)]
