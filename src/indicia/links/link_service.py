"""What a visit to a link finds in the store, and what a button does there. One visit is one transaction."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Final

from indicia.announcements.event_recorder import EventRecorder
from indicia.domain.arns import identity_arn
from indicia.domain.events.identity_events import Reason, of_change
from indicia.domain.identities.identity import Facet, Status
from indicia.domain.proofs.transitions import use_link as proved_by_link
from indicia.domain.verification.asking import AskedBy
from indicia.domain.verification.findings import Finding
from indicia.domain.verification_mail.links import Link, LinkEvent, LinkState, after, mailbox_of, state_of
from indicia.links.visits import Act, LinkRequest, VisitFindings
from indicia.store.accounts import audit
from indicia.store.engine.sharding import shard_of
from indicia.store.identities import identities
from indicia.store.proofs import facets
from indicia.store.verification import checks, evidence
from indicia.store.verification_mail import links, mailings

if TYPE_CHECKING:
    from collections.abc import Callable

    from indicia.domain.identities.identity import Identity
    from indicia.domain.time import Instant
    from indicia.runtime.clock import Clock
    from indicia.store.engine.database import Database
    from indicia.store.engine.session import Session


class LinkService:
    """The links of a database, as of the clock. Implements `visits.Links`.

    `announcer` writes down what a visit changed; `news` is called when that may be delivered.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        *,
        announcer: EventRecorder | None = None,
        news: Callable[[], None] = lambda: None,
    ) -> None:
        self._database = database
        self._clock = clock
        self._announcer = announcer or EventRecorder()
        self._news = news

    async def look(self, token_hash: bytes) -> VisitFindings:
        """Return what is there. Nothing is different afterwards."""
        return await self._database.reading(partial(look, token_hash=token_hash, now=self._clock.now()))

    async def act(self, token_hash: bytes, act: Act, address: str) -> VisitFindings:
        """Return what is there after the act, which has been done where the link allows it, durably.

        What an act changes is in the audit log, with the `address` that the visitor comes from.
        """
        now = self._clock.now()
        work = {
            Act.CONFIRM: lambda s: use_link(s, token_hash, now, self._announcer),
            Act.STOP: lambda s: stop_mails(s, token_hash, now),
            Act.ALLOW: lambda s: allow_mails(s, token_hash, now),
        }

        def done(s: Session) -> VisitFindings:
            seen = work[act](s)
            if seen.changed:
                audit.append(s, _entry(act, seen, address, now))
            return seen

        seen = await self._database.writing(done)
        if seen.changed:
            self._news()
        return seen


_OPERATIONS: Final = {
    Act.CONFIRM: "ConfirmAddress",
    Act.STOP: "StopVerificationMails",
    Act.ALLOW: "AllowVerificationMails",
}


def _entry(act: Act, seen: VisitFindings, address: str, now: Instant) -> audit.AuditEntry:
    """Return the entry of an act. Whoever does it has no key: it is whoever has the link."""
    request = seen.request
    return audit.AuditEntry(
        at=now,
        account=request.account if request else "",
        principal="link",
        access_key="",
        address=address,
        operation=f"links:{_OPERATIONS[act]}",
        resource=identity_arn(request.region, request.account, request.address) if request else "*",
        outcome="success",
        request_id="",
        detail="" if request else f"mailbox {seen.mailbox}",
    )


def look(session: Session, token_hash: bytes, now: Instant) -> VisitFindings:
    """Return what is known of the link and its mailbox."""
    link = links.find(session, token_hash)
    identity = None if link is None else identities.by_id(session, link.identity_id)
    if link is None or identity is None:
        mailbox = mailings.mailbox_of(session, token_hash)
        stopped = mailbox is not None and mailings.stopped(session, mailbox)
        return VisitFindings(LinkState.UNKNOWN, None, mailbox, stopped)
    mailbox = mailbox_of(identity.name)
    stopped = mailings.stopped(session, mailbox)
    newest = link.superseded_at is None
    state = state_of(Link(link.expires_at, link.used_at, newest=newest, stopped=stopped), now)
    request = LinkRequest(identity.name, identity.account, identity.region, link.created_at, link.expires_at)
    return VisitFindings(state, request, mailbox, stopped, landing=link.landing)


def use_link(
    session: Session, token_hash: bytes, now: Instant, announcer: EventRecorder | None = None
) -> VisitFindings:
    """Prove the address, if the link is one that still does, and return what is there then.

    `changed` says whether this call did it. Of two at the same moment one does: the link is used up first.
    """
    seen = look(session, token_hash, now)
    if after(seen.state, LinkEvent.CONFIRM) is not LinkState.USED:
        return seen
    link = links.find(session, token_hash)
    identity = None if link is None else identities.by_id(session, link.identity_id)
    if identity is None or _given_up(session, identity):
        # By another machine, whose clock is ahead: what has failed needs another mail.
        links.end(session, token_hash, now)
        return look(session, token_hash, now)
    if not links.use(session, token_hash, now):
        return look(session, token_hash, now)
    _prove(session, identity, now, announcer or EventRecorder())
    return replace(seen, state=LinkState.USED, changed=True)


def _given_up(session: Session, identity: Identity) -> bool:
    state = facets.get_all(session, identity.id).get(Facet.LINK)
    return state is not None and state.status is Status.FAILED


def _prove(session: Session, identity: Identity, now: Instant, announcer: EventRecorder) -> None:
    # A check that runs now has read the facet as it was and would put it back: its lease ends here.
    checks.schedule(session, identity.id, shard_of(identity.name), now)
    known = facets.get_all(session, identity.id)
    state = known.get(Facet.LINK)
    if state is None:
        return
    change = proved_by_link(state, now)
    facets.put(session, identity.id, change.state)
    if change.cause is None:
        return
    verdict = evidence.StoredVerdict(
        identity_id=identity.id,
        facet=Facet.LINK,
        at=now,
        generation=change.state.generation,
        asked_by=AskedBy.LINK,
        status_before=state.status,
        status_after=change.state.status,
        finding=Finding.OK.value,
        digest=change.cause.value,
        body=json.dumps({"cause": change.cause.value}),
    )
    evidence.add(session, [verdict])
    reason = Reason(change.cause, "The link in the mail was used.", now)
    announcer.announce(session, of_change(identity, known, change.state, reason))


def stop_mails(session: Session, token_hash: bytes, now: Instant) -> VisitFindings:
    """Put the mailbox on the stop list and end the link, and return what is there then.

    This works as long as the mail is remembered, whatever became of the link: a caller who deletes the
    identity must not thereby keep the mailbox within reach.
    """
    seen = look(session, token_hash, now)
    if seen.mailbox is None or seen.stopped:
        return seen
    mailings.stop(session, seen.mailbox, now)
    links.end(session, token_hash, now)
    return replace(look(session, token_hash, now), changed=True)


def allow_mails(session: Session, token_hash: bytes, now: Instant) -> VisitFindings:
    """Take the mailbox off the stop list, and return what is there then. The ended link stays ended."""
    seen = look(session, token_hash, now)
    if seen.mailbox is None or not seen.stopped:
        return seen
    mailings.resume(session, seen.mailbox)
    return replace(look(session, token_hash, now), changed=True)
