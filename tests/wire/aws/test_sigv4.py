"""Signature Version 4: what real signers make is accepted, what says anything else is not."""

from __future__ import annotations

import asyncio
import hmac
import re
from functools import partial
from typing import Any
from urllib.parse import parse_qsl

import edge
import pytest
from edge import KEY, KEYS, REGIONS, SECRET, UNKNOWN_KEY, Asking, ask, asked, signed, v1, v2
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from indicia.domain.faults import Fault
from indicia.wire.authentication import AccessKeyRecord, Authenticator, KeptKeys
from indicia.wire.aws import sigv4
from indicia.wire.http.requests import Request

SUITE_SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
SUITE = {
    "get-vanilla": ("GET", "/", [], "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
    "post-vanilla": ("POST", "/", [], "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"),
    "get-vanilla-query-order-key-case": (
        "GET",
        "/?Param2=value2&Param1=value1",
        [],
        "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
    ),
    "get-header-value-trim": (
        "GET",
        "/",
        [("My-Header1", " value1"), ("My-Header2", ' "a   b   c"')],
        "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736",
    ),
    "get-utf8": (
        "GET",
        "/\u1234",
        [],
        "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85",
    ),
    "get-relative": (
        "GET",
        "/example/..",
        [],
        "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
    ),
    "get-slashes": (
        "GET",
        "//example//",
        [],
        "9a624bd73a37c9a373b5312afbebe7a714a789de108f0bdfe846570885f57e84",
    ),
}


@pytest.mark.parametrize("case", SUITE)
def test_the_test_suite_of_aws(case: str) -> None:
    """The signatures that AWS publishes for its example requests hold."""
    method, target, more, signature = SUITE[case]
    path, _, query = target.encode().partition(b"?")
    headers = {b"host": b"example.amazonaws.com", b"x-amz-date": b"20150830T123600Z"}
    headers.update((name.lower().encode(), value.encode()) for name, value in more)
    names = b";".join(sorted(headers))
    headers[b"authorization"] = (
        b"AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
        b"SignedHeaders=" + names + b", Signature=" + signature.encode()
    )
    claim = sigv4.claim_of(headers, query)
    payload = sigv4.payload_hash(claim, b"")
    assert payload is not None
    canonical = sigv4.canonical_request(
        claim, method, sigv4.normalised_path(path), query, headers, payload=payload
    )
    assert sigv4.Signatures().hold(claim, SUITE_SECRET, canonical)
    assert not sigv4.Signatures().hold(claim, SUITE_SECRET + "x", canonical)


PATHS = st.lists(
    st.one_of(
        st.sampled_from(
            ["v2", "email", "identities", "a%40b.com", "..", ".", "", "%2F", "%2E%2E", "a;b=c", "%25"]
        ),
        st.text("abcXYZ019-._~!$&'()*+,;=:@%", max_size=6),
        st.text(max_size=3).filter(
            lambda t: not re.search(r"[\s/?#\ud800-\udfff]|[^\S ]", t) and t.isprintable()
        ),
    ),
    max_size=6,
).map(lambda segments: "/" + "/".join(segments))
# What botocore lets through: it encodes every parameter itself.
QUERIES = st.lists(st.tuples(st.text(max_size=5), st.text(max_size=5)), max_size=4)


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(["GET", "POST", "PUT", "DELETE"]),
    PATHS,
    QUERIES,
    st.binary(max_size=50),
    st.text("ab \t", max_size=8),
    st.booleans(),
)
def test_what_botocore_signs_holds(
    method: str, path: str, query: list[tuple[str, str]], body: bytes, value: str, presigned: bool
) -> None:
    """Hostile paths, queries, header values and any body: signed by botocore in either form, they hold."""
    from botocore.utils import percent_encode_sequence

    # A path that begins with two slashes would be read as a host.
    assume(not path.startswith("//"))
    try:
        text = percent_encode_sequence([pair for pair in query if pair[0] and "\ud800" > max(pair[0])])
    except UnicodeEncodeError:
        assume(False)
    assume("X-Amz" not in text)
    if presigned:
        body = b""
        assume(len({name for name, _ in query}) == len(query))  # botocore keeps the first of several
    asking = signed(
        method, path + (f"?{text}" if text else ""), body, headers={"X-Note": value}, presigned=presigned
    )
    assert holds(asking)


def holds(asking: Asking, secret: str = SECRET) -> bool:
    """Whether the request is what its signer signed."""
    request = received(asking)
    claim = sigv4.claim_of(request.headers, request.query)
    sigv4.check_coverage(claim, request.headers)
    payload = sigv4.payload_hash(claim, asking.body)
    canonical = sigv4.canonical_request(
        claim, request.method, request.path, request.query, request.headers, payload=payload or b""
    )
    return sigv4.Signatures().hold(claim, secret, canonical) and payload is not None


def received(asking: Asking) -> Request:
    """The request as the edge reads it."""
    path, _, query = asking.target.partition("?")
    scope = {
        "method": asking.method,
        "path": "",
        "raw_path": path.encode(),
        "query_string": query.encode("latin-1"),
        "headers": [(n.lower().encode("latin-1"), v.encode("latin-1")) for n, v in asking.headers],
    }
    return Request(scope, "id", ())


SIGNED_REQUESTS = {
    "v1": v1(),
    "v2": v2(headers={"X-Note": "a b", "X-Amz-Meta": "c"}),
    "v2 with a query": signed("GET", "/v2/email/identities?PageSize=10&NextToken=a%2Bb%3D"),
    "v2 with a body": signed("POST", "/v2/email/identities", b'{"EmailIdentity": "example.com"}'),
    "a named hash": v2(headers={"X-Amz-Content-SHA256": sigv4.EMPTY_SHA256.decode()}),
    "presigned": v1(presigned=True),
}


def said(asking: Asking) -> Any:
    """All that a request says that counts: what a change must touch in order to change anything."""
    request = received(asking)
    claim = sigv4.claim_of(request.headers, request.query)
    pairs = [pair.partition("=")[::2] for pair in asking.target.partition("?")[2].split("&") if pair]
    read = sorted(parse_qsl("&".join("=".join(pair) for pair in pairs), keep_blank_values=True))
    headers = [(name, b" ".join(request.headers[name].split())) for name in claim.credential.signed]
    return request.method, request.path, read, headers, asking.body, claim.credential, claim.signature


@settings(max_examples=1500, deadline=None)
@given(
    st.sampled_from(sorted(SIGNED_REQUESTS)),
    st.sampled_from(["method", "target", "headers", "body"]),
    st.integers(0, 10_000),
    st.sampled_from(["replace", "insert", "delete"]),
    st.integers(33, 255).map(chr),
)
def test_one_octet_changed_is_refused(name: str, part: str, place: int, how: str, octet: str) -> None:
    """A request with any one octet of it changed is refused, or says the same thing in another spelling."""
    good = SIGNED_REQUESTS[name]
    bad = changed(good, part, place, how, octet)
    assume(bad != good)
    app = edge.gateway()
    with capture_logs() as logs:
        answered = ask(app, bad)
    if logs[-1]["account"]:  # the caller counted as proved
        assert said(bad) == said(good)
    else:
        # 501: the name of an operation that is not built is answered before anything is checked.
        assert answered.status in {400, 403, 404, 405, 501}


def changed(asking: Asking, part: str, place: int, how: str, octet: str) -> Asking:
    """The request with one octet of one part replaced, inserted or deleted."""

    def in_text(text: str) -> str:
        at = place % (len(text) + 1)
        return text[:at] + ("" if how == "delete" else octet) + text[at + (how != "insert") :]

    if part == "headers":
        which = place % len(asking.headers)
        name, value = asking.headers[which]
        headers = [*asking.headers]
        headers[which] = (name, in_text(value))
        return asking.but(headers=tuple(headers))
    if part == "body":
        body = in_text(asking.body.decode("latin-1")).encode("latin-1")
        return asking.but(body=body).with_header("Content-Length", str(len(body)))
    if part == "target":
        return asking.but(target="/" + in_text(asking.target[1:]).replace("#", "%"))
    return asking.but(method=in_text(asking.method))


@pytest.mark.parametrize(
    ("raw", "canonical"),
    [
        (b"a=b&A=b", b"A=b&a=b"),
        (b"a=2&a=1", b"a=1&a=2"),
        (b"a", b"a="),
        (b"a=b+c", b"a=b%20c"),
        (b"a=%7e%2b", b"a=~%2B"),
        (b"a=b=c", b"a=b%3Dc"),
        (b"a=/:@", b"a=%2F%3A%40"),
        (b"a=%zz", b"a=%25zz"),
        (b"a=\xff", b"a=%FF"),
    ],
)
def test_the_canonical_query(raw: bytes, canonical: bytes) -> None:
    """Names and values are decoded, encoded as RFC 3986 has it, and sorted."""
    assert sigv4.canonical_query(raw) == canonical


def test_the_fast_spelling_of_a_query_is_the_slow_one() -> None:
    """What is taken over as it is, is what decoding and encoding would make of it: for every octet."""
    from urllib.parse import quote, unquote_to_bytes

    for octet in range(256):
        for raw in (bytes([octet]), b"%%%02X" % octet, b"%%%02x" % octet):
            if raw not in {b"&", b"=", b"+"}:
                slow = quote(unquote_to_bytes(raw), safe="~").encode()
                assert sigv4.canonical_query(b"k=" + raw) == b"k=" + slow


def test_a_body_of_another_hash_than_the_named_one_is_refused() -> None:
    """x-amz-content-sha256 is held against the body, not believed."""
    named = signed("POST", "/", b"a", headers={"X-Amz-Content-SHA256": sigv4.EMPTY_SHA256.decode()})
    assert not holds(named)
    assert holds(named.but(body=b"").without("content-length"))


def test_an_unsigned_payload_is_any_payload() -> None:
    """UNSIGNED-PAYLOAD, itself under the signature, leaves the body to TLS."""
    asking = signed("POST", "/", b"a", headers={"X-Amz-Content-SHA256": "UNSIGNED-PAYLOAD"})
    assert holds(asking)
    assert holds(asking.but(body=b"b"))
    assert not holds(signed("POST", "/", b"a").but(body=b"b"))


def test_repeated_headers_are_one() -> None:
    """Several headers of one name are joined by commas, in their order (RFC 9110 5.3)."""
    asking = v2(headers={"X-Note": "a,b"})
    apart = asking.without("x-note")
    assert holds(apart.but(headers=(*apart.headers, ("X-Note", "a"), ("x-note", "b"))))
    assert not holds(apart.but(headers=(*apart.headers, ("X-Note", "b"), ("x-note", "a"))))


def test_a_date_header_stands_in_for_x_amz_date() -> None:
    """A request that is signed with Date alone holds, and its time counts."""
    asking = v2(headers={"Date": "any"})
    assert all(name.lower() != "x-amz-date" for name, _ in asking.headers)
    assert holds(asking)
    assert ask(edge.gateway(), asking).status == 200


def test_a_session_token_changes_nothing() -> None:
    """X-Amz-Security-Token is signed like any header, and not looked at."""
    assert holds(v2(headers={"X-Amz-Security-Token": "whatever"}))


@pytest.mark.parametrize("life", ["0", "604801", "-1", "1e3", "", "٣"])
def test_a_presigned_request_lives_a_second_to_a_week(life: str) -> None:
    """An X-Amz-Expires outside of what AWS allows is refused as malformed."""
    from urllib.parse import quote

    asking = v2(presigned=True)
    target = re.sub(r"X-Amz-Expires=\d+", f"X-Amz-Expires={quote(life)}", asking.target)
    assert ask(edge.gateway(), asking.but(target=target)).code == "IncompleteSignatureException"


@pytest.mark.parametrize("presigned", [False, True])
def test_what_anybody_could_have_put_in_is_refused(presigned: bool) -> None:
    """An `x-amz-` header counts only signed, whether the signature is in the query or in a header."""
    asking = v2(presigned=presigned)
    assert holds(asking)
    with pytest.raises(Fault, match=r"'x-amz-target' must be a 'SignedHeader' in the AWS Authorization\."):
        holds(asking.with_header("X-Amz-Target", "Another.Operation"))
    signed_too = signed(headers={"X-Amz-Target": "Another.Operation"}, presigned=presigned)
    assert holds(signed_too)
    assert holds(asking.with_header("X-Other", "anything"))


def test_the_moment_of_a_signature_is_read_to_the_second() -> None:
    """In UTC, in milliseconds as all instants are; the year of the first second is the first one."""
    asking = v2()

    def moment(stamp: str) -> int:
        request = received(asking.with_header("X-Amz-Date", stamp))
        return sigv4.claim_of(request.headers, request.query).instant

    assert moment("20260102T030405Z") == 1_767_323_045_000
    assert moment("19700101T000000Z") == 0
    assert moment("20161231T235960Z") == moment("20170101T000000Z")
    for stamp in (
        "20260002T030405Z", "20261302T030405Z", "20260100T030405Z", "20260132T030405Z", "20260102T240405Z",
        "20260102T036005Z", "20260102T030461Z", "19691231T235959Z", "20260102T030405", "2026-01-02T03:04:05Z",
    ):  # fmt: skip
        with pytest.raises(Fault, match=f"Date must be in ISO-8601 'basic format'. Got '{stamp}'"):
            moment(stamp)


def test_a_parameter_of_the_signature_is_given_once() -> None:
    """A second X-Amz-Date in the query string is refused: two readers might take different ones."""
    asking = v2(presigned=True)
    answered = ask(edge.gateway(), asking.but(target=asking.target + "&X-Amz-Date=20200101T000000Z"))
    assert answered.code == "IncompleteSignatureException"


def test_nothing_of_a_signature_is_shown() -> None:
    """The representations of claims, keys and caches hold no signature and no secret."""
    request = received(v2())
    claim = sigv4.claim_of(request.headers, b"")
    signatures = sigv4.Signatures()
    signatures.hold(claim, SECRET, b"")
    shown = repr((claim, KEYS[KEY], signatures, {"k": KEYS[KEY]}))
    assert SECRET not in shown
    assert claim.signature.decode() not in shown


class Counted:
    """An authenticator that counts look-ups and HMACs."""

    def __init__(self) -> None:
        self.lookups = 0
        self.digests = 0
        self.time = 0.0
        signatures = sigv4.Signatures(digest=self.digest)
        kept = KeptKeys(monotonic=lambda: self.time)
        self.app = edge.gateway(
            authenticator=Authenticator(self.lookup, REGIONS, signatures=signatures, kept=kept)
        )

    def digest(self, key: bytes, message: bytes) -> bytes:
        """An HMAC, counted."""
        self.digests += 1
        return hmac.digest(key, message, "sha256")

    def lookup(self, key_id: str) -> AccessKeyRecord | None:
        """A look-up, counted."""
        self.lookups += 1
        return KEYS.get(key_id)

    def work(self, asking: Asking) -> tuple[int, int]:
        """Look-ups and HMACs that one answer costs."""
        self.lookups = self.digests = 0
        ask(self.app, asking)
        return self.lookups, self.digests


@pytest.mark.parametrize("asking", [v1, v2, partial(v2, presigned=True)])
def test_a_refusal_costs_the_same_for_every_key(asking: Any) -> None:
    """A wrong signature costs as many look-ups and HMACs for an unknown key as for a known or a busy one."""
    counted = Counted()
    unknown = counted.work(asking(key=UNKNOWN_KEY, secret="wrong"))
    idle = counted.work(asking(secret="wrong"))
    counted.work(asking())
    busy = counted.work(asking(secret="wrong"))
    counted.work(asking())
    body = counted.work(asking(headers={"X-Amz-Content-SHA256": "0" * 64}))
    assert unknown == idle == busy == body == (1, 5)


def test_what_is_refused_without_the_key_is_refused_before_it_is_looked_up() -> None:
    """Scope and time are judged before the key, so that their errors do not tell a known key either."""
    counted = Counted()
    for asking in (v2(region="x"), v2(service="s3"), v2(key=UNKNOWN_KEY, region="x")):
        assert counted.work(asking) == (0, 0)


def test_a_key_in_use_is_looked_up_every_few_seconds() -> None:
    """A key that verifies is kept for less than the 5 s that a revocation may take; others are not."""
    counted = Counted()
    assert counted.work(v2()) == (1, 5)
    assert counted.work(v2()) == (0, 1)
    counted.time = 5.0
    assert counted.work(v2()) == (1, 1)
    assert counted.work(v2(key=UNKNOWN_KEY))[0] == 1
    assert counted.work(v2(key=UNKNOWN_KEY))[0] == 1


def test_a_store_may_answer_later() -> None:
    """A look-up may be asynchronous."""

    async def lookup(key_id: str) -> AccessKeyRecord | None:
        await asyncio.sleep(0)
        return KEYS.get(key_id)

    async def both() -> tuple[int, str]:
        app = edge.gateway(authenticator=Authenticator(lookup, REGIONS))
        return (await asked(app, v1())).status, (await asked(app, v2(key=UNKNOWN_KEY))).code

    assert asyncio.run(both()) == (501, "UnrecognizedClientException")


def test_caches_are_bounded() -> None:
    """However many keys are used, only so many are remembered."""
    kept = KeptKeys(capacity=3)
    signatures = sigv4.Signatures(capacity=3)
    claim = sigv4.claim_of(received(v2()).headers, b"")
    for number in range(10):
        kept.keep(str(number), KEYS[KEY])
        secret = f"secret {number}"
        request = received(v2(secret=secret))
        claim = sigv4.claim_of(request.headers, b"")
        canonical = sigv4.canonical_request(
            claim, "GET", request.path, b"", request.headers, payload=sigv4.EMPTY_SHA256
        )
        assert signatures.hold(claim, secret, canonical)
    assert repr(signatures) == "Signatures(3 signing keys)"
    assert [kept.get(str(number)) is not None for number in range(10)] == [False] * 7 + [True] * 3
