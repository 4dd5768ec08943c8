"""`docs/reference/events.md`: every type of event, and what each means from its instant on."""

from __future__ import annotations

from typing import Final

from indicia.domain.dkim.rotation import Stage
from indicia.domain.events import identity_events, key_events
from indicia.domain.events.identity_events import TYPES, What
from pages.markdown import Blocks, code, table

PATH = "docs/reference/events.md"

# Those that are about no facet and no key.
_OTHERS: Final = {
    "identity.created": "The identity is there. Its proof is awaited, unless verification is instant.",
    "identity.deleted": "Nothing is sent as it unless a verified domain above covers it.",
    "identity.unknown_for_long": "Nothing was learnt of a verified domain for twice `INDICIA_CHECK_VERIFIED`."
    " The status stays, and no deadline runs.",
    "mail_from.removed": "Mail leaves with the default envelope again.",
    "webhook.test": "Asked for by the call that tests a webhook. It goes to that webhook alone.",
    "webhook.disabled": "A webhook is sent nothing any more: it said 410, or never worked for five days.",
    "demotions.paused": "Too many identities would have fallen within an hour: none does. To the operator.",
    "demotions.resumed": "The operator let them through.",
    "demotions.delayed": "Too many zones of the account would have fallen within an hour: they wait one more"
    " window. To the account and to the operator.",
}


def blocks() -> Blocks:
    """Return the table of types."""
    return {PATH: {"types": table(("type", "means"), [(code(each), _meaning(each)) for each in TYPES])}}


def _meaning(event_type: str) -> str:
    subject, _, what = event_type.partition(".")
    effect = identity_events.EFFECTS.get((subject, What(what))) if event_type not in _OTHERS else None
    if subject == identity_events.KEY:
        effect = key_events.EFFECTS[Stage(what)]
    if effect is None and event_type not in _OTHERS:
        raise ValueError(f"tools/pages/events.py does not say what {event_type} means: add it to _OTHERS")
    shown = _OTHERS[event_type] if effect is None else effect
    said = shown.format(name="the identity", bits="2048", selector="its selector")
    return said[0].upper() + said[1:]
