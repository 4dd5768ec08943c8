"""How a subject declares an operation that SES does not have."""

from __future__ import annotations

from typing import Any

from indicia.domain.call import Service
from indicia.operations.entry import Answer, Entry, Handler, Handling, Rate, Request
from indicia.operations.own.route import OwnRoute

IDENTITY = "/indicia/v1/identities/{name}"


def own(
    route: OwnRoute[Request, Answer],
    answered: Handler[Request, Answer | str] | Handling[Request, Answer | str],
    *,
    writes: bool,
    rate: Rate = Rate.CONTROL,
    subject: str = "name",
    by_arn: bool = False,
) -> Entry[Request, Answer]:
    """Declare it: `answered` returns the answer, or text where the caller asked for that."""
    handling: Handling[Request, Any] = answered if isinstance(answered, Handling) else Handling(answered)
    return Entry(
        Service.OWN,
        route.operation,
        route.request,
        route.answer,
        handling,
        writes,
        f"indicia:{route.operation}",
        rate,
        subject,
        by_arn=by_arn,
        route=route,
    )
