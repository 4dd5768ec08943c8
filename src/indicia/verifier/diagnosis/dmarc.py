"""What a look says of the DMARC policy of a domain: its own, or that of its organisation."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from indicia.domain.diagnosis import dmarc
from indicia.domain.diagnosis.recommendations import DMARC_LABEL, agreed
from indicia.domain.identities.identity import Facet, Status
from indicia.domain.records.observation import Question, RecordType
from indicia.domain.verification.check import Rules

if TYPE_CHECKING:
    from indicia.domain.diagnosis.wording import Explanation
    from indicia.domain.verification.findings import Finding
    from indicia.store.identities.identities import IdentityView
    from indicia.verifier.dns.observer import DnsObserver


async def judged(
    observer: DnsObserver, rules: Rules, view: IdentityView, registrable: Callable[[str], str]
) -> tuple[Finding, Explanation] | None:
    """Return what receivers find and what that means, None where they find nothing or nobody can say.

    `registrable` returns the domain of the organisation that a domain belongs to (RFC 7489 §3.2).
    """
    domain = view.identity.name
    for at in dict.fromkeys((domain, registrable(domain))):
        question = Question(f"{DMARC_LABEL}.{at}", RecordType.TXT)
        seen = await observer.observe([question])
        texts = agreed(seen[question], rules.quorum)
        if texts is None:
            return None
        found = dmarc.judge(texts, at, _sender(view))
        if found is not None:
            return found
    return None


def _sender(view: IdentityView) -> dmarc.Sender:
    def stands(facet: Facet) -> bool:
        state = view.facets.get(facet)
        return state is not None and state.status is Status.SUCCESS

    return dmarc.Sender(
        domain=view.identity.name,
        dkim=stands(Facet.DKIM) and view.identity.signing_enabled,
        mail_from=view.identity.mail_from_domain,
        mail_from_stands=stands(Facet.MAIL_FROM),
    )
