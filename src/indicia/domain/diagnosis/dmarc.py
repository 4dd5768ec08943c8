"""DMARC as advice: the policy that receivers find, and whether what this service sends aligns with it.

A policy is searched at the domain and then at its organisation (RFC 7489 §6.6.3). Mail passes when the domain
in From aligns with one that DKIM or SPF has proved (§3.1): with itself where the policy is strict, with any
domain of the same organisation where it is relaxed. No status depends on any of it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from indicia.domain.diagnosis.wording import Explanation
from indicia.domain.names import shown
from indicia.domain.verification.findings import Finding

# RFC 7489 §6.3: the version comes first and is compared to the letter; anything else is some other text.
_VERSION: Final = re.compile(r"v[ \t]*=[ \t]*DMARC1[ \t]*(;|\Z)")
_TAG: Final = re.compile(r"[ \t]*([A-Za-z][A-Za-z0-9_]*)[ \t]*=[ \t]*(.*?)[ \t]*\Z", re.DOTALL)
_DISPOSITIONS: Final = frozenset({"none", "quarantine", "reject"})
_ASKS: Final = {
    "none": "asks receivers for nothing but reports",
    "quarantine": "asks receivers to take mail that fails for suspicious",
    "reject": "asks receivers to reject mail that fails",
}


def is_policy(text: str) -> bool:
    """Say whether a TXT record is a DMARC record."""
    return _VERSION.match(text) is not None


def tags(text: str) -> dict[str, str] | None:
    """Return the tags of a record, None when something in it is no tag or is there twice."""
    found: dict[str, str] = {}
    for part in text.split(";"):
        if not part.strip(" \t"):
            continue
        tag = _TAG.match(part)
        if tag is None or tag[1] in found:
            return None
        found[tag[1]] = tag[2]
    return found


def _flaw(text: str) -> str:
    """Return why receivers heed nothing of a policy that is not readable, as a clause."""
    seen: set[str] = set()
    for part in filter(str.strip, text.split(";")):
        tag = _TAG.match(part)
        if tag is None:
            return f'"{shown(part.strip())}" is no tag'
        if tag[1] in seen:
            return f"the tag {tag[1]}= is there twice"
        seen.add(tag[1])
    found = tags(text) or {}
    for name in ("p", "sp"):
        if name in found and found[name].lower() not in _DISPOSITIONS:
            return f'{name}="{shown(found[name])}" is none of none, quarantine and reject'
    return "it has no p= and no rua="


def is_readable(text: str) -> bool:
    """Say whether receivers would act on the policy (RFC 7489 §6.6.3 item 6: reports alone are enough)."""
    found = tags(text)
    if found is None:
        return False
    wanted = found.get("p", "").lower() in _DISPOSITIONS and found.get("sp", "none").lower() in _DISPOSITIONS
    return wanted or "rua" in found


@dataclass(frozen=True, slots=True)
class DmarcPolicy:
    """What receivers are asked for mail from a domain, and how exactly domains have to agree."""

    asks: str
    strict_dkim: bool
    strict_spf: bool


def read(text: str, *, inherited: bool) -> DmarcPolicy | None:
    """Return the policy of a record, None where receivers heed none.

    `inherited`: it is the organisation's, and the domain is below it, so that `sp` counts (RFC 7489 §6.3).
    """
    if not is_policy(text) or not is_readable(text):
        return None
    found: Mapping[str, str] = tags(text) or {}
    asks = found.get("p", "none").lower()
    if inherited:
        asks = found.get("sp", asks).lower()
    return DmarcPolicy(
        asks=asks if asks in _DISPOSITIONS else "none",
        strict_dkim=found.get("adkim", "r").lower() == "s",
        strict_spf=found.get("aspf", "r").lower() == "s",
    )


@dataclass(frozen=True, slots=True)
class Sender:
    """How mail of a domain is proved: `dkim` and `mail_from_stands` say whether the proof stands now.

    `mail_from` is the custom MAIL FROM domain, empty where bounces go to the service's own.
    """

    domain: str
    dkim: bool
    mail_from: str
    mail_from_stands: bool


def judge(texts: Sequence[str], at: str, sender: Sender) -> tuple[Finding, Explanation] | None:
    """Return what the texts at `at` mean for mail of the sender, None where no policy is among them."""
    policies = [text for text in texts if is_policy(text)]
    if not policies:
        return None
    name = f"_dmarc.{at}"
    if len(policies) > 1:
        told = f"{name} has {len(policies)} DMARC records, and receivers then heed none (RFC 7489 §6.6.3)."
        return Finding.MULTIPLE, Explanation(told, "Keep exactly one.")
    policy = read(policies[0], inherited=at != sender.domain)
    if policy is None:
        told = (
            f'The DMARC record at {name} cannot be read: {_flaw(policies[0])}. It is "{shown(policies[0])}".'
        )
        fix = f"Mend that at {name}: the policy is p=none, p=quarantine or p=reject, as it was meant."
        return Finding.WRONG_VALUE, Explanation(told, fix)
    whose = "" if at == sender.domain else f", which counts for {sender.domain} too,"
    asks = f"The policy at {name}{whose} {_ASKS[policy.asks]}."
    told = f"{asks} {_by_dkim(policy, sender)} {_by_spf(policy, sender)}"
    return Finding.OK, Explanation(told, _fix(policy, sender))


def _by_dkim(policy: DmarcPolicy, sender: Sender) -> str:
    if not sender.dkim:
        return "DKIM does not stand, so nothing passes by it."
    below = ", but not mail from its subdomains (adkim=s)" if policy.strict_dkim else " and its subdomains"
    return f"Mail from {sender.domain}{below} passes by DKIM."


def _by_spf(policy: DmarcPolicy, sender: Sender) -> str:
    if not sender.mail_from:
        return "Nothing passes by SPF: bounces go to this service, which is another organisation."
    if not sender.mail_from_stands:
        return f"Nothing passes by SPF while the MAIL FROM domain {sender.mail_from} is not verified."
    if policy.strict_spf:
        return f"Nothing passes by SPF: {sender.mail_from} is not {sender.domain} itself, as aspf=s demands."
    return f"Mail with the MAIL FROM domain {sender.mail_from} passes by SPF."


def _fix(policy: DmarcPolicy, sender: Sender) -> str:
    """Return what makes mail pass where nothing does; with one way that does there is nothing to do."""
    by_spf = bool(sender.mail_from) and sender.mail_from_stands and not policy.strict_spf
    if sender.dkim or by_spf:
        return ""
    return f"Let DKIM of {sender.domain} be verified and signing be enabled: until then no mail passes DMARC."
