"""What another installation offers is examined as an upload is: whatever is not sound is not taken."""

from __future__ import annotations

import base64
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateNumbers, RSAPublicNumbers
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from desk import Desk
from installations import (
    NAME,
    REPLICA,
    SECRET,
    Elsewhere,
    look,
    of_replicas,
    offered,
    replicate,
)
from key_steps import PACE

from indicia.domain.dkim.replication import ParentSeen
from indicia.domain.identities.identity import ErrorType
from indicia.domain.proofs.transitions import Evidence, Sight
from indicia.operations.dkim.replication_acceptance import (
    OfferSource,
    UnacceptableOfferError,
    accept,
    examine,
)
from indicia.operations.dkim.replication_offer import Offer
from indicia.store.dkim import zones
from indicia.store.dkim.replications import Replication
from indicia.store.engine.database import Database
from indicia.vault import rsa, transit

P = 111927851988360893319259662593235230375504026159278527685696709279539605945473
Q = 100635048251003953764761076787586715334121705216909074299719575974710320674833
D = pow(65537, -1, (P - 1) * (Q - 1))


@pytest.fixture
def desk(database: Database) -> Desk:
    """The installation of the replica, which serves us-east-1 alone."""
    return of_replicas(database)


@pytest.fixture
def parent(another_database: Database) -> Elsewhere:
    """The installation of the parent's region, eu-west-1."""
    return Elsewhere(another_database)


def _another_key(offer: Offer, _: Desk) -> Offer:
    (key,) = offer.keys
    return msgspec.structs.replace(
        offer, keys=(msgspec.structs.replace(key, public_key=rsa.generate(1024).public_key),)
    )


def _other_secret(offer: Offer, _: Desk) -> Offer:
    (key,) = offer.keys
    private = transit.seal(b"x", "another secret", "t")
    return msgspec.structs.replace(offer, keys=(msgspec.structs.replace(key, private_key=private),))


def _no_place(offer: Offer, _: Desk) -> Offer:
    (key,) = offer.keys
    return msgspec.structs.replace(offer, keys=(msgspec.structs.replace(key, position=7),))


def _our_zone(offer: Offer, desk: Desk) -> Offer:
    desk.database.write(lambda s: zones.add(s, offer.zone, 0))
    return offer


def _above_our_zone(offer: Offer, desk: Desk) -> Offer:
    desk.database.write(lambda s: zones.add(s, f"deep.{offer.zone}", 0))
    return offer


def _with_key(offer: Offer, pair: rsa.KeyPair) -> Offer:
    (key,) = offer.keys
    private = transit.seal(pair.private_key, SECRET, f"{offer.tokens[key.position]}.{offer.zone}")
    fresh = msgspec.structs.replace(key, public_key=pair.public_key, private_key=private)
    return msgspec.structs.replace(offer, keys=(fresh,))


def _sealed_anew(offer: Offer, **changes: Any) -> Offer:
    # With a key that opens under the changed name: the name alone is what is wrong.
    return _with_key(msgspec.structs.replace(offer, **changes), rsa.generate(1024))


def _weak_key(offer: Offer, _: Desk) -> Offer:
    # Of 512 bits, which nobody generates any more: its modulus can be factored in an afternoon.
    numbers = RSAPrivateNumbers(
        P, Q, D, D % (P - 1), D % (Q - 1), pow(Q, -1, P), RSAPublicNumbers(65537, P * Q)
    )
    key = numbers.private_key(unsafe_skip_rsa_key_validation=True)
    private = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return _with_key(offer, rsa.KeyPair(512, base64.b64encode(public).decode(), private))


def _two_at_one_place(offer: Offer, _: Desk) -> Offer:
    (key,) = offer.keys
    other = _with_key(offer, rsa.generate(1024)).keys[0]
    return msgspec.structs.replace(offer, keys=(key, other))


@pytest.mark.parametrize(
    "spoil",
    [
        _another_key,
        _other_secret,
        _no_place,
        _our_zone,
        _above_our_zone,
        _weak_key,
        _two_at_one_place,
        lambda offer, _: msgspec.structs.replace(offer, account="999900000000"),
        lambda offer, _: _sealed_anew(offer, zone=offer.zone.upper()),
        lambda offer, _: _sealed_anew(offer, zone="no zone"),
        lambda offer, _: _sealed_anew(offer, zone=f"{'z' * 63}." * 3 + "z" * 40),
        lambda offer, _: _sealed_anew(offer, tokens=("a\r\nb", *offer.tokens[1:])),
        lambda offer, _: _sealed_anew(offer, tokens=(offer.tokens[0],) * 3),
        lambda offer, _: msgspec.structs.replace(offer, key_length="RSA_512_BIT"),
    ],
)
def test_an_offer_that_is_not_sound_is_not_taken(desk: Desk, parent: Elsewhere, spoil: Any) -> None:
    """Another's account, our own zone, names that are none, keys that are none: nothing is stored.

    All is unknown, and our trouble; what asked goes on.
    """
    offer = spoil(offered(parent), desk)
    replicate(desk)
    assert look(desk, parent, offered=offer) == ParentSeen(Evidence(Sight.UNKNOWN, ErrorType.SERVICE_ERROR))
    assert desk.view(NAME).token_set is None


def test_the_tokens_of_another_identity_are_not_shared(desk: Desk, parent: Elsewhere) -> None:
    """An installation that offers for one name what it gave for another gets nowhere with it."""
    offer = offered(parent)
    desk.ask("CreateEmailIdentity", EmailIdentity="other.example", DkimSigningAttributes=REPLICA)
    replicate(desk)
    look(desk, parent)
    given = desk.view(NAME).token_set
    assert given is not None
    asked = Replication(1, desk.account, "other.example", "us-east-1", "eu-west-1", "", "")
    abroad = OfferSource("eu-west-1", SECRET, desk.keyring, PACE)

    with pytest.raises(UnacceptableOfferError, match="another identity's"):
        desk.database.write(lambda s: accept(s, asked, examine(asked, offer, abroad), abroad, desk.now))
    assert desk.view(NAME).token_set == given
