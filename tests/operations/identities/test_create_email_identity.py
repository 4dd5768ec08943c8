"""CreateEmailIdentity: what it makes, what it refuses in which words, and that it makes all or nothing."""

from __future__ import annotations

import asyncio
import base64
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from desk import SERVICE_DOMAIN, T0, ZONE, Desk
from own_keys import BOTH_NEEDED, ONE_WAY, OWN, OWN_KEY_TEXT, OWN_PUBLIC

from indicia.domain.faults import Fault, FaultKind
from indicia.domain.identities.identity import Facet, Status
from indicia.domain.time import DAY, HOUR
from indicia.store.configuration_sets import configuration_sets
from indicia.store.dkim import keys
from indicia.store.identities import identities
from indicia.store.identities import tags as stored_tags
from indicia.vault.purposes import PRIVATE_KEY
from indicia.wire.shapes.sesv2 import DkimSigningAttributes, Tag


def test_a_domain_is_answered_with_tokens_and_not_started(desk: Desk) -> None:
    """Create answers NOT_STARTED with three tokens and the zone, as recorded; the next Get shows PENDING."""
    answer = desk.ask("CreateEmailIdentity", EmailIdentity="example.com")

    assert (answer.IdentityType, answer.VerifiedForSendingStatus) == ("DOMAIN", False)
    dkim = answer.DkimAttributes
    assert (dkim.Status, dkim.SigningEnabled) == ("NOT_STARTED", True)
    assert (dkim.SigningAttributesOrigin, dkim.SigningHostedZone) == ("AWS_SES", ZONE)
    assert len(set(dkim.Tokens)) == 3
    assert desk.ask("GetEmailIdentity", EmailIdentity="example.com").DkimAttributes.Status == "PENDING"


def test_a_domain_is_whole_once_created(desk: Desk) -> None:
    """One transaction brings facet, window, due time, legacy token, and the tokens into the key zone."""
    answer = desk.ask("CreateEmailIdentity", EmailIdentity="example.com")

    view = desk.view("example.com")
    state = view.facets[Facet.DKIM]
    assert set(view.facets) == {Facet.DKIM}
    assert (state.status, state.since, state.deadline) == (Status.PENDING, T0, T0 + 72 * HOUR)
    assert state.generation == view.identity.generation
    assert view.due_at == T0
    assert len(base64.b64decode(view.identity.legacy_token)) == 32
    assert not view.identity.legacy_requested
    for token in answer.DkimAttributes.Tokens:
        assert desk.read(lambda s, token=token: keys.lookup(s, ZONE, token)) is keys.NoKeyYet.NO_KEY_YET
    (claim,) = desk.claims()
    assert claim.identity.name == "example.com"
    assert desk.hints.woken == ["engine", "pool"]


def test_the_key_comes_from_the_pool_when_it_has_one(desk: Desk) -> None:
    """A stocked pool gives the set its key at once, under the first token; the answer shows its length."""
    public = desk.stock(2048)

    tokens = desk.ask("CreateEmailIdentity", EmailIdentity="example.com").DkimAttributes.Tokens

    assert desk.read(lambda s: keys.lookup(s, ZONE, tokens[0])) == public
    assert desk.view("example.com").token_set.has_key  # type: ignore[union-attr]
    assert desk.read(lambda s: keys.count_pooled(s, 2048)) == 0


@pytest.mark.parametrize("length", ["RSA_1024_BIT", "RSA_2048_BIT"])
def test_the_chosen_length_is_shown_before_there_is_a_key(desk: Desk, length: str) -> None:
    """Until there is a key, Current shows the chosen length and the timestamp is that of the creation."""
    desk.ask(
        "CreateEmailIdentity",
        EmailIdentity="example.com",
        DkimSigningAttributes=DkimSigningAttributes(NextSigningKeyLength=length),
    )

    dkim = desk.ask("GetEmailIdentity", EmailIdentity="example.com").DkimAttributes
    assert (dkim.NextSigningKeyLength, dkim.CurrentSigningKeyLength) == (length, length)
    assert dkim.LastKeyGenerationTimestamp == T0 / 1000


def test_an_own_key_is_stored_sealed_under_its_selector(desk: Desk) -> None:
    """BYODKIM answers the selector as its token and no zone; the private key is stored encrypted."""
    answer = desk.ask("CreateEmailIdentity", EmailIdentity="example.com", DkimSigningAttributes=OWN)

    dkim = answer.DkimAttributes
    assert (dkim.Tokens, dkim.SigningAttributesOrigin) == (["mail-2026"], "EXTERNAL")
    assert dkim.SigningHostedZone is None
    assert (dkim.NextSigningKeyLength, dkim.CurrentSigningKeyLength) == (None, None)
    token_set = desk.view("example.com").token_set
    assert token_set is not None
    assert token_set.public_key == OWN_PUBLIC
    (stored,) = desk.read(lambda s: keys.published(s, token_set.id))
    opened = desk.keyring.open(stored.private_key, PRIVATE_KEY)
    assert base64.b64decode(OWN_KEY_TEXT)[30:60] not in stored.private_key
    assert serialization.load_der_private_key(opened, None).key_size == 1024  # type: ignore[union-attr]


def test_two_identities_may_choose_one_selector(desk: Desk) -> None:
    """A selector is unique to its domain, not to the service."""
    for name in ("one.example", "two.example"):
        desk.ask("CreateEmailIdentity", EmailIdentity=name, DkimSigningAttributes=OWN)
    assert desk.view("two.example").token_set.tokens == ("mail-2026",)  # type: ignore[union-attr]


def test_an_address_is_answered_without_dkim(desk: Desk) -> None:
    """The recorded answer for an address has no DkimAttributes; its link is on the way and has a day."""
    answer = desk.ask("CreateEmailIdentity", EmailIdentity="Ann@Example.com")

    assert (answer.IdentityType, answer.VerifiedForSendingStatus) == ("EMAIL_ADDRESS", False)
    assert answer.DkimAttributes is None
    view = desk.view("Ann@Example.com")
    assert set(view.facets) == {Facet.LINK}
    assert view.facets[Facet.LINK].deadline == T0 + DAY
    assert sorted(desk.hints.woken) == ["engine", "outbox"]


def test_tags_and_configuration_set_come_with_it(desk: Desk) -> None:
    """Tags are stored in the order of their keys, an absent value as the empty text."""
    desk.database.write(lambda s: configuration_sets.create(s, desk.account, desk.region, "main", at=T0))

    desk.ask(
        "CreateEmailIdentity",
        EmailIdentity="example.com",
        ConfigurationSetName="main",
        Tags=[Tag(Key="team", Value="Größe: x"), Tag(Key="env")],
    )

    got = desk.ask("GetEmailIdentity", EmailIdentity="example.com")
    assert [(tag.Key, tag.Value) for tag in got.Tags] == [("env", ""), ("team", "Größe: x")]
    assert got.ConfigurationSetName == "main"


REFUSALS: list[tuple[str, dict[str, Any], FaultKind, str]] = [
    (
        "example",
        {},
        FaultKind.INVALID_PARAMETER,
        "Invalid domain name example. A domain has at least two labels.",
    ),
    ("exa mple.com", {}, FaultKind.INVALID_PARAMETER, "Invalid domain name exa mple.com."),
    ("example.com.", {}, FaultKind.INVALID_PARAMETER, "Invalid domain name example.com.."),
    ("-a.com", {}, FaultKind.INVALID_PARAMETER, "Invalid domain name -a.com."),
    (f"{'a' * 64}.com", {}, FaultKind.INVALID_PARAMETER, f"Invalid domain name {'a' * 64}.com."),
    (
        "bücher.example",
        {},
        FaultKind.INVALID_PARAMETER,
        "Invalid domain name bücher.example. Use its ASCII form xn--bcher-kva.example.",
    ),
    ("a@b@c.com", {}, FaultKind.INVALID_PARAMETER, "Invalid email address<a@b@c.com>."),
    ("@example.com", {}, FaultKind.INVALID_PARAMETER, "Invalid email address<@example.com>."),
    ("ann b@example.com", {}, FaultKind.INVALID_PARAMETER, "Invalid email address<ann b@example.com>."),
    (
        "co.uk",
        {},
        FaultKind.INVALID_PARAMETER,
        (
            "Invalid domain name co.uk. It is a public suffix, under which others register domains; use a"
            " domain below it."
        ),
    ),
    (
        f"a.{SERVICE_DOMAIN}",
        {},
        FaultKind.INVALID_PARAMETER,
        f"Invalid domain name a.{SERVICE_DOMAIN}. It belongs to this service ({SERVICE_DOMAIN}).",
    ),
    (
        "example.com",
        {"DkimSigningAttributes": DkimSigningAttributes(DomainSigningSelector="s")},
        FaultKind.INVALID_PARAMETER,
        BOTH_NEEDED,
    ),
    (
        "example.com",
        {"DkimSigningAttributes": DkimSigningAttributes(DomainSigningPrivateKey="AAAA")},
        FaultKind.INVALID_PARAMETER,
        BOTH_NEEDED,
    ),
    (
        "example.com",
        {"DkimSigningAttributes": DkimSigningAttributes(DomainSigningAttributesOrigin="EXTERNAL")},
        FaultKind.INVALID_PARAMETER,
        BOTH_NEEDED,
    ),
    (
        "example.com",
        {
            "DkimSigningAttributes": DkimSigningAttributes(
                DomainSigningSelector="s",
                DomainSigningPrivateKey=OWN_KEY_TEXT,
                NextSigningKeyLength="RSA_1024_BIT",
            )
        },
        FaultKind.INVALID_PARAMETER,
        ONE_WAY,
    ),
    (
        "example.com",
        {
            "DkimSigningAttributes": DkimSigningAttributes(
                DomainSigningSelector="s",
                DomainSigningPrivateKey=OWN_KEY_TEXT,
                DomainSigningAttributesOrigin="AWS_SES",
            )
        },
        FaultKind.INVALID_PARAMETER,
        ONE_WAY,
    ),
    (
        "ann@example.com",
        {"DkimSigningAttributes": OWN},
        FaultKind.INVALID_PARAMETER,
        "For BYODKIM, the EmailIdentity value must be a domain.",
    ),
    (
        "example.com",
        {
            "DkimSigningAttributes": DkimSigningAttributes(
                DomainSigningAttributesOrigin="AWS_SES_US_EAST_1", NextSigningKeyLength="RSA_1024_BIT"
            )
        },
        FaultKind.INVALID_PARAMETER,
        (
            "A replica has the tokens, the keys and the key length of its parent; give neither a"
            " selector, nor a private key, nor NextSigningKeyLength."
        ),
    ),
    (
        "example.com",
        {"ConfigurationSetName": "none"},
        FaultKind.CONFIGURATION_SET_NOT_FOUND,
        "Configuration set <none> does not exist.",
    ),
    (
        "example.com",
        {"Tags": [Tag(Key="aws:x", Value="y")]},
        FaultKind.INVALID_PARAMETER,
        "Caller is an end user and not allowed to mutate system tags",
    ),
]


@pytest.mark.parametrize(("name", "members", "kind", "message"), REFUSALS)
def test_a_refusal_leaves_nothing(
    desk: Desk, name: str, members: dict[str, Any], kind: FaultKind, message: str
) -> None:
    """Each refusal has its kind and its sentence, and only its audit line is left of it."""
    fault = desk.refused("CreateEmailIdentity", EmailIdentity=name, **members)

    assert (fault.kind, fault.message) == (kind, message)
    assert desk.ask("ListEmailIdentities").EmailIdentities == []
    assert desk.claims() == []
    assert [line.outcome for line in desk.trail()] == [kind.value]
    assert desk.hints.woken == []


def test_an_unreadable_key_is_refused_without_being_quoted(desk: Desk) -> None:
    """The refusal of an uploaded key says why and holds none of it."""
    broken = base64.b64encode(b"not a key at all, really").decode()
    attributes = DkimSigningAttributes(DomainSigningSelector="s", DomainSigningPrivateKey=broken)

    fault = desk.refused("CreateEmailIdentity", EmailIdentity="example.com", DkimSigningAttributes=attributes)

    assert fault.kind is FaultKind.INVALID_PARAMETER
    assert fault.message.startswith("The DomainSigningPrivateKey cannot be used.")
    assert broken not in fault.message


@pytest.mark.parametrize("again", ["example.com", "EXAMPLE.com"])
def test_a_repeat_is_refused_before_anything_else(desk: Desk, again: str) -> None:
    """AlreadyExists comes before tags and configuration set are judged; domains are folded first."""
    desk.ask("CreateEmailIdentity", EmailIdentity="Example.COM")

    fault = desk.refused(
        "CreateEmailIdentity",
        EmailIdentity=again,
        Tags=[Tag(Key="aws:x", Value="y")],
        ConfigurationSetName="none",
    )

    assert (fault.kind, fault.message) == (
        FaultKind.ALREADY_EXISTS,
        "Email identity example.com already exist.",
    )


def test_tags_are_judged_before_the_configuration_set(desk: Desk) -> None:
    """A call with both faults is refused for its tags."""
    fault = desk.refused(
        "CreateEmailIdentity",
        EmailIdentity="example.com",
        Tags=[Tag(Key="aws:x", Value="y")],
        ConfigurationSetName="none",
    )
    assert fault.message == "Caller is an end user and not allowed to mutate system tags"


def test_of_two_creates_at_once_one_wins(desk: Desk) -> None:
    """A create race has one winner, and the others hear that it exists; no half of theirs is left."""
    members = {"EmailIdentity": "example.com", "Tags": [Tag(Key="a", Value="b")]}

    async def race() -> list[Any]:
        return await asyncio.gather(
            *(desk.asking("CreateEmailIdentity", **members) for _ in range(6)), return_exceptions=True
        )

    outcomes = asyncio.run(race())

    faults = [outcome for outcome in outcomes if isinstance(outcome, Fault)]
    assert len(faults) == 5
    assert {fault.kind for fault in faults} == {FaultKind.ALREADY_EXISTS}
    assert len(desk.claims()) == 1
    assert desk.read(lambda s: identities.count(s, desk.account, desk.region)) == 1


def test_creates_that_come_together_are_answered_one_by_one(desk: Desk) -> None:
    """Each has its own outcome, as if they had come one after the other; nothing is left of the refused."""
    elsewhere = desk.beside(region="us-east-1")
    desk.ask("CreateEmailIdentity", EmailIdentity="there.example.com")
    bits = {"DkimSigningAttributes": DkimSigningAttributes(NextSigningKeyLength="RSA_1024_BIT")}
    asked: list[tuple[Desk, dict[str, Any], FaultKind | None]] = [
        (desk, {"EmailIdentity": "a.example.com", "Tags": [Tag(Key="k", Value="v")]}, None),
        (desk, {"EmailIdentity": "there.example.com"}, FaultKind.ALREADY_EXISTS),
        (desk, {"EmailIdentity": "b.example.com", **bits}, None),
        (elsewhere, {"EmailIdentity": "there.example.com"}, None),
        (desk, {"EmailIdentity": "a.example.com"}, FaultKind.ALREADY_EXISTS),
        (desk, {"EmailIdentity": "c.example.com", "Tags": [Tag(Key="aws:k", Value="v")]}, None),
        (desk, {"EmailIdentity": "d.example.com", "ConfigurationSetName": "none"}, None),
        (desk, {"EmailIdentity": "e.example.com", "DkimSigningAttributes": OWN}, None),
        (desk, {"EmailIdentity": "someone@a.example.com"}, None),
        (elsewhere, {"EmailIdentity": "a.example.com"}, None),
    ]
    expected = [kind for *_, kind in asked]
    expected[5], expected[6] = FaultKind.INVALID_PARAMETER, FaultKind.CONFIGURATION_SET_NOT_FOUND

    async def all_at_once() -> list[Any]:
        calls = [who.asking("CreateEmailIdentity", **members) for who, members, _ in asked]
        return await asyncio.gather(*calls, return_exceptions=True)

    outcomes = asyncio.run(all_at_once())

    # PostgreSQL runs them side by side: which of two of one name is the first is not said.
    kinds = [outcome.kind if isinstance(outcome, Fault) else None for outcome in outcomes]
    assert sorted(kinds[::4], key=str) == sorted(expected[::4], key=str)
    assert [kind for at, kind in enumerate(kinds) if at not in {0, 4}] == [
        kind for at, kind in enumerate(expected) if at not in {0, 4}
    ]
    tokens = [each.DkimAttributes.Tokens for each in outcomes if getattr(each, "DkimAttributes", None)]
    assert len({token for each in tokens for token in each}) == 3 * 4 + 1
    made = {"a.example.com", "b.example.com", "e.example.com", "someone@a.example.com", "there.example.com"}
    assert {each.IdentityName for each in desk.ask("ListEmailIdentities").EmailIdentities} == made
    assert len(elsewhere.ask("ListEmailIdentities").EmailIdentities) == 2
    for who, count in ((desk, 5), (elsewhere, 2)):
        assert who.read(lambda s, who=who: identities.count(s, who.account, who.region)) == count
    got = desk.ask("GetEmailIdentity", EmailIdentity="b.example.com").DkimAttributes
    assert (got.Status, got.CurrentSigningKeyLength) == ("PENDING", "RSA_1024_BIT")
    assert {each.name for each in (claim.identity for claim in desk.claims())} >= made - {"there.example.com"}
    assert "engine" in desk.hints.woken


def test_identities_belong_to_an_account_in_a_region(desk: Desk) -> None:
    """The same domain elsewhere is another identity, with tokens of its own."""
    tokens = desk.ask("CreateEmailIdentity", EmailIdentity="example.com").DkimAttributes.Tokens
    for other in (desk.beside(region="us-east-1"), desk.beside(account="999988887777")):
        assert other.refused("GetEmailIdentity", EmailIdentity="example.com").kind is FaultKind.NOT_FOUND
        theirs = other.ask("CreateEmailIdentity", EmailIdentity="example.com").DkimAttributes.Tokens
        assert not set(theirs) & set(tokens)


def test_a_recreated_identity_has_new_tokens(desk: Desk) -> None:
    """Tokens are never given out again, and tags of the deleted identity do not come back."""
    first = desk.ask("CreateEmailIdentity", EmailIdentity="example.com", Tags=[Tag(Key="a", Value="b")])
    desk.ask("DeleteEmailIdentity", EmailIdentity="example.com")

    second = desk.ask("CreateEmailIdentity", EmailIdentity="example.com")

    assert not set(first.DkimAttributes.Tokens) & set(second.DkimAttributes.Tokens)
    resource = "identity/example.com"
    assert desk.read(lambda s: stored_tags.of(s, desk.account, desk.region, resource)) == ()
