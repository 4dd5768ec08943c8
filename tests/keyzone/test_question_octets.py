"""Any octets at all, as a question."""

from __future__ import annotations

import dns.message
from hypothesis import given
from hypothesis import strategies as st
from zonedata import KEYLESS, LONG, NEVER, OLD_ZONE, ZONE, question, responder

_SEEDS = [
    question(name, rtype, edns=edns)
    for name in (f"{LONG}.{ZONE}", f"{KEYLESS}.{OLD_ZONE}", f"{NEVER}.{ZONE}", ZONE, "service.example")
    for rtype in ("TXT", "ANY", "SOA", "AXFR")
    for edns in (None, 512, 4096)
]


@st.composite
def damaged_questions(draw: st.DrawFn) -> bytes:
    """A question with some octets changed, cut off or added."""
    query = bytearray(draw(st.sampled_from(_SEEDS)))
    for _ in range(draw(st.integers(0, 4))):
        query[draw(st.integers(0, len(query) - 1))] = draw(st.integers(0, 255))
    return bytes(query[: draw(st.integers(0, len(query)))] if draw(st.booleans()) else query) + draw(
        st.binary(max_size=4)
    )


_SERVER = responder()


@given(st.one_of(st.binary(max_size=600), damaged_questions()), st.booleans(), st.booleans())
def test_any_octets(query: bytes, datagram: bool, limited: bool) -> None:
    """Whatever arrives, nothing is raised, and no answer is answered.

    What is sent is a sound answer in the room there is, with the id of the question.
    """
    answer = _SERVER.truncated(query) if limited else _SERVER.respond(query, 0.0, datagram=datagram)

    if len(query) < 12 or query[2] & 0x80:
        assert answer is None
        return
    assert isinstance(answer, bytes) or limited
    if isinstance(answer, bytes):
        assert len(answer) <= (1232 if datagram else 65535)
        assert (answer[:2], answer[2] & 0xF8) == (query[:2], 0x80 | query[2] & 0x78)
        assert len(answer) <= len(query) or not limited  # a truncated answer amplifies nothing
        if not query[2] & 0x78:
            dns.message.from_wire(answer)


@given(st.binary(max_size=200), st.sampled_from(_SEEDS))
def test_plain_path_agrees_with_dnspython(tail: bytes, seed: bytes) -> None:
    """What is answered with records was a message that dnspython can read too."""
    answer = _SERVER.respond(seed + tail, 0.0, datagram=True)

    assert isinstance(answer, bytes)
    if int.from_bytes(answer[6:8]) or int.from_bytes(answer[8:10]):
        dns.message.from_wire(seed + tail)
