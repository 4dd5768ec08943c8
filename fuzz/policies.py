"""Invariant: a policy is refused as one, or decides every question as an oracle does that is not clever.

    python fuzz/policies.py [SECONDS] [SEED]

Draws policies of both kinds and questions about them from few words, so that they meet, and compares with an
oracle that reads the document again for each question and tries every way in which a wildcard may fit. Then
damages the document: whatever comes of it is a policy or `Fault` INVALID_POLICY, soon. Stops at the first
document that breaks the invariant, printing it with the question.
"""

# ruff: noqa: INP001, T201, S311 - a script, which prints; repeatable, not secret

from __future__ import annotations

import json
import random
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from ipaddress import ip_address, ip_network
from typing import Any

from indicia.domain.arns import Arn
from indicia.domain.faults import Fault, FaultKind
from indicia.domain.policies.evaluation import AccessQuestion, decide
from indicia.domain.policies.grammar import access_key_policy, sending_policy
from indicia.domain.policies.principals import Principal

OWNER, OTHER = "111122223333", "444455556666"
IDENTITY = Arn("aws", "ses", "eu-west-1", OWNER, "identity/corp.example")
IDENTITIES = f"arn:aws:ses:eu-west-1:{OWNER}:identity/"
SETS = f"arn:aws:ses:eu-west-1:{OWNER}:configuration-set/"
SOON = 1.0  # seconds, for anything that 6 KiB can ask for

ACTIONS = ("ses:SendEmail", "ses:SendRawEmail", "ses:GetEmailIdentity", "indicia:CheckIdentity")
ACTION_PATTERNS = (
    *("ses:SendEmail", "SES:SendEmail", "Ses:SEND*", "ses:*Email", "ses:Send???Email", "ses:*", "*", "*:*"),
    *("ses:s*d*l", "ses:??????????", "ses:Get*"),
)
OWN_ACTION_PATTERNS = (*ACTION_PATTERNS, "indicia:*", "INDICIA:checkidentity", "sts:*")
RESOURCES = (
    *(
        IDENTITIES + name
        for name in ("corp.example", "mail.corp.example", "Bob@corp.example", "bob@CORP.example")
    ),
    *(IDENTITIES + name for name in ("c.orp.example", "B.ob@b.ob", '"A@B"@corp.example')),
    *(SETS + name for name in ("Main", "main", "corp.example")),
    "*",
)
PIECES = (
    "*",
    "?",
    "corp",
    "Corp",
    ".",
    "example",
    "Example",
    "@",
    "bob",
    "Bob",
    "B",
    "b",
    "main",
    "Main",
    "mail.",
)
PRINCIPALS = (
    Principal(OTHER, f"arn:aws:iam::{OTHER}:root"),
    Principal(OTHER, f"arn:aws:iam::{OTHER}:user/ann"),
    Principal(OTHER, f"arn:aws:sts::{OTHER}:assumed-role/mailer/session"),
    Principal(OWNER, f"arn:aws:iam::{OWNER}:user/ann"),
    Principal(service="cognito-idp.amazonaws.com"),
)
NAMED: tuple[Any, ...] = (
    *("*", {"AWS": "*"}, {"AWS": OTHER}, {"AWS": [OWNER, OTHER]}, {"Service": "cognito-idp.amazonaws.com"}),
    *({"AWS": f"arn:aws:iam::{OTHER}:{who}"} for who in ("root", "user/ann", "user/bob", "role/mailer")),
    {"AWS": f"arn:aws:sts::{OTHER}:assumed-role/mailer/session", "Service": ["cognito-idp.amazonaws.com"]},
)
VALUES = {
    "ses:FromAddress": ("ann@corp.example", "Ann@corp.example", "bob@corp.example"),
    "ses:Recipients": ("a@x.example", "b@x.example", "c@y.example"),
    "aws:SourceIp": ("192.0.2.7", "::ffff:192.0.2.7", "2001:db8::1", "198.51.100.1"),
    "aws:SecureTransport": ("true", "false"),
    "aws:EpochTime": ("100", "200", "200.5"),
}
NUMBERS: dict[str, Callable[[float, float], bool]] = {
    "Equals": lambda given, wanted: given == wanted,
    "NotEquals": lambda given, wanted: given == wanted,
    "LessThan": lambda given, wanted: given < wanted,
    "LessThanEquals": lambda given, wanted: given <= wanted,
    "GreaterThan": lambda given, wanted: given > wanted,
    "GreaterThanEquals": lambda given, wanted: given >= wanted,
}


def glob(pattern: str, text: str, folds: Sequence[bool]) -> bool:
    """Whether a pattern fits a text; `folds` says of each place of the text whether case counts there."""
    fits = [[False] * (len(text) + 1) for _ in range(len(pattern) + 1)]
    fits[0][0] = True
    for i, sign in enumerate(pattern):
        for j in range(len(text) + 1):
            if sign == "*":
                fits[i + 1][j] = fits[i][j] or (j > 0 and fits[i + 1][j - 1])
            elif j > 0 and fits[i][j - 1]:
                here = text[j - 1]
                same = sign.lower() == here.lower() if folds[j - 1] else sign == here
                fits[i + 1][j] = sign == "?" or same
    return fits[-1][-1]


def plain(pattern: str, text: str) -> bool:
    """Whether a pattern fits where case counts everywhere."""
    return glob(pattern, text, [False] * len(text))


def resource_fits(pattern: str, resource: str) -> bool:
    """Whether a resource fits: part by part, domains in any case."""
    if pattern == "*":
        return True
    parts, given = pattern.split(":", 5), resource.split(":", 5)
    if len(parts) != len(given):
        return False
    *beginning, last = given
    folds = [False] * len(last)
    if last.startswith("identity/"):
        start = max(len("identity/"), last.rfind("@") + 1)
        folds = [place >= start for place in range(len(last))]
    return all(map(plain, parts, beginning)) and glob(parts[-1], last, folds)


def principal_fits(named: Any, asking: Principal) -> bool:
    """Whether somebody is named."""
    if named == "*":
        return True
    people, services = listed(named.get("AWS", [])), listed(named.get("Service", []))
    if "*" in people:
        return True
    if asking.service:
        return asking.service in services
    return any(
        each in (asking.account, f"arn:aws:iam::{asking.account}:root", asking.arn)
        or (
            ":assumed-role/" in asking.arn
            and each == f"arn:aws:iam::{asking.account}:role/{asking.arn.split('/')[1]}"
        )
        for each in people
    )


def value_fits(operator: str, given: str, wanted: Sequence[str]) -> bool:
    """Whether one value of a request fits one of those of a policy, the `Not` of the operator apart."""
    if operator.startswith("String"):
        if "IgnoreCase" in operator:
            return given.lower() in [each.lower() for each in wanted]
        return any(plain(each, given) for each in wanted) if "Like" in operator else given in wanted
    if operator == "Bool":
        return given in wanted
    if "IpAddress" in operator:
        address = ip_address(given.removeprefix("::ffff:"))
        return any(address in ip_network(each) for each in wanted)
    compare = NUMBERS[operator.removeprefix("Numeric")]
    return any(compare(float(given), float(each)) for each in wanted)


def condition_holds(written: str, wanted: Sequence[str], given: Sequence[str]) -> bool:
    """Whether a condition holds of the values of a request."""
    if written == "Null":
        return ("false" if given else "true") in wanted
    many, _, rest = written.rpartition(":")
    operator = rest.removesuffix("IfExists")
    negated = "Not" in operator
    if not given:
        return rest != operator or many == "ForAllValues" or (negated and many != "ForAnyValue")
    fits = [value_fits(operator, each, wanted) is not negated for each in given]
    return any(fits) if many == "ForAnyValue" else all(fits)


def listed(value: Any) -> list[Any]:
    """A value, or several, as several."""
    return value if isinstance(value, list) else [value]


def applies(statement: Mapping[str, Any], asked: AccessQuestion) -> bool:
    """Whether a statement applies to a question."""
    action = asked.action.lower()
    patterns = [each.lower() for each in listed(statement.get("Action", statement.get("NotAction")))]
    if "Principal" in statement:
        patterns = ["ses:*" if each in ("*", "*:*") else each for each in patterns]
        if not principal_fits(statement["Principal"], asked.principal):
            return False
    else:
        named = listed(statement.get("Resource", statement.get("NotResource")))
        if any(resource_fits(each, asked.resource) for each in named) is not ("Resource" in statement):
            return False
    if any(plain(each, action) for each in patterns) is not ("Action" in statement):
        return False
    return all(
        condition_holds(operator, listed(values), asked.context.get(key, ()))
        for operator, keys in statement.get("Condition", {}).items()
        for key, values in keys.items()
    )


def allowed(document: Mapping[str, Any], asked: AccessQuestion) -> bool:
    """What the document decides: Deny wins, else Allow, else it is denied (spec 8.6)."""
    effects = {each["Effect"] for each in listed(document["Statement"]) if applies(each, asked)}
    return effects == {"Allow"}


def some(chance: random.Random, words: Sequence[Any]) -> Any:
    """One word, or a list of some."""
    return chance.choice(words) if chance.random() < 0.6 else chance.choices(words, k=chance.randrange(1, 4))


def pattern(chance: random.Random) -> str:
    """A resource: everything, one there is, or pieces of those."""
    made = "".join(chance.choices(PIECES, k=chance.randrange(1, 7)))
    return chance.choice(
        ("*", chance.choice(RESOURCES), IDENTITIES + made, SETS + made, f"arn:aws:ses:*:*:*{made}")
    )


def condition(chance: random.Random) -> dict[str, Any]:
    """A condition on one key."""
    key = chance.choice(list(VALUES))
    if chance.random() < 0.15:
        return {"Null": {key: chance.choice(("true", "false"))}}
    kinds = {
        "aws:SourceIp": ("IpAddress", "NotIpAddress"),
        "aws:SecureTransport": ("Bool",),
        "aws:EpochTime": tuple(f"Numeric{name}" for name in NUMBERS),
    }
    texts = ("StringEquals", "StringNotEquals", "StringLike", "StringNotLike", "StringEqualsIgnoreCase")
    operator = chance.choice(("", "", "ForAllValues:", "ForAnyValue:")) + chance.choice(kinds.get(key, texts))
    operator += chance.choice(("", "", "IfExists"))
    words = [*VALUES[key]]
    if "Like" in operator:
        words += ["*@corp.example", "?@x.example", "*", "Ann@*", "*@*.example"]
    if "IpAddress" in operator:
        words = ["192.0.2.0/24", "2001:db8::/32", "192.0.2.7"]
    return {operator: {key: some(chance, words)}}


def statement(chance: random.Random, *, of_key: bool) -> dict[str, Any]:
    """A statement of one kind of policy."""
    made: dict[str, Any] = {"Effect": chance.choice(("Allow", "Allow", "Deny"))}
    if of_key:
        made[chance.choice(("Action", "Action", "NotAction"))] = some(chance, OWN_ACTION_PATTERNS)
        made[chance.choice(("Resource", "Resource", "NotResource"))] = [
            pattern(chance) for _ in range(chance.randrange(1, 4))
        ]
    else:
        made |= {"Principal": chance.choice(NAMED), "Resource": str(IDENTITY)}
        made["Action"] = some(chance, ACTION_PATTERNS)
    if chance.random() < 0.5:
        made["Condition"] = condition(chance)
    return made


def question(chance: random.Random, *, of_key: bool) -> AccessQuestion:
    """Somebody who wants something."""
    context = {
        key: tuple(chance.sample(values, chance.randrange(1, 3) if key == "ses:Recipients" else 1))
        for key, values in VALUES.items()
        if chance.random() < 0.7
    }
    resource = chance.choice(RESOURCES) if of_key else str(IDENTITY)
    return AccessQuestion(chance.choice(PRINCIPALS), chance.choice(ACTIONS), resource, context)


def damaged(text: str, chance: random.Random) -> str:
    """The text with something exchanged, doubled or cut out."""
    for _ in range(chance.randrange(1, 4)):
        at, to = sorted(chance.choices(range(len(text) + 1), k=2))
        part = chance.choice(
            ("", '"', "{", "[", "[" * 3000, "\x00", "*" * 3000, "\ud800", text[at:to], "?*" * 1000)
        )
        text = text[:at] + part + text[chance.choice((at, to, min(at + 1, len(text)))) :]
    return text


def compiled(text: str, *, of_key: bool) -> Any:
    """The policy that a text is; None where it is refused as one."""
    try:
        return access_key_policy(text) if of_key else sending_policy(text, IDENTITY)
    except Fault as fault:
        if fault.kind is not FaultKind.INVALID_POLICY:
            raise
        return None


def trouble(chance: random.Random) -> tuple[str, int]:
    """Try one document. Returns how the invariant broke, empty where it held, and the number of questions."""
    of_key = chance.random() < 0.6
    document = {"Statement": [statement(chance, of_key=of_key) for _ in range(chance.randrange(1, 4))]}
    text = json.dumps(document)
    policy = compiled(text, of_key=of_key)
    if policy is None:
        return f"refused: {text}", 0
    asked = [question(chance, of_key=of_key) for _ in range(8)]
    for each in asked:
        if decide((policy,), each).allowed is not allowed(document, each):
            return f"{text} decides otherwise than the oracle: {each}", 0
    began = time.monotonic()
    broken = damaged(text, chance)
    survivor = compiled(broken, of_key=of_key)
    if survivor is not None:
        decide((survivor,), asked[0])
    if time.monotonic() - began > SOON:
        return f"took {time.monotonic() - began:.1f} s: {broken!r}", 0
    return "", len(asked)


def main(seconds: float, seed: int) -> int:
    """Try until the time is up. Returns the exit code."""
    chance, end, tried, questions = random.Random(seed), time.monotonic() + seconds, 0, 0
    while time.monotonic() < end:
        try:
            how, asked = trouble(chance)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is what we look for
            how, asked = f"{type(error).__name__}: {error}", 0
        if how:
            print(f"seed {seed}, document {tried}: {how}")
            return 1
        tried, questions = tried + 1, questions + asked
    print(f"{questions} questions of {tried} documents, the invariant holds")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(float((sys.argv[1:] or ["10"])[0]), int((sys.argv[2:] or ["1"])[0])))
