"""The control questions of an installation: over its perspectives, and told; what has passed is kept."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from functools import partial

import structlog

from indicia.domain.verification.controls import LEARNED
from indicia.publicsuffix import PublicSuffixes
from indicia.store.engine import meta
from indicia.store.engine.database import Database
from indicia.store.engine.session import Session
from indicia.verifier.dns.perspectives import Perspectives
from indicia.verifier.engine.controls import Controls, Passed

log = structlog.get_logger("indicia")


def controls_of(
    database: Database, observer: Perspectives, key_zone: str, believed: Callable[[str, bool], None]
) -> Controls:
    """Return the control questions through these perspectives; what they learn outlives the process.

    `believed` hears in each round whether a perspective passes. The log has it where that changes.
    """
    before = dict.fromkeys(observer.names, "")

    def told(name: str, wrong: str) -> None:
        believed(name, not wrong)
        if wrong and not before[name]:
            log.error("perspective.not_believed", perspective=name, reason=wrong)
        elif before[name] and not wrong:
            log.info("perspective.believed", perspective=name)
        before[name] = wrong

    async def remember(passed: Collection[Passed]) -> None:
        await database.writing(partial(_put, key_zone=key_zone, passed=tuple(passed)))

    return Controls(
        observer,
        key_zone=key_zone,
        top_of=PublicSuffixes().top,
        known=database.read(partial(passed_before, key_zone=key_zone, names=observer.names)),
        remember=remember,
        told=told,
    )


def passed_before(s: Session, key_zone: str, names: Sequence[str]) -> list[Passed]:
    """Return the controls of the key zone that have passed before, in any process of the installation."""
    each = [(name, control) for name in names for control in LEARNED]
    return [passed for passed in each if meta.get(s, _key(key_zone, passed)) is not None]


def _put(s: Session, key_zone: str, passed: Collection[Passed]) -> None:
    for each in passed:
        meta.put_once(s, _key(key_zone, each), "passed")


def _key(key_zone: str, passed: Passed) -> str:
    name, control = passed
    return f"control:{control.name.lower()}:{key_zone}:{name}"
