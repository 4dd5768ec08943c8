"""A parent in another installation: what it hands out, what is taken in, and what is refused."""

from __future__ import annotations

import asyncio
import base64
import secrets
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
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
from desk import ZONE, Desk
from handing import hand_out
from test_create_email_identity import OWN
from test_key_life import PACE, SIGNING, keep, key_of, see, set_id, signing, stages

from indicia.clock import Clock
from indicia.domain.faults import Fault, FaultKind
from indicia.domain.identity import ErrorType, Facet, Status
from indicia.domain.replication import ParentSeen
from indicia.domain.time import DAY, HOUR
from indicia.domain.verification import Evidence, Sight
from indicia.operations.replicating import Installations, Replicator
from indicia.operations.replication_acceptance import (
    SOONEST,
    Abroad,
    UnacceptableOfferError,
    accept,
    examine,
)
from indicia.operations.replication_offer import Offer, ReplicationRequest
from indicia.operations.signing_keys import SigningKey
from indicia.settings.elsewhere import Offered
from indicia.store import access, checks, key_exports, key_lives, key_requests, keys, schema, zones
from indicia.store.database import Database
from indicia.store.ids import new_id
from indicia.store.key_exports import KeyExport
from indicia.store.key_requests import KeyRequest
from indicia.store.replications import Replication
from indicia.vault import rsa, transit
from indicia.vault.keeper import KeyKeeper
from indicia.vault.loaded import LoadedKeys
from indicia.vault.purposes import PRIVATE_KEY, access_key
from indicia.wire.shapes.sesv2 import DkimSigningAttributes

NAME = "example.com"
P = 111927851988360893319259662593235230375504026159278527685696709279539605945473
Q = 100635048251003953764761076787586715334121705216909074299719575974710320674833
D = pow(65537, -1, (P - 1) * (Q - 1))
KEY_ID, SECRET = "AKIATESTTESTTESTTEST", "a-secret-that-opens-nothing-else-000000"
MAY_FETCH = '{"Statement": {"Effect": "Allow", "Action": "indicia:ReplicateIdentity", "Resource": "*"}}'
REPLICA = DkimSigningAttributes(DomainSigningAttributesOrigin="AWS_SES_EU_WEST_1")


class Elsewhere(Desk):
    """A desk of another installation, with a pool of real keys and an access key of its own making."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.offers(Offered(self.account, "us-east-1"))
        self.database.write(
            lambda s: access.create_key(
                s,
                access.AccessKey(
                    KEY_ID,
                    self.account,
                    None,
                    self.keyring.seal(SECRET.encode(), access_key(KEY_ID)),
                    None,
                    0,
                    None,
                ),
            )
        )

    def stock(self, bits: int, public_key: str = "") -> str:
        """Put a real key into the pool."""
        assert not public_key
        pair = rsa.generate(1024)
        sealed = self.keyring.seal(pair.private_key, PRIVATE_KEY)
        key = keys.PooledKey(new_id(), bits, pair.public_key, sealed, self.now)
        self.database.write(lambda s: keys.add_pooled(s, key))
        return pair.public_key

    def offers(self, *offered: Offered) -> None:
        """Let the operator's settings say so."""
        self.house = replace(self.house, offered=frozenset(offered))
        self.dispatch = type(self.dispatch)(self.database, self.house)

    async def offer(self, name: str = NAME, region: str = "us-east-1", policy: str | None = MAY_FETCH) -> Any:
        """What the call answers, made with the access key under the policy."""
        call = self.call("indicia", "ReplicateIdentity")._replace(policy=policy)
        return await self.dispatch(call, ReplicationRequest(name=name, replica_region=region))


@pytest.fixture
def parent(tmp_path: Path) -> Iterator[Elsewhere]:
    """The installation of the parent's region, eu-west-1."""
    url = f"sqlite:///{tmp_path / 'elsewhere.db'}"
    schema.migrate(url)
    opened = Database.open(url)
    yield Elsewhere(opened)
    opened.close()


@pytest.fixture
def desk(database: Database) -> Desk:
    """The installation of the replica, which serves us-east-1 alone."""
    made = Desk(database)
    made.region = "us-east-1"
    made.house = replace(made.house, service_domain="replica.example", regions=frozenset({"us-east-1"}))
    made.dispatch = type(made.dispatch)(database, made.house)
    return made


def keeper(desk: Desk) -> None:
    """Let whoever keeps the keys do what there is to do."""
    keeping = KeyKeeper(
        desk.database, Clock(real=lambda: desk.now), PACE, published=lambda _: None, taken=lambda: None
    )

    async def story() -> None:
        running = asyncio.create_task(keeping.run())
        await asyncio.wait_for(keeping.settled(), 20)
        keeping.stop()
        await running

    asyncio.run(story())


def look(desk: Desk, parent: Elsewhere, offered: Any = None) -> ParentSeen:
    """What the verifier's part of the replica's installation finds, and does."""
    identity = desk.view(NAME).identity
    desk.database.write(lambda s: checks.schedule(s, identity.id, checks.shard_of(NAME), desk.now))
    claim = next(each for each in desk.claims() if each.identity.id == identity.id)

    async def fetch(asked: Replication) -> Offer | ErrorType | None:
        assert (asked.name, asked.parent_region) == (NAME, "eu-west-1")
        if offered is not None:
            return offered() if callable(offered) else offered
        answer = await parent.offer(asked.name, asked.region)
        if answer.obstacle is not None:
            return ErrorType(answer.obstacle)
        # Over the wire and back.
        return msgspec.json.decode(msgspec.json.encode(answer.offer), type=Offer)

    abroad = {"eu-west-1": Abroad("eu-west-1", SECRET, desk.keyring, PACE)}
    replicator = Replicator(
        desk.database,
        desk.house.regions,
        desk.house.windows,
        PACE,
        desk.house.first_check,
        lambda: desk.now,
        Installations(abroad, fetch),
    )
    return asyncio.run(replicator(claim))


def replicate(desk: Desk) -> Any:
    """Create the replica."""
    return desk.ask("CreateEmailIdentity", EmailIdentity=NAME, DkimSigningAttributes=REPLICA).DkimAttributes


def dkim(desk: Desk) -> Any:
    """What Get shows."""
    return desk.ask("GetEmailIdentity", EmailIdentity=NAME).DkimAttributes


def verified(desk: Desk) -> None:
    """Let the replica's verifier have seen records and keys, and the keeper have done its part."""
    desk.find(NAME, Facet.DKIM, Status.SUCCESS)
    see(desk, set_id(desk))
    desk.now += PACE.settle
    keep(desk, set_id(desk))


SHARED = Evidence(Sight.PRESENT, None)


def test_a_replica_has_the_tokens_and_the_key_of_a_parent_elsewhere(desk: Desk, parent: Elsewhere) -> None:
    """Asked for after the creation, not in it; mail is signed with the very key, once it was seen here."""
    signing(parent)
    made = replicate(desk)
    assert made.Tokens == []

    seen = look(desk, parent)

    assert seen == ParentSeen(SHARED, again=PACE.linger // 2)
    shown, theirs = dkim(desk), dkim(parent)
    assert (shown.Tokens, shown.SigningHostedZone) == (theirs.Tokens, ZONE)
    assert (shown.Status, shown.CurrentSigningKeyLength) == ("PENDING", theirs.CurrentSigningKeyLength)
    assert not isinstance(key_of(desk), SigningKey)
    verified(desk)
    ours, original = key_of(desk), key_of(parent)
    assert isinstance(ours, SigningKey)
    assert isinstance(original, SigningKey)
    assert (ours.domain, ours.selector) == (original.domain, original.selector)
    private = [
        LoadedKeys(each.keyring).load(key.id, key.private_key).private_numbers()
        for each, key in ((desk, ours), (parent, original))
    ]
    assert private[0] == private[1]


def test_a_rotation_elsewhere_is_followed(desk: Desk, parent: Elsewhere) -> None:
    """The next key comes when it signs there, and signs when it was seen here; what is gone there goes."""
    signing(parent)
    replicate(desk)
    look(desk, parent)
    verified(desk)
    first = key_of(desk)
    parent.now = desk.now = max(parent.now, desk.now) + DAY
    parent.stock(2048)
    parent.ask("RotateIdentityKey", name=NAME)
    look(desk, parent)
    assert stages(desk, set_id(desk)) == ["signing"]  # it does not sign there yet

    see(parent, set_id(parent))
    parent.now += PACE.settle
    keep(parent, set_id(parent))
    desk.now = parent.now
    look(desk, parent)
    assert stages(desk, set_id(desk)) == ["signing", "published"]
    assert key_of(desk) == first
    verified(desk)
    assert stages(desk, set_id(desk)) == ["retired", "signing"]
    assert key_of(desk).selector == key_of(parent).selector  # type: ignore[union-attr]

    parent.now = desk.now = parent.now + PACE.linger
    keep(parent, set_id(parent))
    look(desk, parent)
    assert stages(desk, set_id(desk)) == ["signing"]


def test_a_length_changed_elsewhere_is_shown(desk: Desk, parent: Elsewhere) -> None:
    """NextSigningKeyLength is the parent's."""
    signing(parent)
    replicate(desk)
    look(desk, parent)
    parent.now += DAY
    change = DkimSigningAttributes(NextSigningKeyLength="RSA_1024_BIT")
    parent.ask(SIGNING, EmailIdentity=NAME, SigningAttributesOrigin="AWS_SES", SigningAttributes=change)
    look(desk, parent)
    assert dkim(desk).NextSigningKeyLength == "RSA_1024_BIT"


def test_a_parent_that_does_not_sign_yet_gives_tokens_only(desk: Desk, parent: Elsewhere) -> None:
    """The records can be published and proved; nobody makes a key for another installation's tokens."""
    parent.ask("CreateEmailIdentity", EmailIdentity=NAME)
    replicate(desk)
    assert look(desk, parent).evidence == SHARED
    token_set = desk.view(NAME).token_set
    assert token_set is not None
    assert dkim(desk).Tokens == dkim(parent).Tokens
    desk.stock(2048)
    request = KeyRequest(token_set.id, desk.account, 2048)
    desk.database.write(lambda s: key_requests.file(s, [request]))
    assert hand_out(desk.database, desk.now) == []
    assert stages(desk, token_set.id) == []


def test_the_zone_of_another_installation_is_not_served_here(desk: Desk, parent: Elsewhere) -> None:
    """Its keys are that one's to publish."""
    signing(parent)
    replicate(desk)
    look(desk, parent)
    assert ZONE not in desk.read(zones.names)


@pytest.mark.parametrize(
    ("prepare", "error"),
    [
        (lambda _: None, ErrorType.REPLICATION_PRIMARY_NOT_FOUND),
        (
            lambda parent: parent.ask("CreateEmailIdentity", EmailIdentity=NAME, DkimSigningAttributes=OWN),
            ErrorType.REPLICATION_PRIMARY_BYO_DKIM_NOT_SUPPORTED,
        ),
    ],
)
def test_what_is_in_the_way_elsewhere_is_told_here(
    desk: Desk, parent: Elsewhere, prepare: Any, error: ErrorType
) -> None:
    """The same causes by the same words."""
    prepare(parent)
    replicate(desk)
    assert look(desk, parent) == ParentSeen(Evidence(Sight.ABSENT, error))


def test_silence_is_evidence_of_nothing(desk: Desk, parent: Elsewhere) -> None:
    """Nobody answers: unknown, and our trouble."""
    replicate(desk)
    seen = look(desk, parent, offered=lambda: None)
    assert seen == ParentSeen(Evidence(Sight.UNKNOWN, ErrorType.SERVICE_ERROR))


def _offered(parent: Elsewhere) -> Offer:
    signing(parent)

    async def ask() -> Any:
        return await parent.offer()

    found: Offer = asyncio.run(ask()).offer
    return found


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
        lambda offer, _: msgspec.structs.replace(offer, zone=offer.zone.upper()),
        lambda offer, _: msgspec.structs.replace(offer, zone="no zone"),
        lambda offer, _: msgspec.structs.replace(offer, zone=f"{'z' * 63}." * 3 + "example.com.test"),
        lambda offer, _: msgspec.structs.replace(offer, tokens=("a\r\nb", *offer.tokens[1:])),
        lambda offer, _: msgspec.structs.replace(offer, tokens=(offer.tokens[0],) * 3),
        lambda offer, _: msgspec.structs.replace(offer, key_length="RSA_512_BIT"),
    ],
)
def test_an_offer_that_is_not_sound_is_not_taken(desk: Desk, parent: Elsewhere, spoil: Any) -> None:
    """Another's account, our own zone, names that are none, keys that are none: nothing is stored.

    All is unknown, and our trouble; what asked goes on.
    """
    offer = spoil(_offered(parent), desk)
    replicate(desk)
    assert look(desk, parent, offered=offer) == ParentSeen(Evidence(Sight.UNKNOWN, ErrorType.SERVICE_ERROR))
    assert desk.view(NAME).token_set is None


def test_the_tokens_of_another_identity_are_not_shared(desk: Desk, parent: Elsewhere) -> None:
    """An installation that offers for one name what it gave for another gets nowhere with it."""
    offer = _offered(parent)
    desk.ask("CreateEmailIdentity", EmailIdentity="other.example", DkimSigningAttributes=REPLICA)
    replicate(desk)
    look(desk, parent)
    given = desk.view(NAME).token_set
    assert given is not None
    asked = Replication(1, desk.account, "other.example", "us-east-1", "eu-west-1", "", "")
    abroad = Abroad("eu-west-1", SECRET, desk.keyring, PACE)

    with pytest.raises(UnacceptableOfferError, match="another identity's"):
        desk.database.write(lambda s: accept(s, asked, examine(asked, offer, abroad), abroad, desk.now))
    assert desk.view(NAME).token_set == given


@pytest.mark.parametrize("fresh_for", [-(1 << 62), 0, 1])
def test_nobody_is_asked_all_the_time(desk: Desk, parent: Elsewhere, fresh_for: int) -> None:
    """However soon the other installation wants to be asked again."""
    offer = msgspec.structs.replace(_offered(parent), fresh_for=fresh_for)
    replicate(desk)
    assert look(desk, parent, offered=offer) == ParentSeen(SHARED, again=SOONEST)


def test_a_private_key_travels_sealed(parent: Elsewhere) -> None:
    """It is nowhere in the answer, opens with the secret for its own name only, and shows in no repr."""
    offer = _offered(parent)
    key = key_of(parent)
    assert isinstance(key, SigningKey)
    private = parent.keyring.open(key.private_key, PRIVATE_KEY)
    wire = msgspec.json.encode(offer)
    assert base64.b64encode(private)[:40] not in wire
    sealed = offer.keys[0].private_key
    assert transit.open_sealed(sealed, SECRET, f"{key.selector}.{ZONE}") == private
    for secret, about in ((SECRET + "x", f"{key.selector}.{ZONE}"), (SECRET, f"x.{ZONE}")):
        with pytest.raises(transit.TransitError):
            transit.open_sealed(sealed, secret, about)
    with pytest.raises(transit.TransitError):
        transit.open_sealed("not base64", SECRET, "")
    assert sealed not in repr(offer)


def test_handing_out_keys_is_in_the_audit_log(parent: Elsewhere) -> None:
    """Who asked for which identity's keys, from where."""
    _offered(parent)
    line = parent.trail()[0]
    assert (line.operation, line.outcome) == ("indicia:ReplicateIdentity", "success")
    assert line.resource.endswith(f"identity/{NAME}")


@pytest.mark.parametrize(
    "policy",
    [
        pytest.param(None, id="no policy"),
        pytest.param(MAY_FETCH.replace("indicia:ReplicateIdentity", "ses:*"), id="all of SES"),
        pytest.param(
            MAY_FETCH.replace("indicia:ReplicateIdentity", "ses:ReplicateEmailIdentityDkimSigningKey"),
            id="replicas within an installation",
        ),
        pytest.param(MAY_FETCH.replace("Allow", "Deny"), id="denied"),
    ],
)
def test_keys_leave_by_an_explicit_allow_only(parent: Elsewhere, policy: str | None) -> None:
    """Of that action: a key that may do everything of its account takes no private key away."""
    signing(parent)
    with pytest.raises(Fault, match="not authorized to perform: indicia:ReplicateIdentity") as refused:
        asyncio.run(parent.offer(policy=policy))
    assert refused.value.kind is FaultKind.ACCESS_DENIED
    line = parent.trail()[0]
    assert (line.operation, line.outcome) == ("indicia:ReplicateIdentity", "access_denied")
    assert parent.read(partial(key_exports.of_set, token_set_id=set_id(parent))) == []


@pytest.mark.parametrize(
    "offered",
    [
        (),
        (Offered("444455556666", "us-east-1"),),
        (Offered("111122223333", "us-west-2"),),
    ],
)
def test_keys_leave_only_where_the_operator_offers_them(
    parent: Elsewhere, offered: tuple[Offered, ...]
) -> None:
    """To no region by default, and only those of the account; the refusal names the setting."""
    signing(parent)
    parent.offers(*offered)
    with pytest.raises(Fault, match="INDICIA_REPLICATION_OFFERS") as refused:
        asyncio.run(parent.offer())
    assert refused.value.kind is FaultKind.ACCESS_DENIED
    assert parent.read(partial(key_exports.of_set, token_set_id=set_id(parent))) == []


def revoke(parent: Elsewhere) -> None:
    """Revoke the access key that asks."""
    assert parent.database.write(partial(access.revoke, key_id=KEY_ID, at=parent.now))


def test_what_a_revoked_key_has_fetched_is_rotated(parent: Elsewhere) -> None:
    """The keeper finds the mark: the next key is published at once, and signs when it was seen."""
    signing(parent)
    signing(parent, "never-asked.example")
    asyncio.run(parent.offer())
    signed = key_of(parent)
    assert isinstance(signed, SigningKey)
    assert parent.read(partial(key_exports.of_set, token_set_id=set_id(parent))) == [
        KeyExport(KEY_ID, set_id(parent), signed.id, parent.now)
    ]
    parent.now += HOUR
    parent.stock(2048)
    keeper(parent)
    assert stages(parent, set_id(parent)) == ["signing"]

    revoke(parent)
    keeper(parent)

    assert stages(parent, set_id(parent)) == ["signing", "published"]
    assert stages(parent, set_id(parent, "never-asked.example")) == ["signing"]
    assert parent.read(key_exports.recalled) is None
    assert parent.read(partial(key_exports.of_set, token_set_id=set_id(parent))) == []
    see(parent, set_id(parent))
    parent.now += PACE.settle
    keeper(parent)
    assert key_of(parent) != signed
    with pytest.raises(Fault, match="valid access keys"):
        asyncio.run(parent.offer())


def test_a_key_that_nobody_has_fetched_is_not_rotated(parent: Elsewhere) -> None:
    """Neither one that began to sign after the last fetch, nor one whose successor is out already."""
    signing(parent)
    asyncio.run(parent.offer())
    parent.now += HOUR
    parent.stock(2048)
    parent.ask("RotateIdentityKey", name=NAME)
    see(parent, set_id(parent))
    parent.now += PACE.settle
    keeper(parent)
    assert stages(parent, set_id(parent)) == ["retired", "signing"]
    parent.stock(2048)

    revoke(parent)
    keeper(parent)

    assert parent.read(key_exports.recalled) is None
    assert stages(parent, set_id(parent)) == ["retired", "signing"]


def test_a_recall_takes_a_bounded_number_at_a_time(parent: Elsewhere) -> None:
    """The mark stays until the last of them is done with; nothing is asked for twice."""
    names = [f"{number}.example" for number in range(3)]
    for name in names:
        signing(parent, name)
        asyncio.run(parent.offer(name))
    revoke(parent)
    asked = []
    while parent.read(key_exports.recalled) == KEY_ID:
        work = partial(key_exports.recall, access_key=KEY_ID, now=parent.now, limit=2)
        asked.append(parent.database.write(work))
    assert asked == [2, 1]
    lives = [parent.read(partial(key_lives.read, token_set_id=set_id(parent, name))) for name in names]
    assert [each.life.asked_at for each in lives] == [parent.now] * 3


@pytest.mark.parametrize(
    ("condition", "allowed"),
    [
        ({"ForAllValues:StringEquals": {"ses:ReplicaRegion": ["us-east-1"]}}, True),
        ({"StringEquals": {"ses:ReplicaRegion": "us-east-1"}}, True),
        ({"StringEquals": {"ses:ReplicaRegion": "ap-south-1"}}, False),
    ],
)
def test_the_permission_is_asked_with_the_replicas_region(
    parent: Elsewhere, condition: dict[str, Any], allowed: bool
) -> None:
    """indicia:ReplicateIdentity on the parent, with ses:ReplicaRegion (spec 3.8)."""
    signing(parent)
    policy = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Action": "indicia:ReplicateIdentity",
                "Resource": f"arn:aws:ses:eu-west-1:{parent.account}:identity/{NAME}",
                "Condition": condition,
            }
        ],
    }
    call = parent.call("indicia", "ReplicateIdentity")._replace(policy=msgspec.json.encode(policy).decode())

    async def asked() -> Any:
        return await parent.dispatch(call, ReplicationRequest(name=NAME, replica_region="us-east-1"))

    if allowed:
        assert asyncio.run(asked()).offer is not None
    else:
        with pytest.raises(Fault) as refused:
            asyncio.run(asked())
        assert refused.value.kind is FaultKind.ACCESS_DENIED


def test_keys_go_to_keys_of_our_own_making_only(parent: Elsewhere) -> None:
    """A sandbox takes any access key; what cannot be sealed for its holder is not handed out."""
    signing(parent)
    call = parent.call("indicia", "ReplicateIdentity")._replace(
        access_key="AKIANOBODYNOBODY0000", policy=MAY_FETCH
    )

    async def asked() -> Any:
        return await parent.dispatch(call, ReplicationRequest(name=NAME, replica_region="us-east-1"))

    with pytest.raises(Fault) as refused:
        asyncio.run(asked())
    assert refused.value.kind is FaultKind.ACCESS_DENIED


def test_a_parent_stays_while_a_replica_elsewhere_is_heard_of(desk: Desk, parent: Elsewhere) -> None:
    """Refused, naming the region; one that has not asked for a window's time is gone."""
    signing(parent)
    replicate(desk)
    look(desk, parent)
    fault = parent.refused("DeleteEmailIdentity", EmailIdentity=NAME)
    assert "us-east-1" in fault.message
    parent.now += 72 * HOUR + 1
    parent.ask("DeleteEmailIdentity", EmailIdentity=NAME)


def test_whoever_may_not_replicate_does_not_even_ask(desk: Desk, parent: Elsewhere) -> None:
    """The permission of the replica's maker is asked here first."""
    signing(parent)
    replicate(desk)
    desk.database.write(
        lambda s: access.create_key(
            s,
            access.AccessKey(
                desk.call("ses", "x").access_key, desk.account, None, secrets.token_bytes(8), None, 0, 1
            ),
        )
    )

    def nobody() -> Offer:
        raise AssertionError("it was asked")

    assert look(desk, parent, offered=nobody) == ParentSeen(
        Evidence(Sight.ABSENT, ErrorType.REPLICATION_ACCESS_DENIED)
    )


def test_what_is_asked_without_a_region_is_refused(parent: Elsewhere) -> None:
    """The replica's region decides whether it may."""

    async def asked() -> Any:
        return await parent.offer(region="")

    with pytest.raises(Fault) as refused:
        asyncio.run(asked())
    assert refused.value.kind is FaultKind.INVALID_PARAMETER


def test_nothing_of_a_deleted_replica_stays(desk: Desk, parent: Elsewhere) -> None:
    """Its copy of the keys is retired with it, and erased after the grace."""
    signing(parent)
    replicate(desk)
    look(desk, parent)
    verified(desk)
    shared = set_id(desk)
    desk.ask("DeleteEmailIdentity", EmailIdentity=NAME)
    assert stages(desk, shared) == ["retired"]
    desk.now += PACE.linger
    keep(desk, shared)
    assert desk.read(partial(keys.published, token_set_id=shared)) == []
