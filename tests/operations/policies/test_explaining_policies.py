"""POST /indicia/v1/policy/explain: what would be decided about whom, and why."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from desk import Desk

from indicia.domain.faults import Fault, FaultKind
from indicia.domain.identities.identity import Facet, Status
from indicia.operations.own.api import routes
from indicia.store.accounts import access
from indicia.wire.own import Asked

OTHER = "444455556666"


def arn(desk: Desk, name: str = "example.com") -> str:
    """Return the ARN of an identity of the desk."""
    return f"arn:aws:ses:{desk.region}:{desk.account}:identity/{name}"


def register(desk: Desk, *names: str) -> None:
    """Register identities that are verified."""
    for name in names:
        desk.ask("CreateEmailIdentity", EmailIdentity=name)
        desk.find(name, Facet.LINK if "@" in name else Facet.DKIM, Status.SUCCESS)


def hang(desk: Desk, identity: str, name: str, **elements: Any) -> None:
    """Hang a policy on an identity that lets the other account send, but for what is given."""
    statement = {
        "Sid": name,
        "Effect": "Allow",
        "Principal": {"AWS": OTHER},
        "Action": "ses:SendEmail",
        "Resource": arn(desk, identity),
        **elements,
    }
    desk.ask(
        "CreateEmailIdentityPolicy",
        EmailIdentity=identity,
        PolicyName=name,
        Policy=json.dumps({"Statement": statement}),
    )


def explained(desk: Desk, resource: str, principal: str = OTHER, **more: Any) -> tuple[str, str]:
    """Return decision and reason."""
    answer = desk.ask(
        "ExplainPolicy",
        **{"principal": principal, "action": "ses:SendEmail", "resource": resource, **more},
    )
    return answer.decision, answer.because


ALLOWED = "The principal's own account must allow it as well."


def test_another_account_needs_a_statement(desk: Desk) -> None:
    """Denied while nothing names it; then the statement is named, and what else it takes."""
    register(desk, "example.com")
    assert explained(desk, arn(desk)) == ("deny", "There is no policy that could allow it.")

    hang(desk, "example.com", "partners", Condition={"StringLike": {"ses:FromAddress": "*@example.com"}})

    assert explained(desk, arn(desk)) == (
        "deny",
        (
            "No statement allows it. Statement 1 (partners) of policy partners does not apply: its condition"
            ' StringLike of ses:FromAddress and "*@example.com" does not hold, as the request has no'
            " ses:FromAddress."
        ),
    )
    assert explained(desk, arn(desk), context={"ses:FromAddress": "ann@example.com"}) == (
        "allow",
        f"Statement 1 (partners) of policy partners allows it. {ALLOWED}",
    )


def test_an_action_is_asked_about_in_any_case(desk: Desk) -> None:
    """As it stands in the policy, however that is written."""
    register(desk, "example.com")
    hang(desk, "example.com", "partners", Action="Ses:sendEMAIL")

    for action in ("ses:SendEmail", "SES:SendEmail", "ses:SENDEMAIL"):
        assert explained(desk, arn(desk), action=action) == (
            "allow",
            f"Statement 1 (partners) of policy partners allows it. {ALLOWED}",
        )
    assert explained(desk, arn(desk), action="SES:SendRawEmail")[0] == "deny"


def test_the_address_goes_before_the_domain(desk: Desk) -> None:
    """An address that is registered decides for itself and its labels; any other is the domain's."""
    register(desk, "example.com", "ann@example.com")
    hang(desk, "example.com", "all")
    hang(desk, "ann@example.com", "notann", Effect="Deny")
    denied = ("deny", "Statement 1 (notann) of policy notann denies it.")

    assert explained(desk, arn(desk, "ann@example.com")) == denied
    assert explained(desk, arn(desk, "ann+news@example.com")) == denied
    assert explained(desk, arn(desk), context={"ses:FromAddress": "ann@example.com"}) == denied
    assert explained(desk, arn(desk, "bob@example.com"))[0] == "allow"
    assert explained(desk, arn(desk, "bob@mail.example.com"))[0] == "allow"
    assert explained(desk, arn(desk))[0] == "allow"


def test_only_what_is_verified_counts(desk: Desk) -> None:
    """The policy of an address that waits for its link says nothing while its domain is verified."""
    register(desk, "example.com")
    hang(desk, "example.com", "all")
    desk.ask("CreateEmailIdentity", EmailIdentity="ann@example.com")
    hang(desk, "ann@example.com", "notann", Effect="Deny")

    assert explained(desk, arn(desk, "ann@example.com"))[0] == "allow"
    desk.find("example.com", Facet.DKIM, Status.FAILED)
    assert explained(desk, arn(desk, "ann@example.com"))[0] == "deny"


@pytest.mark.parametrize(
    ("principal", "elements"),
    [
        ("cognito-idp.amazonaws.com", {"Principal": {"Service": "cognito-idp.amazonaws.com"}}),
        (f"arn:aws:iam::{OTHER}:role/Mailer", {"Principal": {"AWS": f"arn:aws:iam::{OTHER}:role/Mailer"}}),
        (
            f"arn:aws:sts::{OTHER}:assumed-role/Mailer/x",
            {"Principal": {"AWS": f"arn:aws:iam::{OTHER}:role/Mailer"}},
        ),
        (f"arn:aws:iam::{OTHER}:user/ann", {}),
        (OTHER, {"Condition": {"DateLessThan": {"aws:CurrentTime": "2030-01-01"}}}),
    ],
)
def test_who_may_be_asked_about(sqlite_desk: Desk, principal: str, elements: dict[str, Any]) -> None:
    """Accounts, users, roles and their sessions, services; that it is now need not be said."""
    register(sqlite_desk, "example.com")
    hang(sqlite_desk, "example.com", "all", **elements)

    assert explained(sqlite_desk, arn(sqlite_desk), principal)[0] == "allow"


def give_key(desk: Desk, key: str, user: str | None, policy: dict[str, Any] | None) -> None:
    """Store an access key of the account."""
    text = None if policy is None else json.dumps({"Statement": policy})
    stored = access.AccessKey(key, desk.account, user, b"", text, desk.now, None)
    account = access.Account(desk.account, "", desk.now, True, True)

    def work(s: Any) -> None:
        access.put_account(s, account)
        access.create_key(s, stored)

    desk.database.write(work)


def test_the_own_account_is_held_to_its_keys_and_to_a_deny(desk: Desk) -> None:
    """It needs no sending policy; what its access keys may do is told, and an explicit Deny counts."""
    register(desk, "example.com")
    ann, bob = (f"arn:aws:iam::{desk.account}:user/{name}" for name in ("ann", "bob"))
    assert explained(desk, arn(desk), desk.account) == ("allow", "No policy limits the root of the account.")
    give_key(desk, "AKIAEXAMPLEROOTROOTR", None, None)
    give_key(desk, "AKIAEXAMPLEANNANNANN", "ann", {"Effect": "Allow", "Action": "ses:Get*", "Resource": "*"})

    assert explained(desk, arn(desk), desk.account) == (
        "allow",
        "The access key AKIAEXAMPLEROOTROOTR has no policy, so it may do everything of its account.",
    )
    assert explained(desk, arn(desk), bob) == ("deny", f"There is no access key of {bob}.")
    assert explained(desk, arn(desk), ann) == (
        "deny",
        (
            "By the policy of the access key AKIAEXAMPLEANNANNANN: No statement allows it. Statement 1 does"
            " not apply: its actions do not include ses:SendEmail."
        ),
    )
    assert explained(desk, arn(desk), ann, action="ses:GetEmailIdentity") == (
        "allow",
        "By the policy of the access key AKIAEXAMPLEANNANNANN: Statement 1 allows it.",
    )

    hang(desk, "example.com", "notus", Effect="Deny", Principal={"AWS": desk.account})
    assert explained(desk, arn(desk), desk.account) == (
        "deny",
        "Statement 1 (notus) of policy notus denies it.",
    )


@pytest.mark.parametrize("key", ["ses:FromAddress", "ses:Recipients", "aws:CurrentTime"])
def test_a_key_without_values_is_not_there(sqlite_desk: Desk, key: str) -> None:
    """An empty list of values says of every key, also of one that is known otherwise, that it has none."""
    register(sqlite_desk, "example.com")
    hang(sqlite_desk, "example.com", "absent", Condition={"Null": {key: "true"}})

    assert explained(sqlite_desk, arn(sqlite_desk), context={key: []})[0] == "allow"


@pytest.mark.parametrize(
    ("members", "kind", "sentence"),
    [
        ({"resource": "*"}, FaultKind.INVALID_PARAMETER, "The resource * is not the ARN of an identity."),
        (
            {"resource": "arn:aws:ses:eu-west-1:111122223333:configuration-set/x"},
            FaultKind.INVALID_PARAMETER,
            (
                "The resource arn:aws:ses:eu-west-1:111122223333:configuration-set/x is not the ARN of an"
                " identity."
            ),
        ),
        (
            {"resource": f"arn:aws:ses:eu-west-1:{OTHER}:identity/example.com"},
            FaultKind.ACCESS_DENIED,
            "Only identities of your own account can be asked about.",
        ),
        (
            {"resource": "arn:aws:ses:us-east-1:111122223333:identity/example.com"},
            FaultKind.INVALID_PARAMETER,
            "The resource is in us-east-1; sign the request for that region.",
        ),
        (
            {"resource": "arn:aws:ses:eu-west-1:111122223333:identity/none.example"},
            FaultKind.NOT_FOUND,
            "Email identity <none.example> does not exist.",
        ),
        (
            {"principal": "ann"},
            FaultKind.INVALID_PARAMETER,
            (
                "The principal ann is neither an account id nor the ARN of a root, a user or a role, nor an"
                " AWS service."
            ),
        ),
        (
            {"action": "ses:Send*"},
            FaultKind.INVALID_PARAMETER,
            "The action ses:Send* is not one as ses:SendEmail is.",
        ),
        (
            {"context": {"aws:Nothing": "x"}},
            FaultKind.INVALID_POLICY,
            "Unknown or unapplicable condition field 'aws:Nothing'.",
        ),
    ],
)
def test_what_cannot_be_asked(
    sqlite_desk: Desk, members: dict[str, Any], kind: FaultKind, sentence: str
) -> None:
    """Each part says what is wrong with it."""
    register(sqlite_desk, "example.com")
    asked = {"principal": OTHER, "action": "ses:SendEmail", "resource": arn(sqlite_desk), **members}

    fault = sqlite_desk.refused("ExplainPolicy", **asked)

    assert (fault.kind, fault.message) == (kind, sentence)


def over_http(desk: Desk, body: bytes) -> bytes:
    """Return what the route answers to a body."""
    route = next(route for route in routes(desk.dispatch) if route.operation == "ExplainPolicy")
    assert (route.method, route.template) == ("POST", "/indicia/v1/policy/explain")

    async def answered() -> bytes:
        return (await route.answer(desk.call("indicia", "ExplainPolicy"), Asked({}, {}, body))).body

    return asyncio.run(answered())


def test_the_route_takes_and_gives_json(desk: Desk) -> None:
    """As the contract has it, to the octet; a value of the context may be a list."""
    register(desk, "example.com")
    condition = {"ForAllValues:StringLike": {"ses:Recipients": "*@x.example"}}
    hang(desk, "example.com", "p", Condition=condition)
    asked = {
        "principal": OTHER,
        "action": "ses:SendEmail",
        "resource": arn(desk),
        "context": {"ses:Recipients": ["a@x.example", "b@x.example"], "aws:SourceIp": "192.0.2.1"},
    }

    assert over_http(desk, json.dumps(asked).encode()) == (
        b'{"decision":"allow","because":"Statement 1 (p) of policy p allows it.'
        b" The principal's own account must allow it as well.\"}"
    )


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"{}", b'{"principal": 1}', b"\xff", b'{"x": 1}', b"[" * 9999]
)
def test_a_body_that_is_none_is_refused(sqlite_desk: Desk, body: bytes) -> None:
    """As a mistake of the caller's."""
    with pytest.raises(Fault) as refused:
        over_http(sqlite_desk, body)
    assert refused.value.kind is FaultKind.INVALID_PARAMETER


def test_the_description_has_it(sqlite_desk: Desk) -> None:
    """With the shape of its body and of its answer."""
    description = json.loads(_described(sqlite_desk))

    explain = description["paths"]["/indicia/v1/policy/explain"]["post"]
    assert explain["operationId"] == "ExplainPolicy"
    schema = explain["requestBody"]["content"]["application/json"]["schema"]
    assert schema == {"$ref": "#/components/schemas/ExplainRequest"}
    answer = explain["responses"]["200"]["content"]["application/json"]["schema"]
    assert answer == {"$ref": "#/components/schemas/ExplainResponse"}
    assert set(description["components"]["schemas"]["ExplainRequest"]["required"]) == {
        *("principal", "action", "resource"),
    }


def _described(desk: Desk) -> bytes:
    route = next(route for route in routes(desk.dispatch) if route.operation == "DescribeApi")

    async def answered() -> bytes:
        return (await route.answer(desk.call("indicia", "DescribeApi"), Asked({}, {}, b""))).body

    return asyncio.run(answered())


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (["a@example.com"] * 51, "The context has 51 values; at most 50 are looked at."),
        (["a" * 4097], "The context has 4097 characters; at most 4096 are looked at."),
        (["abc1"] * 100_000, "The context has 100000 values"),
    ],
)
def test_what_is_asked_about_is_bounded(sqlite_desk: Desk, values: list[str], reason: str) -> None:
    """Each value costs a comparison with every pattern of every policy; a message has no more of them."""
    register(sqlite_desk, "example.com")

    fault = sqlite_desk.refused(
        "ExplainPolicy",
        principal=OTHER,
        action="ses:SendEmail",
        resource=arn(sqlite_desk),
        context={"ses:Recipients": values},
    )

    assert fault.kind is FaultKind.INVALID_PARAMETER
    assert fault.message.startswith(reason)


def test_a_question_that_takes_long_holds_up_nobody(sqlite_desk: Desk) -> None:
    """While it is decided, in a thread and outside of any transaction, others are answered."""
    register(sqlite_desk, "example.com")
    patterns = [f"*a?*b?c*{n}" for n in range(150)]
    for n in range(20):
        condition = {"ForAnyValue:StringLike": {"ses:Recipients": patterns}}
        hang(sqlite_desk, "example.com", f"p{n}", Condition=condition)
    ended: list[str] = []

    async def asked(operation: str, **members: Any) -> None:
        await sqlite_desk.asking(operation, **members)
        ended.append(operation)

    async def story() -> None:
        slow = asked(
            "ExplainPolicy",
            principal=OTHER,
            action="ses:SendEmail",
            resource=arn(sqlite_desk),
            context={"ses:Recipients": ["a" * 80] * 50},
        )
        slowly = asyncio.ensure_future(slow)
        await asyncio.sleep(0)
        await asked("GetEmailIdentity", EmailIdentity="example.com")
        await asked("PutEmailIdentityFeedbackAttributes", EmailIdentity="example.com")
        await slowly

    asyncio.run(story())
    assert ended[-1] == "ExplainPolicy"


def test_what_hands_out_secrets_takes_a_policy(desk: Desk) -> None:
    """Of the root, and of a key that may do everything else: the answer is that of the call."""
    register(desk, "example.com")
    root = f"arn:aws:iam::{desk.account}:root"
    asked = {"principal": root, "action": "indicia:replicateIdentity"}
    because = (
        f"There is no access key of {root} with a policy,"
        " and what hands out secrets has to be allowed by one."
    )
    assert explained(desk, arn(desk), **asked) == ("deny", because)
    for number, policy in enumerate((None, ALLOWING)):
        key = access.AccessKey(f"AKIA{number:016}", desk.account, None, b"-", policy, desk.now, None)
        desk.database.write(lambda s, key=key: access.create_key(s, key))
        decision, reason = explained(desk, arn(desk), **asked)
        assert decision == ("deny" if policy is None else "allow"), reason
    assert explained(desk, arn(desk), principal=root)[0] == "allow"


ALLOWING = json.dumps(
    {"Statement": {"Effect": "Allow", "Action": "indicia:ReplicateIdentity", "Resource": "*"}}
)
