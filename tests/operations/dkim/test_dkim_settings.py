"""How an identity is signed: the switch, the change of method, of key and of length."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from desk import T0, ZONE, Desk
from handing import hand_out
from own_keys import BOTH_NEEDED, ONE_WAY, OWN, OWN_KEY_TEXT, OWN_PUBLIC

from indicia.domain.faults import Fault, FaultKind
from indicia.domain.identities.identity import Facet, KeyLength, Status
from indicia.domain.proofs.transitions import own_status
from indicia.domain.time import DAY, HOUR
from indicia.store.dkim import key_requests, keys, signing_overrides
from indicia.store.dkim.key_requests import KeyRequest
from indicia.store.dkim.keys import NoKeyYet
from indicia.store.verification import checks
from indicia.wire.shapes.sesv2 import DkimSigningAttributes

SIGNING = "PutEmailIdentityDkimSigningAttributes"
SWITCH = "PutEmailIdentityDkimAttributes"


def length(bits: int) -> DkimSigningAttributes:
    """The attributes that ask for a length."""
    return DkimSigningAttributes(NextSigningKeyLength=f"RSA_{bits}_BIT")


def shown(desk: Desk, name: str = "example.com") -> Any:
    """What Get shows of DKIM."""
    return desk.ask("GetEmailIdentity", EmailIdentity=name).DkimAttributes


def v1_shown(desk: Desk, name: str) -> Any:
    """What v1 shows of DKIM."""
    return desk.ask("GetIdentityDkimAttributes", Identities=[name]).DkimAttributes[name]


def tokens_of(desk: Desk, name: str = "example.com") -> tuple[str, ...]:
    """The tokens in the store."""
    token_set = desk.view(name).token_set
    assert token_set is not None
    return token_set.tokens


@pytest.mark.parametrize("status", [Status.PENDING, Status.SUCCESS, Status.FAILED])
def test_the_switch_touches_signing_alone(desk: Desk, status: Status) -> None:
    """Signing goes off and on; status and due time stay."""
    desk.ask("CreateEmailIdentity", EmailIdentity="example.com")
    desk.find("example.com", Facet.DKIM, status)
    before = desk.view("example.com")

    for enabled in (False, False, True):
        desk.ask(SWITCH, EmailIdentity="example.com", SigningEnabled=enabled)
        assert shown(desk).SigningEnabled is enabled

    after = desk.view("example.com")
    assert (after.facets, after.due_at, after.token_set) == (before.facets, before.due_at, before.token_set)
    assert after.identity.generation == before.identity.generation


@pytest.mark.parametrize(
    ("name", "domain"),
    [
        ("none.example", "none.example"),
        ("ann@none.example", "none.example"),
        ("bob@none.example", "none.example"),
        ("plain.example", "plain.example"),
        ("ann@plain.example", "plain.example"),
        ("a b@example.com", "example.com"),
        ("x" * 320 + "@example.com", "example.com"),
    ],
)
def test_the_switch_needs_dkim_to_switch(desk: Desk, name: str, domain: str) -> None:
    """Without an identity, or without DKIM on the domain, both versions refuse in the probed sentence."""
    desk.ask("CreateEmailIdentity", EmailIdentity="example.com")
    desk.ask("VerifyDomainIdentity", Domain="plain.example")
    desk.ask("CreateEmailIdentity", EmailIdentity="bob@none.example")
    for fault in (
        desk.refused(SWITCH, EmailIdentity=name, SigningEnabled=True),
        desk.refused("SetIdentityDkimEnabled", Identity=name, DkimEnabled=True),
    ):
        assert (fault.kind, fault.message) == (
            FaultKind.INVALID_PARAMETER,
            f"Domain {domain} is not verified for DKIM signing.",
        )


@pytest.mark.parametrize("registered", [True, False])
def test_an_address_has_a_switch_of_its_own(desk: Desk, registered: bool) -> None:
    """What an address says goes before what its domain says, both ways, and leaves the domain alone (3.7)."""
    desk.ask("CreateEmailIdentity", EmailIdentity="example.com")
    if registered:
        desk.ask("CreateEmailIdentity", EmailIdentity="ann@example.com")

    for address, domain in ((False, True), (True, True), (True, False), (False, False)):
        desk.ask(SWITCH, EmailIdentity="example.com", SigningEnabled=domain)
        desk.ask(SWITCH, EmailIdentity="ann@example.com", SigningEnabled=address)
        assert shown(desk).SigningEnabled is domain
        assert desk.read(
            lambda s: signing_overrides.many(s, desk.account, desk.region, ["ann@example.com"])
        ) == {"ann@example.com": address}
        if registered:
            assert shown(desk, "ann@example.com").SigningEnabled is address
            assert v1_shown(desk, "ann@example.com").DkimEnabled is address


def test_an_address_that_said_nothing_follows_its_domain(desk: Desk) -> None:
    """The effective value of an address without a switch is its domain's, as it is now."""
    desk.ask("CreateEmailIdentity", EmailIdentity="example.com")
    desk.ask("CreateEmailIdentity", EmailIdentity="ann@example.com")
    for enabled in (False, True):
        desk.ask(SWITCH, EmailIdentity="example.com", SigningEnabled=enabled)
        assert shown(desk, "ann@example.com").SigningEnabled is enabled
        assert v1_shown(desk, "ann@example.com").DkimEnabled is enabled


@pytest.mark.parametrize("own", [None, True, False])
def test_a_label_has_the_switch_of_its_address(desk: Desk, own: bool | None) -> None:
    """What is shown of `ann+x@` is what applies to its mail: its own switch, else that of `ann@`."""
    for name in ("example.com", "ann@example.com", "ann+x@example.com"):
        desk.ask("CreateEmailIdentity", EmailIdentity=name)
    desk.ask(SWITCH, EmailIdentity="ann@example.com", SigningEnabled=False)
    if own is not None:
        desk.ask(SWITCH, EmailIdentity="ann+x@example.com", SigningEnabled=own)

    applies = bool(own)
    assert shown(desk, "ann+x@example.com").SigningEnabled is applies
    assert v1_shown(desk, "ann+x@example.com").DkimEnabled is applies


def test_the_switch_of_an_address_goes_with_its_identity(desk: Desk) -> None:
    """A deleted address that is created again has what its domain has. Cases tell addresses apart."""
    desk.ask("CreateEmailIdentity", EmailIdentity="example.com")
    desk.ask("CreateEmailIdentity", EmailIdentity="ann@example.com")
    for name in ("ann@example.com", "Ann@example.com"):
        desk.ask(SWITCH, EmailIdentity=name, SigningEnabled=False)

    desk.ask("DeleteEmailIdentity", EmailIdentity="ann@example.com")
    for name in ("ann@example.com", "Ann@example.com"):
        desk.ask("CreateEmailIdentity", EmailIdentity=name)

    assert shown(desk, "ann@example.com").SigningEnabled is True
    assert shown(desk, "Ann@example.com").SigningEnabled is False


@pytest.mark.parametrize("enabled", [True, False])
def test_v1_has_the_same_switch(desk: Desk, enabled: bool) -> None:
    """SetIdentityDkimEnabled and PutEmailIdentityDkimAttributes move one switch, status untouched."""
    desk.ask("VerifyDomainDkim", Domain="example.com")
    desk.ask(SWITCH, EmailIdentity="example.com", SigningEnabled=not enabled)

    desk.ask("SetIdentityDkimEnabled", Identity="Example.COM", DkimEnabled=enabled)

    assert (shown(desk).SigningEnabled, shown(desk).Status) == (enabled, "PENDING")
    assert v1_shown(desk, "example.com").DkimEnabled is enabled


def test_moving_to_an_own_key(desk: Desk) -> None:
    """Easy to BYODKIM: the selector is the token, PENDING, a new generation, the proof carried on."""
    desk.stock(2048)
    easy = desk.ask("CreateEmailIdentity", EmailIdentity="example.com").DkimAttributes.Tokens
    desk.find("example.com", Facet.DKIM, Status.SUCCESS)

    answer = desk.ask(
        SIGNING, EmailIdentity="example.com", SigningAttributesOrigin="EXTERNAL", SigningAttributes=OWN
    )

    assert (answer.DkimStatus, answer.DkimTokens, answer.SigningHostedZone) == (
        "PENDING",
        ["mail-2026"],
        None,
    )
    view = desk.view("example.com")
    assert view.token_set is not None
    assert view.token_set.public_key == OWN_PUBLIC
    state = view.facets[Facet.DKIM]
    assert view.carried is not None
    assert (state.status, view.carried.state.status) == (Status.PENDING, Status.SUCCESS)
    assert (view.carried.token_set.tokens, view.carried.state.generation) == (tuple(easy), 1)
    assert state.generation == view.identity.generation == 2
    assert view.due_at == T0
    assert own_status(view.facets) is Status.SUCCESS
    got = desk.ask("GetEmailIdentity", EmailIdentity="example.com")
    assert (got.VerificationStatus, got.VerifiedForSendingStatus) == ("SUCCESS", True)
    assert (got.DkimAttributes.Status, got.DkimAttributes.SigningAttributesOrigin) == ("PENDING", "EXTERNAL")
    assert desk.read(lambda s: keys.lookup(s, ZONE, easy[0])) is not keys.NoKeyYet.NO_KEY_YET


def test_moving_back_to_easy_dkim_issues_new_tokens(desk: Desk) -> None:
    """BYODKIM to Easy: three tokens, not the earlier ones; the uploaded key is out of use."""
    first = desk.ask("CreateEmailIdentity", EmailIdentity="example.com").DkimAttributes.Tokens
    desk.ask(SIGNING, EmailIdentity="example.com", SigningAttributesOrigin="EXTERNAL", SigningAttributes=OWN)
    own_set = desk.view("example.com").token_set
    assert own_set is not None

    answer = desk.ask(
        SIGNING,
        EmailIdentity="example.com",
        SigningAttributesOrigin="AWS_SES",
        SigningAttributes=length(1024),
    )

    assert len(set(answer.DkimTokens) - set(first)) == 3
    assert answer.SigningHostedZone == ZONE
    assert shown(desk).NextSigningKeyLength == shown(desk).CurrentSigningKeyLength == "RSA_1024_BIT"
    assert desk.read(lambda s: keys.published(s, own_set.id)) == []


def test_a_new_own_key_replaces_the_old_one(desk: Desk) -> None:
    """BYODKIM to BYODKIM: another set, PENDING until its record is seen."""
    desk.ask("CreateEmailIdentity", EmailIdentity="example.com", DkimSigningAttributes=OWN)
    desk.find("example.com", Facet.DKIM, Status.SUCCESS)
    another = DkimSigningAttributes(DomainSigningSelector="next", DomainSigningPrivateKey=OWN_KEY_TEXT)

    answer = desk.ask(
        SIGNING, EmailIdentity="example.com", SigningAttributesOrigin="EXTERNAL", SigningAttributes=another
    )

    assert (answer.DkimTokens, answer.DkimStatus) == (["next"], "PENDING")
    assert tokens_of(desk) == ("next",)


def test_a_domain_without_dkim_gets_it(desk: Desk) -> None:
    """None to Easy: tokens are issued to a domain that v1 registered."""
    desk.ask("VerifyDomainIdentity", Domain="example.com")
    answer = desk.ask(SIGNING, EmailIdentity="example.com", SigningAttributesOrigin="AWS_SES")
    assert (len(answer.DkimTokens), answer.DkimStatus) == (3, "PENDING")
    assert set(desk.view("example.com").facets) == {Facet.DKIM, Facet.OWNERSHIP}


def published(desk: Desk, tokens: list[str]) -> list[object]:
    """What the key zone has under each token."""
    return [desk.read(lambda s, token=token: keys.lookup(s, ZONE, token)) for token in tokens]


def test_a_shorter_key_comes_behind_the_same_tokens(desk: Desk) -> None:
    """2048 to 1024 before anything was signed: same tokens, the new key in place of the old one, at once."""
    desk.stock(2048)
    tokens = desk.ask("CreateEmailIdentity", EmailIdentity="example.com").DkimAttributes.Tokens
    new = desk.stock(1024)
    desk.now += HOUR

    answer = desk.ask(
        SIGNING,
        EmailIdentity="example.com",
        SigningAttributesOrigin="AWS_SES",
        SigningAttributes=length(1024),
    )

    assert (answer.DkimTokens, answer.DkimStatus) == (tokens, "PENDING")
    assert published(desk, tokens) == [keys.NoKeyYet.NO_KEY_YET, new, keys.NoKeyYet.NO_KEY_YET]
    got = shown(desk)
    assert got.CurrentSigningKeyLength == got.NextSigningKeyLength == "RSA_1024_BIT"
    assert got.LastKeyGenerationTimestamp == desk.now / 1000


def test_a_change_of_length_does_not_wait_for_the_pool(desk: Desk) -> None:
    """With an empty pool the answer comes at once; the old key stays until the new one is there."""
    old = desk.stock(2048)
    tokens = desk.ask("CreateEmailIdentity", EmailIdentity="example.com").DkimAttributes.Tokens

    desk.ask(
        SIGNING,
        EmailIdentity="example.com",
        SigningAttributesOrigin="AWS_SES",
        SigningAttributes=length(1024),
    )

    assert (shown(desk).CurrentSigningKeyLength, shown(desk).NextSigningKeyLength) == (
        "RSA_2048_BIT",
        "RSA_1024_BIT",
    )
    assert published(desk, tokens)[0] == old
    new = desk.stock(1024)
    hand_out(desk.database, T0 + HOUR)
    assert published(desk, tokens)[1] == new
    assert shown(desk).CurrentSigningKeyLength == "RSA_1024_BIT"


def test_a_key_is_given_to_the_set_as_it_is_now(desk: Desk) -> None:
    """A set that waited gets a key of the length it has now, and one only."""
    desk.ask("CreateEmailIdentity", EmailIdentity="example.com")
    seen = desk.view("example.com").token_set
    assert seen is not None
    request = KeyRequest(seen.id, desk.account, 2048)
    desk.database.write(lambda s: key_requests.file(s, [request]))
    desk.ask(
        SIGNING,
        EmailIdentity="example.com",
        SigningAttributesOrigin="AWS_SES",
        SigningAttributes=length(1024),
    )
    desk.stock(2048)
    hand_out(desk.database, T0)
    assert published(desk, list(seen.tokens))[0] is NoKeyYet.NO_KEY_YET

    public = desk.stock(1024)
    desk.stock(1024)
    hand_out(desk.database, T0)

    assert published(desk, list(seen.tokens))[0] == public
    given = desk.view("example.com").token_set
    assert given is not None
    assert (given.has_key, given.public_key, given.key_length) == (True, public, KeyLength.RSA_1024_BIT)
    assert desk.read(lambda s: [keys.count_pooled(s, bits) for bits in (1024, 2048)]) == [1, 1]
    assert not desk.read(key_requests.anybody_waits)


def test_keys_go_round_the_three_tokens(desk: Desk) -> None:
    """Each next key is under the next token; the fourth is under the first again."""
    first = desk.stock(2048)
    tokens = desk.ask("CreateEmailIdentity", EmailIdentity="example.com").DkimAttributes.Tokens
    made = [first]
    places = []
    for bits in (1024, 2048, 1024):
        desk.now += DAY
        made.append(desk.stock(bits))
        desk.ask(
            SIGNING,
            EmailIdentity="example.com",
            SigningAttributesOrigin="AWS_SES",
            SigningAttributes=length(bits),
        )
        places.append(published(desk, tokens).index(made[-1]))

    assert places == [1, 2, 0]


@pytest.mark.parametrize(
    ("after", "first", "then", "refusal"),
    [
        (0, 2048, 2048, "The DKIM signing key length is RSA_2048_BIT already."),
        (2 * DAY, 1024, 1024, "The DKIM signing key length is RSA_1024_BIT already."),
        (0, 2048, 1024, None),
        (0, 1024, 2048, "once in 24 hours"),
        (DAY - 1, 1024, 2048, "once in 24 hours"),
        (DAY, 1024, 2048, None),
    ],
)
def test_when_the_length_may_change(
    desk: Desk, after: int, first: int, then: int, refusal: str | None
) -> None:
    """Not to what is configured, not twice in a day, the first step down excepted (spec 3.4)."""
    desk.ask("CreateEmailIdentity", EmailIdentity="example.com", DkimSigningAttributes=length(first))
    desk.now += after
    members: dict[str, Any] = {
        "EmailIdentity": "example.com",
        "SigningAttributesOrigin": "AWS_SES",
        "SigningAttributes": length(then),
    }
    if refusal is None:
        assert desk.ask(SIGNING, **members).DkimStatus == "PENDING"
    else:
        fault = desk.refused(SIGNING, **members)
        assert fault.kind is FaultKind.INVALID_PARAMETER
        assert refusal in fault.message


def test_the_refusal_names_the_earliest_time(desk: Desk) -> None:
    """Down and up again within the day is refused with when it would be possible."""
    desk.ask("CreateEmailIdentity", EmailIdentity="example.com")
    change = {"EmailIdentity": "example.com", "SigningAttributesOrigin": "AWS_SES"}
    desk.ask(SIGNING, **change, SigningAttributes=length(1024))

    fault = desk.refused(SIGNING, **change, SigningAttributes=length(2048))

    assert "2026-09-22T" in fault.message
    desk.now += DAY
    desk.ask(SIGNING, **change, SigningAttributes=length(2048))
    assert shown(desk).NextSigningKeyLength == "RSA_2048_BIT"


@pytest.mark.parametrize("attributes", [None, length(2048)])
def test_a_failed_search_begins_anew(desk: Desk, attributes: DkimSigningAttributes | None) -> None:
    """The same method again, on a failed facet, is a new start with the same tokens."""
    tokens = desk.ask("CreateEmailIdentity", EmailIdentity="example.com").DkimAttributes.Tokens
    desk.find("example.com", Facet.DKIM, Status.FAILED)
    desk.now += 80 * HOUR

    answer = desk.ask(
        SIGNING, EmailIdentity="example.com", SigningAttributesOrigin="AWS_SES", SigningAttributes=attributes
    )

    assert (answer.DkimTokens, answer.DkimStatus) == (tokens, "PENDING")
    assert desk.view("example.com").facets[Facet.DKIM].deadline == desk.now + 72 * HOUR


@pytest.mark.parametrize("status", [Status.PENDING, Status.SUCCESS, Status.TEMPORARY_FAILURE])
def test_the_same_method_again_changes_nothing(desk: Desk, status: Status) -> None:
    """While the search goes on or stands, AWS_SES on an Easy DKIM domain answers what is there."""
    desk.ask("CreateEmailIdentity", EmailIdentity="example.com")
    desk.find("example.com", Facet.DKIM, status)
    before = desk.view("example.com")

    answer = desk.ask(SIGNING, EmailIdentity="example.com", SigningAttributesOrigin="AWS_SES")

    assert (answer.DkimStatus, tuple(answer.DkimTokens)) == (status.value, tokens_of(desk))
    assert desk.view("example.com") == before


@pytest.mark.parametrize(
    ("members", "kind", "message"),
    [
        (
            {"EmailIdentity": "ann@example.com", "SigningAttributesOrigin": "AWS_SES"},
            FaultKind.INVALID_PARAMETER,
            "The EmailIdentity value must be a valid domain.",
        ),
        (
            {"EmailIdentity": "exa mple", "SigningAttributesOrigin": "AWS_SES"},
            FaultKind.INVALID_PARAMETER,
            "The EmailIdentity value must be a valid domain.",
        ),
        (
            {"EmailIdentity": "none.example", "SigningAttributesOrigin": "AWS_SES"},
            FaultKind.NOT_FOUND,
            "Email identity <none.example> does not exist.",
        ),
        (
            {"EmailIdentity": "example.com", "SigningAttributesOrigin": "EXTERNAL"},
            FaultKind.INVALID_PARAMETER,
            BOTH_NEEDED,
        ),
        (
            {"EmailIdentity": "example.com", "SigningAttributesOrigin": "AWS_SES", "SigningAttributes": OWN},
            FaultKind.INVALID_PARAMETER,
            ONE_WAY,
        ),
        (
            {
                "EmailIdentity": "example.com",
                "SigningAttributesOrigin": "EXTERNAL",
                "SigningAttributes": length(1024),
            },
            FaultKind.INVALID_PARAMETER,
            ONE_WAY,
        ),
        (
            {
                "EmailIdentity": "example.com",
                "SigningAttributesOrigin": "AWS_SES_US_EAST_1",
                "SigningAttributes": OWN,
            },
            FaultKind.INVALID_PARAMETER,
            (
                "A replica has the tokens, the keys and the key length of its parent; give neither a"
                " selector, nor a private key, nor NextSigningKeyLength."
            ),
        ),
        (
            {
                "EmailIdentity": "example.com",
                "SigningAttributesOrigin": "AWS_SES",
                "SigningAttributes": DkimSigningAttributes(DomainSigningAttributesOrigin="AWS_SES"),
            },
            FaultKind.INVALID_PARAMETER,
            "DomainSigningAttributesOrigin is for CreateEmailIdentity; use SigningAttributesOrigin here.",
        ),
    ],
)
def test_a_refused_change_changes_nothing(
    desk: Desk, members: dict[str, Any], kind: FaultKind, message: str
) -> None:
    """Each refusal in its words, with everything as it was."""
    desk.ask("CreateEmailIdentity", EmailIdentity="example.com")
    before = desk.view("example.com")

    fault = desk.refused(SIGNING, **members)

    assert (fault.kind, fault.message) == (kind, message)
    assert desk.view("example.com") == before


def test_of_two_changes_at_once_one_wins(desk: Desk) -> None:
    """Two writers on one version: what is stored is one's alone, the other is told of the race if there was.

    On SQLite there is one writer, so nobody loses; on PostgreSQL whoever read the older version does.
    """
    desk.ask("CreateEmailIdentity", EmailIdentity="example.com")
    selectors = [f"s{number}" for number in range(4)]

    async def race() -> list[Any]:
        return await asyncio.gather(
            *(
                desk.asking(
                    SIGNING,
                    EmailIdentity="example.com",
                    SigningAttributesOrigin="EXTERNAL",
                    SigningAttributes=DkimSigningAttributes(
                        DomainSigningSelector=selector, DomainSigningPrivateKey=OWN_KEY_TEXT
                    ),
                )
                for selector in selectors
            ),
            return_exceptions=True,
        )

    outcomes = asyncio.run(race())

    lost = [outcome for outcome in outcomes if isinstance(outcome, Fault)]
    assert all(fault.kind is FaultKind.CONCURRENT_MODIFICATION for fault in lost)
    won = [outcome.DkimTokens[0] for outcome in outcomes if not isinstance(outcome, Fault)]
    view = desk.view("example.com")
    assert tokens_of(desk)[0] in won
    assert view.identity.version == view.identity.generation == 1 + len(won)
    assert view.facets[Facet.DKIM].generation == view.identity.generation


def test_a_check_in_flight_conflicts_with_nobody(desk: Desk) -> None:
    """A change goes through while a verifier holds the identity; what that verifier found lands nowhere."""
    desk.ask("CreateEmailIdentity", EmailIdentity="example.com")
    (claim,) = desk.claims()

    desk.ask(SIGNING, EmailIdentity="example.com", SigningAttributesOrigin="EXTERNAL", SigningAttributes=OWN)
    late = checks.CheckResult(
        identity_id=claim.identity.id,
        generation=claim.identity.generation,
        owner="test",
        facets=(replace(claim.facets[Facet.DKIM], status=Status.SUCCESS),),
        due_at=None,
        interval=0,
        checked_at=T0,
        succeeded_at=T0,
        error=None,
        soa=None,
    )

    assert desk.database.write(lambda s: checks.write_back(s, [late])) == []
    assert desk.view("example.com").facets[Facet.DKIM].status is Status.PENDING
    (again,) = desk.claims()
    assert again.identity.generation == claim.identity.generation + 1
