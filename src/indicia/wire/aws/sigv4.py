"""AWS Signature Version 4, in header and query string: what a request claims, and whether it holds.

Pure: the key, the time and the bytes as they arrived are arguments. `claim_of` reads who says to have signed
and what; `check_scope` and `check_time` hold that against what is served, without the key; `Signatures.hold`
does the arithmetic. A refused request costs the same arithmetic whatever the reason and whoever the key.

The rules are those of "Signature Version 4 signing process" (AWS General Reference) for services other than
S3: the path is normalised and encoded once more, the query is decoded, encoded and sorted.
"""

from __future__ import annotations

import hmac
import re
from calendar import timegm
from functools import lru_cache
from hashlib import sha256
from time import gmtime, strftime
from typing import TYPE_CHECKING
from urllib.parse import quote_from_bytes, unquote_to_bytes

from msgspec import Struct

from indicia.domain.call import CLOCK_SKEW
from indicia.domain.faults import Fault, FaultKind
from indicia.domain.time import MINUTE, SECOND, Instant

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from typing import TypeAlias

    Headers: TypeAlias = Mapping[bytes, bytes]  # names in lower case, repeated values joined by a comma
    Digest: TypeAlias = Callable[[bytes, bytes], bytes]

ALGORITHM = b"AWS4-HMAC-SHA256"
TERMINATOR = "aws4_request"
UNSIGNED_PAYLOAD = b"UNSIGNED-PAYLOAD"
EMPTY_SHA256 = sha256(b"").hexdigest().encode()
SKEW = CLOCK_SKEW
LONGEST_LIFE = 7 * 24 * 60 * 60  # seconds, of a presigned request

MISMATCH = (
    "The request signature we calculated does not match the signature you provided. Check your AWS Secret "
    "Access Key and signing method. Consult the service documentation for details."
)
UNKNOWN = "The security token included in the request is invalid."

_PLAIN_PATH = re.compile(rb"[A-Za-z0-9/\-._~%]*")
# A component of a query that decoding and encoding again would leave as it is: everything that is not
# unreserved (RFC 3986 §2.3) is encoded in capitals, and nothing unreserved is.
_CANONICAL = re.compile(
    rb"(?:[A-Za-z0-9\-._~]|%(?:[01][0-9A-F]|2[0-9A-CF]|3[A-F]|40|5[B-E]|60|7[BCDF]|[89A-F][0-9A-F]))*"
)
_TIMESTAMP = re.compile(r"(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z", re.ASCII)
_KEY_ID = re.compile(r"[!-.0-~]{1,128}")


class Credential(Struct, frozen=True):
    """Who signed, for what, and which headers: the part of a signature that every request of a day shares."""

    key_id: str
    date: str
    region: str
    service: str
    terminator: str
    signed: tuple[bytes, ...]


class SignatureClaim(Struct, frozen=True):
    """What a request says about its signature. Nothing of it is proved yet.

    `expires` is the life of a presigned request in seconds. `payload` is the hash of the body that the
    request itself names, if it does.
    """

    credential: Credential
    signature: bytes
    timestamp: str
    instant: Instant
    presigned: bool = False
    expires: int | None = None
    payload: bytes | None = None

    def __repr__(self) -> str:
        return f"Claim(key_id={self.credential.key_id!r}, timestamp={self.timestamp!r})"


def claim_of(headers: Headers, query: bytes) -> SignatureClaim:
    """What the request says about who signed it.

    Faults: MISSING_AUTHENTICATION when it says nothing, INCOMPLETE_SIGNATURE when it says it badly,
    UNKNOWN_KEY for the obsolete signature versions (spec 7.6).
    """
    authorization = headers.get(b"authorization")
    presigned = _presignature(query) if b"X-Amz-" in query else None
    if presigned is not None:
        if authorization is not None:
            raise Fault(
                FaultKind.INCOMPLETE_SIGNATURE,
                "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter or the "
                "Authorization header should be specified.",
            )
        return _claim_of_query(presigned, headers)
    if not authorization:
        if b"x-amzn-authorization" in headers or _OBSOLETE_QUERY.search(query):
            raise Fault(FaultKind.UNKNOWN_KEY, UNKNOWN)  # versions 3 and 2
        raise Fault(FaultKind.MISSING_AUTHENTICATION, "Missing Authentication Token")
    return _claim_of_header(authorization, headers)


_OBSOLETE_QUERY = re.compile(rb"(?:^|&)SignatureVersion=")


def is_obsolete_form(body: bytes) -> bool:
    """Whether a form carries a signature of version 2, which stands in the form itself."""
    return _OBSOLETE_QUERY.search(body) is not None


def _claim_of_header(authorization: bytes, headers: Headers) -> SignatureClaim:
    head, _, signature = authorization.rpartition(b"Signature=")
    if b"=" in signature or not head:
        head, signature = _signature_aside(authorization)
    credential = _credential_of_head(head)
    if not signature:
        raise _incomplete("Authorization header requires 'Signature' parameter.")
    stamp = headers.get(b"x-amz-date")
    if stamp is not None:
        timestamp, instant = _instant_of(stamp.decode("latin-1"))
    elif b"date" in credential.signed and b"date" in headers:
        timestamp, instant = _instant_of_http(headers[b"date"].decode("latin-1"))
    else:
        raise _incomplete(
            "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header."
        )
    return SignatureClaim(
        credential, signature, timestamp, instant, payload=headers.get(b"x-amz-content-sha256")
    )


def _signature_aside(authorization: bytes) -> tuple[bytes, bytes]:
    """An Authorization header whose Signature does not come last, in two parts."""
    scheme, _, rest = authorization.partition(b" ")
    parts = [part.strip() for part in rest.split(b",")]
    signature = b"".join(part[10:] for part in parts if part.startswith(b"Signature="))
    return scheme + b" " + b", ".join(p for p in parts if not p.startswith(b"Signature=")), signature


@lru_cache(maxsize=1024)
def _credential_of_head(head: bytes) -> Credential:
    """The credential in an Authorization header without its signature, which is the same all day."""
    scheme, _, rest = head.partition(b" ")
    if scheme != ALGORITHM:
        if scheme in {b"AWS", b"AWS3", b"AWS3-HTTPS"}:
            raise Fault(FaultKind.UNKNOWN_KEY, UNKNOWN)
        raise _incomplete(f"Unsupported AWS 'algorithm': {_quoted(scheme.decode('latin-1'))}.")
    fields: dict[bytes, bytes] = {}
    for part in rest.split(b","):
        name, equals, value = part.strip().partition(b"=")
        if not equals and name:
            raise _incomplete(
                f"{_quoted(name.decode('latin-1'))} not a valid key=value pair (missing equal-sign) in "
                "Authorization header."
            )
        if name in fields:
            raise _incomplete(f"Authorization header has {_quoted(name.decode('latin-1'))} twice.")
        if name:
            fields[name] = value.strip()
    lacking = [name for name in (b"Credential", b"SignedHeaders") if not fields.get(name)]
    if lacking:
        raise _incomplete(
            " ".join(f"Authorization header requires '{n.decode()}' parameter." for n in lacking)
        )
    return _credential(fields[b"Credential"].decode("latin-1"), fields[b"SignedHeaders"])


def _credential(text: str, signed: bytes) -> Credential:
    parts = text.split("/")
    if len(parts) != 5:
        raise _incomplete(
            "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, "
            f"got {_quoted(text)}."
        )
    key_id, date, region, service, terminator = parts
    if not _KEY_ID.fullmatch(key_id):
        raise Fault(FaultKind.UNKNOWN_KEY, UNKNOWN)
    return Credential(key_id, date, region, service, terminator, tuple(signed.split(b";")))


_WANTED = ("X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-SignedHeaders", "X-Amz-Signature")


def _presignature(query: bytes) -> dict[str, bytes] | None:
    """The `X-Amz-` parameters of a presigned request; None when the query string holds no signature."""
    found: dict[str, bytes] = {}
    for pair in query.split(b"&"):
        name, _, value = pair.partition(b"=")
        if name.startswith(b"X-Amz-"):
            key = name.decode("latin-1")
            if key in found:
                raise _incomplete(f"The query-string parameter {_quoted(key)} must not be given twice.")
            found[key] = unquote_to_bytes(value.replace(b"+", b" "))
    return found if found.keys() & set(_WANTED) else None


def _claim_of_query(found: dict[str, bytes], headers: Headers) -> SignatureClaim:
    for name in _WANTED:
        if not found.get(name):
            raise _incomplete(
                f"AWS query-string parameters must include '{name}'. Re-examine the query-string parameters."
            )
    algorithm = found["X-Amz-Algorithm"]
    if algorithm != ALGORITHM:
        raise _incomplete(f"Unsupported AWS 'algorithm': {_quoted(algorithm.decode('latin-1'))}.")
    credential = _credential(found["X-Amz-Credential"].decode("latin-1"), found["X-Amz-SignedHeaders"])
    timestamp, instant = _instant_of(found["X-Amz-Date"].decode("latin-1"))
    life = found.get("X-Amz-Expires")
    expires = None
    if life is not None:
        # isdigit() first: int() would take blanks and signs, and six digits hold the longest life.
        expires = int(life) if life.isdigit() and len(life) <= 6 else 0
        if not 1 <= expires <= LONGEST_LIFE:
            raise _incomplete(f"X-Amz-Expires must be a number from 1 to {LONGEST_LIFE} (seconds).")
    payload = found.get("X-Amz-Content-Sha256", headers.get(b"x-amz-content-sha256"))
    return SignatureClaim(credential, found["X-Amz-Signature"], timestamp, instant, True, expires, payload)


@lru_cache(maxsize=256)
def _instant_of(text: str) -> tuple[str, Instant]:
    match = _TIMESTAMP.fullmatch(text)
    if match is not None:
        year, month, day, hour, minute, second = (int(part) for part in match.groups())
        if 1 <= month <= 12 and 1 <= day <= 31 and hour < 24 and minute < 60 and second < 61 and year >= 1970:
            return text, timegm((year, month, day, hour, minute, second)) * SECOND
    raise _incomplete(f"Date must be in ISO-8601 'basic format'. Got {_quoted(text)}.")


_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
# botocore writes the zone as -0000 (RFC 5322 §3.3).
_HTTP_DATE = re.compile(
    r"[A-Z][a-z]{2}, (\d\d) ([A-Z][a-z]{2}) (\d{4}) (\d\d):(\d\d):(\d\d) (?:GMT|[+-]0000)", re.ASCII
)


def _instant_of_http(text: str) -> tuple[str, Instant]:
    """A `Date` header (RFC 9110 §5.6.7) as the timestamp that goes into the string to sign."""
    match = _HTTP_DATE.fullmatch(text)
    if match is None or match[2] not in _MONTHS:
        raise _incomplete(f"Date must be an HTTP date. Got {_quoted(text)}.")
    month = _MONTHS.index(match[2]) + 1
    return _instant_of(f"{match[3]}{month:02}{match[1]}T{match[4]}{match[5]}{match[6]}Z")


def check_scope(claim: SignatureClaim, services: Collection[str], regions: Collection[str]) -> None:
    """The credential is scoped to what is served here. Faults: WRONG_SIGNATURE, naming what is served."""
    credential = claim.credential
    if credential.service not in services:
        raise _wrong(f"Credential should be scoped to correct service: '{next(iter(services))}'.")
    check_region(claim, regions)
    if credential.terminator != TERMINATOR:
        raise _wrong(
            f"Credential should be scoped with a valid terminator: '{TERMINATOR}', "
            f"not {_quoted(credential.terminator)}."
        )
    if credential.date != claim.timestamp[:8]:
        raise _wrong(
            "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: "
            f"{_quoted(credential.date)} != '{claim.timestamp[:8]}', from '{claim.timestamp}'."
        )


def check_region(claim: SignatureClaim, regions: Collection[str]) -> None:
    """The credential's region is served. Faults: WRONG_SIGNATURE, with the list (contract)."""
    if claim.credential.region not in regions:
        raise _wrong(
            f"Credential should be scoped to a valid region, not {_quoted(claim.credential.region)}. "
            f"Regions served here: {', '.join(regions)}."
        )


def check_coverage(claim: SignatureClaim, headers: Headers) -> None:
    """The signature covers the host and every `x-amz-` header, and what it covers is there.

    Faults: WRONG_SIGNATURE. An `x-amz-` header that is not signed could have been put in by anybody.
    """
    signed = claim.credential.signed
    if b"host" not in signed:
        raise _wrong("'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.")
    for name in headers:
        if name.startswith(b"x-amz-") and name not in signed:
            raise _wrong(
                f"{_quoted(name.decode('latin-1'))} must be a 'SignedHeader' in the AWS Authorization."
            )
    for name in signed:
        if name not in headers:
            raise _wrong(MISMATCH)


def check_payload(claim: SignatureClaim, *, secure: bool) -> None:
    """The signature covers the body, or TLS does. Faults: WRONG_SIGNATURE (contract, HTTP)."""
    if claim.payload == UNSIGNED_PAYLOAD and not secure:
        raise _wrong("'UNSIGNED-PAYLOAD' is taken over HTTPS only: over HTTP the signature covers the body.")


def check_time(claim: SignatureClaim, now: Instant) -> None:
    """The request was signed about now, or is presigned and still lives.

    Faults: WRONG_SIGNATURE for skew over `CLOCK_SKEW`, as the live service answers; REQUEST_EXPIRED for a
    presigned request past its Expires (spec 7.6).
    """
    if claim.instant > now + SKEW:
        raise _wrong(
            f"Signature not yet current: {claim.timestamp} is still later than {_basic(now + SKEW)} "
            f"({_basic(now)} + {SKEW // MINUTE} min.)"
        )
    if claim.expires is not None:
        if now > claim.instant + claim.expires * SECOND:
            raise Fault(FaultKind.REQUEST_EXPIRED, "Request has expired.")
    elif claim.instant < now - SKEW:
        raise _wrong(
            f"Signature expired: {claim.timestamp} is now earlier than {_basic(now - SKEW)} "
            f"({_basic(now)} - {SKEW // MINUTE} min.)"
        )


def _hmac_sha256(key: bytes, message: bytes) -> bytes:
    return hmac.digest(key, message, "sha256")


class Signatures:
    """The arithmetic, with the signing keys of the day kept at hand.

    At most `capacity` signing keys are kept, and only such as have verified a request.
    """

    def __init__(self, capacity: int = 1024, digest: Digest = _hmac_sha256) -> None:
        self._digest = digest
        self._capacity = capacity
        self._signing_keys: dict[tuple[str, str, str, str], bytes] = {}

    def __repr__(self) -> str:
        return f"Signatures({len(self._signing_keys)} signing keys)"

    def hold(self, claim: SignatureClaim, secret: str, request: bytes) -> bool:
        """Whether `secret` made the claim's signature over the canonical `request`.

        A refusal always costs one derivation of the signing key and one HMAC, whether the signing key was at
        hand or not: the time of a refusal does not tell a key in use from one that nobody has.
        """
        credential = claim.credential
        name = (secret, credential.date, credential.region, credential.service)
        key = self._signing_keys.get(name)
        known = key is not None
        if key is None:
            key = self._derive(secret, credential)
        scope = (
            f"{claim.timestamp}\n{credential.date}/{credential.region}/{credential.service}/aws4_request\n"
        )
        text = f"AWS4-HMAC-SHA256\n{scope}{sha256(request).hexdigest()}".encode("latin-1")
        # compare_digest: the time of the comparison tells nothing of how much was right.
        holds = hmac.compare_digest(self._digest(key, text).hex().encode(), claim.signature)
        if known and not holds:
            self._derive(secret, credential)
        elif holds and not known:
            if len(self._signing_keys) >= self._capacity:
                del self._signing_keys[next(iter(self._signing_keys))]
            self._signing_keys[name] = key
        return holds

    def _derive(self, secret: str, credential: Credential) -> bytes:
        digest = self._digest
        key = digest(b"AWS4" + secret.encode(), credential.date.encode("latin-1"))
        key = digest(key, credential.region.encode("latin-1"))
        key = digest(key, credential.service.encode("latin-1"))
        return digest(key, TERMINATOR.encode())


def canonical_request(
    claim: SignatureClaim, method: str, path: bytes, query: bytes, headers: Headers, *, payload: bytes
) -> bytes:
    """The bytes whose hash is signed. `path` is raw and normalised; `payload` is the hash to be covered."""
    signed = claim.credential.signed
    lines = [
        method.encode("latin-1"),
        canonical_path(path),
        canonical_query(query, presigned=claim.presigned) if query else b"",
    ]
    lines += [name + b":" + _trimmed(headers[name]) for name in signed]
    lines += [b"", b";".join(signed), payload]
    return b"\n".join(lines)


def payload_hash(claim: SignatureClaim, body: bytes) -> bytes | None:
    """The hash of the body as the signature covers it; None when the request names another body's hash."""
    if claim.payload == UNSIGNED_PAYLOAD:
        return UNSIGNED_PAYLOAD
    actual = sha256(body).hexdigest().encode() if body else EMPTY_SHA256
    return actual if claim.payload is None or claim.payload == actual else None


def normalised_path(raw: bytes) -> bytes:
    """`raw` without dot segments and doubled slashes (RFC 3986 §5.2.4), as clients sign it."""
    if b"//" not in raw and b"/." not in raw:
        return raw or b"/"
    kept: list[bytes] = []
    for segment in raw.split(b"/"):
        if segment == b"..":
            del kept[-1:]
        elif segment not in {b"", b"."}:
            kept.append(segment)
    return b"/" + b"/".join(kept) + (b"/" if raw.endswith(b"/") and kept else b"")


def canonical_path(path: bytes) -> bytes:
    """`path` encoded once more: every service but S3 signs the encoding of the encoded path."""
    if _PLAIN_PATH.fullmatch(path):
        return path.replace(b"%", b"%25")
    return quote_from_bytes(path, safe="/~").encode()


def canonical_query(query: bytes, *, presigned: bool = False) -> bytes:
    """`query` with every name and value in canonical encoding, sorted; without the signature itself."""
    pairs = []
    for pair in query.split(b"&"):
        name, _, value = pair.partition(b"=")
        if pair and not (presigned and name == b"X-Amz-Signature"):
            pairs.append((_component(name), _component(value)))
    pairs.sort()
    return b"&".join([name + b"=" + value for name, value in pairs])


def _component(raw: bytes) -> bytes:
    if _CANONICAL.fullmatch(raw):
        return raw
    return quote_from_bytes(unquote_to_bytes(raw.replace(b"+", b" ")), safe="~").encode()


def _trimmed(value: bytes) -> bytes:
    """`value` without blanks at its ends, and one blank where there were several."""
    return b" ".join(value.split()) if b" " in value or b"\t" in value else value


def _basic(instant: Instant) -> str:
    return strftime("%Y%m%dT%H%M%SZ", gmtime(instant // SECOND))


def _quoted(text: str) -> str:
    """`text` in quotes for a sentence: printable, and at most 100 characters of it."""
    shown = "".join(c if c.isprintable() else "?" for c in text[:100])
    return f"'{shown}'" if len(text) <= 100 else f"'{shown}' and {len(text) - 100} more characters"


def _incomplete(message: str) -> Fault:
    return Fault(FaultKind.INCOMPLETE_SIGNATURE, message)


def _wrong(message: str) -> Fault:
    return Fault(FaultKind.WRONG_SIGNATURE, message)
