"""The look at records whose aliases are followed to their end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from indicia.domain.verification.chains import MOST_LINKS, next_links
from indicia.verifier.dns.deadline import Deadline

if TYPE_CHECKING:
    from indicia.domain.records.expected import ExpectedRecord
    from indicia.domain.records.observation import Question
    from indicia.domain.verification.check import Observations
    from indicia.verifier.dns.observer import DnsObserver


async def observe(
    observer: DnsObserver,
    records: Sequence[ExpectedRecord],
    questions: Sequence[Question],
    within: float | None = None,
) -> Observations:
    """Return what is seen for the questions, and of the links to which CNAMEs among the records lead on.

    Where `within` seconds end before a chain does, its further links are missing, so that nobody knows where
    it leads.

    Raises: `TimeoutError` when the questions themselves take longer than that.
    """
    deadline = None if within is None else Deadline(within)
    seen = await observer.observe(questions, within)
    for _ in range(MOST_LINKS):
        further = next_links(records, seen)
        left = None if deadline is None else deadline.left
        if not further or left == 0:
            break
        try:
            seen = {**seen, **await observer.observe(further, left)}
        except TimeoutError:
            break
    return seen
