"""What proved an identity goes on proving it when its owner changes what should be published.

Whoever starts DKIM anew comes here first, holding the identity: what is carried is what is stored at that
moment, so that no absence that the verifier has seen meanwhile is lost.
"""

from __future__ import annotations

from indicia.domain.identities.identity import Facet, FacetState, Identity
from indicia.domain.proofs.transitions import carry
from indicia.store.engine.session import Session
from indicia.store.proofs import carried, facets


def carry_on(s: Session, before: Identity) -> dict[Facet, FacetState]:
    """Carry what DKIM has proved, if it has; return the states of all facets, what is carried among them.

    `before` is the identity as it was published when that was proved. Where DKIM has proved nothing since,
    what was carried stays as it is (verification.md, "A proof that is carried").
    """
    known = facets.get_all(s, before.id)
    state = carry(known.get(Facet.DKIM))
    if state is not None and before.token_set_id is not None:
        carried.put(s, before.id, before.token_set_id, state)
        known[state.facet] = state
    return known
