"""What it takes to call an operation, declared once, by the subject that has it.

An entry names the types of its request and of its answer; the type checker holds its handler to them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, Final, Generic, NamedTuple, TypeAlias, TypeVar

from indicia.domain.arns import arn_beginning, identity_arn
from indicia.domain.call import Service
from indicia.domain.faults import Fault, FaultKind
from indicia.domain.identities.meant import name_meant
from indicia.domain.identities.resources import ResourceKind, parse_resource
from indicia.domain.names import MAX_ADDRESS, fold
from indicia.operations.own.route import OwnRoute
from indicia.operations.resources import NONE, resources_of
from indicia.wire.shapes import operations

if TYPE_CHECKING:
    from indicia.operations.call import Call
    from indicia.operations.context import OperationContext
    from indicia.store.engine.session import Session

Request = TypeVar("Request")  # what the caller sent
Looked = TypeVar("Looked")  # the request with what it needs of the store
Given = TypeVar("Given")  # what the handler takes
Found = TypeVar("Found")  # what a reading handler returns where more is made of that
Answer = TypeVar("Answer")  # what the caller gets

Handler: TypeAlias = "Callable[[OperationContext, Call, Given, Session], Answer]"
Preparation: TypeAlias = "Callable[[OperationContext, Call, Given], Answer]"
ManyAtOnce: TypeAlias = (
    "Callable[[OperationContext, Sequence[tuple[Call, Any]], Session], Sequence[Any | Fault]]"
)

ARN: Final = "arn"
NOTHING: Final = type(None)  # the answer of what answers nothing


class Rate(Enum):
    """What a call counts against (spec 2.2, 2.3: one request a second where documented)."""

    CONTROL = "control"  # each operation by itself, per account and region
    CHECK = "check"  # asks the DNS: the identity is the unit
    FREE = "free"


class Together(NamedTuple):
    """How calls of an operation that come at the same time are answered in one go.

    `fits` says of what was prepared whether it can be; `handler` returns for each call its answer, or the
    fault with which it is refused, for which nothing is written then. It is short, as it may run in the
    event loop (`Database.writing_with`).
    """

    fits: Callable[[Any], bool]
    handler: ManyAtOnce


@dataclass(frozen=True, slots=True)
class Handling(Generic[Request, Answer]):
    """How a request is answered, where that takes more than a handler in a transaction.

    What the handler takes is made before and outside of its transaction: `look` turns the request into what
    `prepare` takes, with what that needs of the store, and `prepare` does what is no business of a
    transaction. `finish` makes of what a reading handler returns the answer. `slow` says of what `prepare` or
    `finish` is given whether that takes long enough to hold up the event loop (`slow_work`), `mails` whether
    a mail in our own words is written for it. `together` is there where many such calls at once cost less
    than one after the other. `handler` is None where the answer takes more than the store: `Dispatch` is told
    who gives it.
    """

    handler: Handler[Any, Any] | None
    look: Handler[Request, Any] | None = None
    prepare: Preparation[Any, Any] | None = None
    finish: Preparation[Any, Answer] | None = None
    slow: Callable[[Any], bool] | None = None
    mails: Callable[[Any], bool] | None = None
    together: Together | None = None


def prepared(
    handler: Handler[Given, Answer],
    prepare: Preparation[Request, Given],
    *,
    slow: Callable[[Request], bool] | None = None,
    mails: Callable[[Request], bool] | None = None,
    together: Together | None = None,
) -> Handling[Request, Answer]:
    """Return the handling of what is prepared outside of the transaction, from the request alone."""
    return Handling(handler, prepare=prepare, slow=slow, mails=mails, together=together)


def looked_up(
    handler: Handler[Given, Answer],
    look: Handler[Request, Looked],
    prepare: Preparation[Looked, Given],
    *,
    slow: Callable[[Looked], bool],
    mails: Callable[[Looked], bool] | None = None,
) -> Handling[Request, Answer]:
    """Return the handling of what is prepared outside of the transaction, with what the store has of it."""
    return Handling(handler, look=look, prepare=prepare, slow=slow, mails=mails)


def finished(
    handler: Handler[Request, Found],
    finish: Preparation[Found, Answer],
    *,
    slow: Callable[[Found], bool],
) -> Handling[Request, Answer]:
    """Return the handling of a read of which the answer is made afterwards, outside of the transaction."""
    return Handling(handler, finish=finish, slow=slow)


@dataclass(frozen=True, slots=True)
class Entry(Generic[Request, Answer]):
    """One operation.

    `writes` says whether the handler changes anything; then the call is audited. `permission` is the action a
    policy must allow, `subject` the member of the request that names what it is about (`A.B` is a member of a
    member), empty where that is nothing in particular, and `about` what is named there: identities, another
    kind of resource, or `arn` where it is written out.
    `by_arn` says whether an identity may be named by its ARN as well (spec 11.3); where it may not, what has
    the form of an ARN is a name like any other.
    `repeats` are the races against another caller that are lost without a word: the operation documents no
    error for them and means the same when it is made twice, so the call is simply made again. `route` is
    where a call of our own is found. `kept` is whether the answer of a read is the same for everybody of the
    account, and at any time, as long as the store is as it is.
    """

    service: Service
    operation: str
    request: type[Request]
    answer: type[Answer]
    handling: Handling[Request, Any]
    writes: bool
    permission: str
    rate: Rate
    subject: str = ""
    repeats: frozenset[FaultKind] = frozenset()
    about: str = ResourceKind.IDENTITY.value
    by_arn: bool = False
    route: OwnRoute[Request, Answer] | None = None
    kept: bool = False

    def resource(self, call: Call, request: object) -> str:
        """Return the ARN of what the call is about; `*` where it is about none (spec 11.3).

        What cannot be the name of a resource is not written down either.
        """
        given = self._named(request)
        if self.about != ResourceKind.IDENTITY.value:
            return self._other_resource(call, given)
        if not isinstance(given, str):
            return NONE
        name = name_meant(given, call.account, call.region) if self.by_arn else fold(given)
        return identity_arn(call.region, call.account, name) if 0 < len(name) <= MAX_ADDRESS else NONE

    def resources(self, call: Call, request: object) -> tuple[str, ...]:
        """Return the ARN of everything the call is about, which its policy must allow; else `*`."""
        given = self._named(request)
        if self.about != ResourceKind.IDENTITY.value:
            return (self._other_resource(call, given),)
        return resources_of(call, given, by_arn=self.by_arn)

    def _named(self, request: object) -> object:
        """Return what the request names as its subject; None where it names nothing."""
        if not self.subject:
            return None
        for member in self.subject.split("."):
            request = getattr(request, member, None)
        return request

    def _other_resource(self, call: Call, given: object) -> str:
        """Return the ARN as a policy has it: however the caller wrote the name, it is the stored one."""
        beginning = arn_beginning(call.region, call.account)
        if not isinstance(given, str):
            return NONE
        try:
            written = given if self.about == ARN else f"{beginning}{self.about}/{given}"
            return beginning + parse_resource(written, call.account).key
        except Fault:
            return NONE


def v2(
    operation: str,
    request: type[Request],
    answer: type[Answer],
    answered: Handler[Request, Answer] | Handling[Request, Answer],
    *,
    writes: bool,
    subject: str = "EmailIdentity",
    about: str = ResourceKind.IDENTITY.value,
    kept: bool = False,
) -> Entry[Request, Answer]:
    """Declare an operation of API v2."""
    told = not writes or "ConcurrentModificationException" in operations("sesv2")[operation].errors
    return Entry(
        Service.SES_V2,
        operation,
        request,
        answer,
        handling_of(answered),
        writes,
        f"ses:{operation}",
        Rate.CONTROL,
        subject,
        repeats=frozenset() if told else frozenset({FaultKind.CONCURRENT_MODIFICATION}),
        about=about,
        kept=kept,
    )


# v1 documents no lost race, and what makes an identity there minds none that is there already (spec 2.3).
_V1_REPEATS: Final = frozenset({FaultKind.ALREADY_EXISTS, FaultKind.CONCURRENT_MODIFICATION})


def v1(
    operation: str,
    request: type[Request],
    answer: type[Answer],
    answered: Handler[Request, Answer] | Handling[Request, Answer],
    *,
    writes: bool,
    subject: str = "",
    about: str = ResourceKind.IDENTITY.value,
    by_arn: bool = False,
) -> Entry[Request, Answer]:
    """Declare an operation of API v1."""
    return Entry(
        Service.SES,
        operation,
        request,
        answer,
        handling_of(answered),
        writes,
        f"ses:{operation}",
        Rate.CONTROL,
        subject,
        repeats=_V1_REPEATS if writes else frozenset(),
        about=about,
        by_arn=by_arn,
    )


def always(_request: object) -> bool:
    """Say so, of whatever is asked."""
    return True


def handling_of(
    answered: Handler[Request, Answer] | Handling[Request, Answer],
) -> Handling[Request, Answer]:
    """Return the handling, of a handler alone where nothing else is given."""
    return answered if isinstance(answered, Handling) else Handling(answered)
