"""Which identity supplies the settings of an address, and by whose proof it is sent from."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indicia.domain.identities.identity import (
    Facet,
    FacetState,
    Identity,
    IdentityKind,
    KeyLength,
    MxFailureBehavior,
    Status,
    TokenSet,
    TokenSetKind,
)
from indicia.domain.proofs.inheritance import (
    SendingProof,
    candidates,
    covered,
    covering,
    effective_identity,
    without_label,
)

EASY = TokenSet(1, TokenSetKind.EASY, ("a", "b", "c"), "dkim.mail.example", KeyLength.RSA_2048_BIT, 1, True)


@dataclass(frozen=True)
class Registered:
    """An identity as a lookup finds it."""

    identity: Identity
    facets: dict[Facet, FacetState] = field(default_factory=dict)
    token_set: TokenSet | None = None


def registered(
    name: str, status: Status = Status.SUCCESS, *, dkim: bool = True, signing: bool = True
) -> Registered:
    """A domain or an address whose own proof has this status; a domain with Easy DKIM unless said."""
    kind = IdentityKind.EMAIL_ADDRESS if "@" in name else IdentityKind.DOMAIN
    identity = Identity(
        id=1,
        account="111122223333",
        region="eu-west-1",
        kind=kind,
        name=name,
        created_at=1,
        version=1,
        generation=1,
        origin="AWS_SES",
        signing_enabled=signing,
        next_key_length=KeyLength.RSA_2048_BIT,
        token_set_id=None,
        legacy_token="",
        legacy_requested=False,
        mail_from_domain="",
        mail_from_behavior=MxFailureBehavior.USE_DEFAULT_VALUE,
        feedback_forwarding=True,
        configuration_set="",
    )
    address = kind is IdentityKind.EMAIL_ADDRESS
    facet = Facet.LINK if address else Facet.DKIM if dkim else Facet.OWNERSHIP
    states = {facet: FacetState(facet, status, 1, 1)}
    return Registered(identity, states, EASY if dkim and not address else None)


def house(*found: Registered) -> dict[str, Registered]:
    """What there is, by name."""
    return {each.identity.name: each for each in found}


# The worked example of the guide (creating identities): all four verified.
GUIDE = house(
    registered("user@a.b.example.com"),
    registered("a.b.example.com"),
    registered("b.example.com"),
    registered("example.com"),
)


@pytest.mark.parametrize(
    ("address", "supplier", "proof", "keys"),
    [
        ("user@a.b.example.com", "user@a.b.example.com", SendingProof.ADDRESS, "a.b.example.com"),
        ("user+x@a.b.example.com", "user@a.b.example.com", SendingProof.LABEL, "a.b.example.com"),
        ("user+x+y@a.b.example.com", "user@a.b.example.com", SendingProof.LABEL, "a.b.example.com"),
        ("other@a.b.example.com", "a.b.example.com", SendingProof.DOMAIN, "a.b.example.com"),
        ("User@a.b.example.com", "a.b.example.com", SendingProof.DOMAIN, "a.b.example.com"),
        ("user@A.B.EXAMPLE.COM", "a.b.example.com", SendingProof.DOMAIN, "a.b.example.com"),
        ("user@b.example.com", "b.example.com", SendingProof.DOMAIN, "b.example.com"),
        ("user@c.b.example.com", "b.example.com", SendingProof.PARENT, "b.example.com"),
        ("user@x.a.b.example.com", "a.b.example.com", SendingProof.PARENT, "a.b.example.com"),
        ("user@example.com", "example.com", SendingProof.DOMAIN, "example.com"),
        ("user@c.example.com", "example.com", SendingProof.PARENT, "example.com"),
    ],
)
def test_the_worked_example(address: str, supplier: str, proof: SendingProof, keys: str) -> None:
    """The most specific identity supplies the settings, keys come from a domain always."""
    found = effective_identity(address, GUIDE.get)

    assert found is not None
    assert (found.supplier.identity.name, found.proof) == (supplier, proof)
    assert found.keys is not None
    assert (found.keys.identity.name, found.signed) == (keys, True)


@pytest.mark.parametrize(
    "address",
    ["user@com", "user@example.org", "user@badexample.com", "user@example.com.org", "user@localhost"],
)
def test_nobody_else_may_send(address: str) -> None:
    """A neighbour, a longer name that ends alike and a parent are not covered."""
    assert effective_identity(address, GUIDE.get) is None


@pytest.mark.parametrize(
    ("status", "usable"),
    [
        (Status.SUCCESS, True),
        (Status.TEMPORARY_FAILURE, True),
        (Status.PENDING, False),
        (Status.FAILED, False),
        (Status.NOT_STARTED, False),
    ],
)
def test_only_the_verified_supply(status: Status, usable: bool) -> None:
    """What is not verified is passed over, at every level: its settings are not used (spec 9.1)."""
    domain = registered("example.com")
    for name in ("ann@b.example.com", "b.example.com"):
        found = effective_identity("ann@b.example.com", house(registered(name, status), domain).get)
        assert found is not None
        assert found.supplier.identity.name == (name if usable else "example.com")

    alone = effective_identity("ann@b.example.com", house(registered("ann@b.example.com", status)).get)
    assert (alone is not None) is usable


def test_an_address_alone_has_no_keys() -> None:
    """An address under nobody's domain is sent from, unsigned (spec 4.5)."""
    found = effective_identity("ann@gmail.example", house(registered("ann@gmail.example")).get)

    assert found is not None
    assert (found.keys, found.signed) == (None, False)


def test_a_subdomain_without_dkim_has_the_keys_above_it() -> None:
    """DKIM is inherited by subdomains: settings are the subdomain's, the signature is the parent's (3.7)."""
    found = effective_identity(
        "ann@b.example.com", house(registered("b.example.com", dkim=False), registered("example.com")).get
    )

    assert found is not None
    assert found.keys is not None
    assert (found.supplier.identity.name, found.keys.identity.name) == ("b.example.com", "example.com")


def test_a_domain_that_waits_for_its_proof_lends_no_keys() -> None:
    """Mail from below a pending subdomain goes as the verified parent has it, keys included."""
    found = effective_identity(
        "ann@b.example.com", house(registered("b.example.com", Status.PENDING), registered("example.com")).get
    )

    assert found is not None
    assert found.keys is not None
    assert found.keys.identity.name == "example.com"


@pytest.mark.parametrize("domain", [True, False])
@pytest.mark.parametrize(
    ("switches", "signed"),
    [
        ({}, None),
        ({"ann@example.com": True}, True),
        ({"ann@example.com": False}, False),
        ({"bob@example.com": True}, None),
        ({"Ann@example.com": False}, None),
    ],
)
@pytest.mark.parametrize("address", ["ann@example.com", "ann+news@example.com"])
def test_an_address_has_a_switch_of_its_own(
    address: str, switches: dict[str, bool], signed: bool | None, domain: bool
) -> None:
    """The switch of the address goes before its domain's, both ways, for its labels too."""
    found = effective_identity(address, house(registered("example.com", signing=domain)).get, switches.get)

    assert found is not None
    assert found.signed is (domain if signed is None else signed)


def test_the_switch_of_a_labelled_address_goes_before_that_of_the_plain_one() -> None:
    """The most specific word counts for switches as well."""
    switches = {"ann@example.com": False, "ann+news@example.com": True}
    found = effective_identity("ann+news@example.com", GUIDE.get, switches.get)

    assert found is not None
    assert found.signed is True


@pytest.mark.parametrize(
    ("address", "plain"),
    [
        ("ann+x@example.com", "ann@example.com"),
        ("ann+x+y@example.com", "ann@example.com"),
        ("ann+@example.com", "ann@example.com"),
        ("ann@example.com", None),
        ("+x@example.com", None),
        ('"a+b"@example.com', None),
        ("ann@ex+ample.com", None),
    ],
)
def test_what_a_label_is(address: str, plain: str | None) -> None:
    """A label begins at the first plus of an unquoted local part that has something before it."""
    assert without_label(address) == plain


def test_candidates_in_their_order() -> None:
    """Spec 9.1: exact address, without its label, domain, parents; a top level covers nobody."""
    assert candidates("Ann+x@B.example.com") == (
        "Ann+x@B.example.com",
        "Ann@B.example.com",
        "b.example.com",
        "example.com",
    )
    assert covering(IdentityKind.DOMAIN, "a.b.example.com") == ("b.example.com", "example.com")
    assert covering(IdentityKind.DOMAIN, "example.com") == ()


NAMES = st.sampled_from(
    ["ann@a.b.example.com", "ann+x@a.b.example.com", "a.b.example.com", "b.example.com", "example.com"]
)


@given(st.dictionaries(NAMES, st.sampled_from(Status)))
def test_nobody_is_sent_for_without_a_proof(statuses: dict[str, Status]) -> None:
    """Whatever is registered: there is a supplier exactly if a candidate is verified, and it is the first."""
    found = effective_identity(
        "ann+x@a.b.example.com",
        house(*(registered(name, status) for name, status in statuses.items())).get,
    )

    standing = [
        name
        for name in candidates("ann+x@a.b.example.com")
        if statuses.get(name) in (Status.SUCCESS, Status.TEMPORARY_FAILURE)
    ]
    assert (found and found.supplier.identity.name) == (standing[0] if standing else None)


def test_one_above_that_may_send_is_enough() -> None:
    """Any of those that cover an identity; none of none, and none of those without a proof."""
    pending = registered("example.com", Status.PENDING)
    grace = registered("b.example.com", Status.TEMPORARY_FAILURE)

    assert covered([pending, grace])
    assert not covered([pending, registered("b.example.com", Status.FAILED)])
    assert not covered([])
