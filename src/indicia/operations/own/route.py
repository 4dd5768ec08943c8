"""What SES has no operation for: one declaration a call, with all that is to be known of it.

Routes, access, the OpenAPI description, the pages of the documentation and the tests are made from it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from msgspec import structs

from indicia.wire.own import Access, labels_of

if TYPE_CHECKING:
    from indicia.wire.own import Asked

Request = TypeVar("Request")
Answer = TypeVar("Answer")

WHOLE: Final = "*"


@dataclass(frozen=True, slots=True)
class OwnRoute(Generic[Request, Answer]):
    """One call.

    `template` is its path with labels in braces, `summary` says what is true afterwards, `status` is that of
    its answer. `request` is read from what came: a label and a parameter of the query give the member of
    their name (a hyphen is an underscore there), and the body gives the member that `body` names, or all of
    them where that is `*`. `query` says what each parameter means; what is not given keeps its default.
    """

    method: str
    template: str
    operation: str
    request: type[Request]
    answer: type[Answer]
    summary: str
    status: int = 200
    query: Mapping[str, str] = field(default_factory=dict)
    body: str = ""
    access: Access = Access.SIGNED

    @property
    def body_type(self) -> type[Any] | None:
        """What the body holds; None where the call takes none."""
        if not self.body or self.body == WHOLE:
            return self.request if self.body else None
        found: type[Any] = next(
            each.type
            for each in structs.fields(self.request)  # type: ignore[arg-type]  # requests are structs
            if each.name == self.body
        )
        return found

    def read(self, asked: Asked) -> Request:
        """Return the request. Raises: `Fault` INVALID_PARAMETER saying what is wrong with the body."""
        if self.body == WHOLE:
            return asked.read(self.request)
        given: dict[str, Any] = {label: asked.labels[label] for label in labels_of(self.template)}
        given |= {name.replace("-", "_"): asked.query[name] for name in self.query if name in asked.query}
        if self.body_type is not None:
            given[self.body] = asked.read(self.body_type)
        return self.request(**given)
