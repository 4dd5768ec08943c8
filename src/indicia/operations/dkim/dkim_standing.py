"""The DKIM side of an identity as both versions of the API show it."""

from __future__ import annotations

from collections.abc import Sequence

from indicia.domain.identities.identity import Facet, Identity, IdentityKind, KeyLength, Status, TokenSetKind
from indicia.domain.proofs.inheritance import is_signed, keys_of
from indicia.store.identities.identities import IdentityView
from indicia.wire.shapes import ses, sesv2
from indicia.wire.shapes.rules import timestamp, word

V1_STATUS = {
    Status.NOT_STARTED: "NotStarted",
    Status.PENDING: "Pending",
    Status.SUCCESS: "Success",
    Status.TEMPORARY_FAILURE: "TemporaryFailure",
    Status.FAILED: "Failed",
}


def dkim_source(view: IdentityView, above: Sequence[IdentityView]) -> IdentityView | None:
    """Return the identity whose DKIM applies to this one; None when none is set up.

    An address has the DKIM of the most specific registered domain; a domain has its own (spec 3.7).
    """
    if view.identity.kind is IdentityKind.DOMAIN:
        return view if view.token_set is not None else None
    return keys_of(above)


def dkim_status(view: IdentityView) -> Status:
    """Return the status of the DKIM facet; NOT_STARTED where it was never set up."""
    state = view.facets.get(Facet.DKIM)
    return Status.NOT_STARTED if state is None else state.status


def _is_awaited(view: IdentityView) -> bool:
    """Say whether mail is to be signed once there are tokens: a replica waits for its parent's."""
    return dkim_status(view) is not Status.NOT_STARTED and view.identity.signing_enabled


def _length_to_come(identity: Identity) -> KeyLength:
    """Return what is shown of an identity without DKIM: of a domain the shorter length (recorded).

    It has no say in what a domain gets when DKIM is set up.
    """
    plain = identity.kind is IdentityKind.DOMAIN and identity.origin == TokenSetKind.EASY.value
    return KeyLength.RSA_1024_BIT if plain else identity.next_key_length


def v2_attributes(
    view: IdentityView, above: Sequence[IdentityView], switch: bool | None
) -> sesv2.DkimAttributes:
    """Return the `DkimAttributes` of GetEmailIdentity (spec 2.4; what is omitted for BYODKIM: 4.2).

    `switch` is the one of an address, None where it has none: what is shown is what applies (spec 3.7).
    """
    source = dkim_source(view, above)
    if source is None or source.token_set is None:
        return sesv2.DkimAttributes(
            SigningEnabled=_is_awaited(view),
            Status=word(dkim_status(view)),
            SigningAttributesOrigin=view.identity.origin,
            NextSigningKeyLength=word(_length_to_come(view.identity)),
        )
    token_set = source.token_set
    easy = token_set.kind is TokenSetKind.EASY
    next_length = token_set.wanted_length or source.identity.next_key_length
    return sesv2.DkimAttributes(
        SigningEnabled=is_signed(source, switch),
        Status=word(dkim_status(source)),
        Tokens=list(token_set.tokens),
        SigningHostedZone=token_set.zone if easy else None,
        SigningAttributesOrigin=source.identity.origin,
        NextSigningKeyLength=word(next_length) if easy else None,
        CurrentSigningKeyLength=word(token_set.key_length) if easy and token_set.key_length else None,
        LastKeyGenerationTimestamp=timestamp(token_set.key_made_at) if easy else None,
    )


def v1_attributes(
    view: IdentityView, above: Sequence[IdentityView], switch: bool | None
) -> ses.IdentityDkimAttributes:
    """Return the entry of GetIdentityDkimAttributes. `switch` as in `v2_attributes`."""
    source = dkim_source(view, above)
    if source is None or source.token_set is None:
        return ses.IdentityDkimAttributes(
            DkimEnabled=_is_awaited(view), DkimVerificationStatus=V1_STATUS[dkim_status(view)], DkimTokens=[]
        )
    return ses.IdentityDkimAttributes(
        DkimEnabled=is_signed(source, switch),
        DkimVerificationStatus=V1_STATUS[dkim_status(source)],
        DkimTokens=list(source.token_set.tokens),
    )
