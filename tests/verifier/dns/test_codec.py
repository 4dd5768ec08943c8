"""Questions and answers as octets: golden bytes, limits, and agreement with dnspython on anything."""

import struct

import dns.edns
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rrset
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from indicia.domain.records.observation import Question, RecordType, Reply
from indicia.verifier.dns import slow_path
from indicia.verifier.dns.answer import MAX_RECORDS, Answer, Message, conclude
from indicia.verifier.dns.codec import Chance, Unusual, decode, encode, form, plain

QUESTION = Question("a.example.com", RecordType.TXT)


def test_a_question_has_these_octets() -> None:
    """Header with RD and AD, the name, the type, class IN, and an OPT record of 1232 octets."""
    wire = encode(form(Question("a.test", RecordType.MX)), 0x1234)

    assert wire == bytes.fromhex(
        "1234 0120 0001 0000 0000 0001 0161 0474657374 00 000f 0001 00 0029 04d0 00000000 0000"
    )


def test_a_question_without_edns_and_recursion() -> None:
    """Neither OPT nor RD."""
    wire = encode(form(Question(".", RecordType.NS)), 1, edns=False, recursive=False)

    assert wire == bytes.fromhex("0001 0020 0001 0000 0000 0000 00 0002 0001")


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "com",
        "a.b.c",
        "_domainkey.example.com",
        "x" * 63 + ".example",
        r"a\.b.example",
        r"\065.example",
    ],
)
def test_dnspython_reads_our_questions(name: str) -> None:
    """Every name that the DNS can hold arrives as it is, escapes included."""
    formed = form(Question(name, RecordType.A))
    parsed = dns.message.from_wire(encode(formed, 7, case=Chance().take(300)))

    assert parsed.id == 7
    assert parsed.question[0].name == dns.name.from_text(name)
    assert parsed.question[0].name.to_text(omit_final_dot=True).lower() == formed.name


@pytest.mark.parametrize(
    "name",
    ["a..b", ".a", "a.", "x" * 64, ".".join(["x" * 60] * 5), "ä.example", r"\999.example", "\u2603.test"],
)
def test_a_name_that_the_dns_cannot_hold_is_refused(name: str) -> None:
    """No question is made from it. A trailing dot is not how the domain spells names."""
    with pytest.raises(ValueError, match=r".+"):
        form(Question(name, RecordType.A))


def test_case_is_random_and_nothing_else_is() -> None:
    """Over a few questions every letter is seen in both cases; digits, hyphens and the rest stay."""
    formed = form(Question("abc-123._xyz.example", RecordType.TXT))
    chance = Chance()
    wires = [encode(formed, 0, case=chance.take(40)) for _ in range(200)]
    plain_wire = encode(formed, 0)

    assert {wire.lower() for wire in wires} == {plain_wire.lower()}
    assert all(
        {wire[at] for wire in wires} == ({octet, octet ^ 0x20} if chr(octet).isalpha() else {octet})
        for at, octet in enumerate(plain_wire[:-15])
    )


def test_chance_runs_past_its_pool() -> None:
    """The octets do not repeat when a pool is used up, and any count can be taken."""
    chance = Chance()
    taken = {chance.take(8) for _ in range(3000)}

    assert len(taken) == 3000
    assert chance.take(10_000) > 0


def answer_to(question: Question, *texts: str, authority: str = "", rcode: int = 0) -> dns.message.Message:
    """An answer with these records, one a text: `owner ttl type value`."""
    query = dns.message.make_query(question.name, question.rtype.name, use_edns=True)
    response = dns.message.make_response(query)
    response.set_rcode(dns.rcode.Rcode(rcode))
    for section, lines in ((response.answer, texts), (response.authority, (authority,) if authority else ())):
        for line in lines:
            owner, ttl, rtype, value = line.split(" ", 3)
            section.append(dns.rrset.from_text(f"{owner}.", int(ttl), "IN", rtype, value))
    return response


def read(question: Question, response: dns.message.Message) -> Answer:
    """What our decoder makes of it."""
    return decode(response.to_wire(max_size=65535), form(question))


SOA_LINE = "example.com 900 SOA ns.example.com. Host\\.Master.example.com. 5 4 3 2 600"


@pytest.mark.parametrize(
    ("rtype", "record", "value"),
    [
        (RecordType.A, "a.example.com 5 A 192.0.2.7", "192.0.2.7"),
        (RecordType.AAAA, "a.example.com 5 AAAA 2001:DB8:0:0:1:0:0:1", "2001:db8::1:0:0:1"),
        (RecordType.AAAA, "a.example.com 5 AAAA ::ffff:192.0.2.1", "::ffff:192.0.2.1"),
        (RecordType.NS, "a.example.com 5 NS NS.Example.com.", "ns.example.com"),
        (RecordType.CNAME, "a.example.com 5 CNAME B.example.com.", "b.example.com"),
        (RecordType.MX, "a.example.com 5 MX 10 Mx.example.com.", "10 mx.example.com"),
        (RecordType.MX, "a.example.com 5 MX 0 .", "0 ."),
        (
            RecordType.SOA,
            "a.example.com 5 SOA n.example. h.example. 1 2 3 4 5",
            "n.example h.example 1 2 3 4 5",
        ),
        (RecordType.TXT, 'a.example.com 5 TXT "v=1; P=" "\\255x"', "v=1; P=\xffx"),
        (RecordType.CNAME, "a.example.com 5 CNAME x\\.y.example.com.", "x\\.y.example.com"),
    ],
)
def test_values_are_spelled_one_way(rtype: RecordType, record: str, value: str) -> None:
    """Each type has one spelling: names in lower case without a dot, text untouched."""
    question = Question("a.example.com", rtype)

    assert read(question, answer_to(question, record)).values == (value,)


def test_the_order_of_a_set_means_nothing() -> None:
    """Two orders of the same records are the same answer."""
    question = Question("a.example.com", RecordType.MX)
    records = [f"a.example.com 5 MX {count} mx{count}.example.com." for count in range(5)]

    assert read(question, answer_to(question, *records)) == read(
        question, answer_to(question, *records[::-1])
    )


def test_a_chain_ends_after_eight() -> None:
    """Eight CNAMEs are followed, nine are garbage."""

    def chain(length: int) -> Answer:
        names = ["a.example.com", *(f"n{count}.example" for count in range(length))]
        links = [f"{here} {60 - at} CNAME {names[at + 1]}." for at, here in enumerate(names[:-1])]
        return read(QUESTION, answer_to(QUESTION, *links, f"{names[-1]} 100 TXT x"))

    assert chain(8).reply is Reply.ANSWER
    assert len(chain(8).chain) == 8
    assert chain(8).ttl == 53
    assert chain(9).reply is Reply.GARBAGE


def test_a_chain_that_ends_in_nothing_says_what_is_missing() -> None:
    """The chain is shown with NXDOMAIN or NODATA of its end."""
    link = "a.example.com 60 CNAME b.example."
    missing = read(QUESTION, answer_to(QUESTION, link, authority=SOA_LINE, rcode=3))
    nodata = read(QUESTION, answer_to(QUESTION, link, authority=SOA_LINE))

    assert (missing.reply, missing.chain) == (Reply.NXDOMAIN, ("b.example",))
    assert (nodata.reply, nodata.chain) == (Reply.NODATA, ("b.example",))


def test_two_cnames_at_a_name_are_shown_but_not_followed() -> None:
    """Asked for, both are values; on the way to something else they are garbage (RFC 2181 §10.1)."""
    links = ["a.example.com 60 CNAME b.example.", "a.example.com 60 CNAME c.example."]
    asked = Question("a.example.com", RecordType.CNAME)

    assert read(asked, answer_to(asked, *links)).values == ("b.example", "c.example")
    assert read(QUESTION, answer_to(QUESTION, *links)).reply is Reply.GARBAGE


def test_an_alias_beside_the_records_that_were_asked_for_is_garbage() -> None:
    """RFC 1034 §3.6.2: who reads the records and who follows the alias would see two things."""
    asked = Question("a.example.com", RecordType.A)
    alias, address = "a.example.com 60 CNAME b.example.", "{} 60 A 192.0.2.1"

    assert read(asked, answer_to(asked, alias, address.format("b.example"))).reply is Reply.ANSWER
    beside = answer_to(asked, alias, address.format("a.example.com"), address.format("b.example"))
    assert read(asked, beside).reply is Reply.GARBAGE
    assert read(asked, answer_to(asked, alias, "a.example.com 60 MX 1 b.example.")).reply is Reply.NODATA


def test_a_cname_that_was_asked_for_is_there_whatever_its_target() -> None:
    """NXDOMAIN beside the CNAME is about its target; beside another record it is a contradiction."""
    asked = Question("a.example.com", RecordType.CNAME)

    assert read(asked, answer_to(asked, "a.example.com 60 CNAME b.example.", rcode=3)).reply is Reply.ANSWER
    assert read(QUESTION, answer_to(QUESTION, "a.example.com 60 TXT x", rcode=3)).reply is Reply.GARBAGE


def test_records_of_other_names_are_nobodys_answer() -> None:
    """What does not hang on the asked name is not looked at."""
    seen = read(QUESTION, answer_to(QUESTION, "b.example.com 60 TXT x", authority=SOA_LINE))

    assert (seen.reply, seen.values) == (Reply.NODATA, ())


@pytest.mark.parametrize(("ttl", "kept"), [(900, 600), (30, 30)])
def test_a_negative_answer_is_kept_for_the_smaller_of_two(ttl: int, kept: int) -> None:
    """RFC 2308 §5: the SOA's TTL or its MINIMUM."""
    seen = read(QUESTION, answer_to(QUESTION, authority=SOA_LINE.replace("900", str(ttl)), rcode=3))

    assert seen.negative_ttl == kept
    assert seen.soa is not None
    assert seen.soa.admin == "host\\.master.example.com"


def test_sixty_four_records_are_the_limit() -> None:
    """One more, in any section, and the answer is garbage."""
    records = [f"a.example.com 60 TXT {count}" for count in range(MAX_RECORDS)]

    assert (
        len(read(QUESTION, answer_to(QUESTION, *records[1:])).values) == MAX_RECORDS - 1
    )  # and an OPT record
    assert read(QUESTION, answer_to(QUESTION, *records)).reply is Reply.GARBAGE


@pytest.mark.parametrize(
    ("rcode", "codes", "reply"),
    [
        (2, [6], Reply.BOGUS),
        (2, [9, 22], Reply.BOGUS),
        (2, [27], Reply.BOGUS),
        (2, [22], Reply.NO_AUTHORITY),
        (2, [23], Reply.NO_AUTHORITY),
        (2, [13], Reply.SERVFAIL),
        (2, [], Reply.SERVFAIL),
        (5, [18], Reply.REFUSED),
        (0, [1], Reply.NODATA),  # nothing was validated, as in an unsigned zone
        (0, [3], Reply.NO_AUTHORITY),  # stale
        (3, [19], Reply.NO_AUTHORITY),  # stale
        (3, [15], Reply.OUR_RESOLVER),  # blocked by the resolver's policy
        (6, [], Reply.SERVFAIL),
        (16, [], Reply.FORMERR),  # BADVERS
    ],
)
def test_codes_and_extended_errors_make_the_reply(rcode: int, codes: list[int], reply: Reply) -> None:
    """RFC 8914 tells DNSSEC, unreachable authorities and the resolver's own policy apart."""
    response = answer_to(QUESTION, authority=SOA_LINE)
    response.use_edns(0, options=[dns.edns.EDEOption(code, "why") for code in codes])
    response.set_rcode(dns.rcode.Rcode(rcode))

    seen = read(QUESTION, response)

    assert seen.reply is reply
    assert [code for code, _ in seen.extended] == codes


@pytest.mark.parametrize("extended", [1, 16, 255])
@pytest.mark.parametrize("texts", [(), ("a.example.com 60 TXT x",)])
def test_the_rest_of_a_code_is_in_an_option_record_that_says_nothing_else(
    extended: int, texts: tuple[str, ...]
) -> None:
    """RFC 6891 §6.1.3: a failure whose header alone reads like an answer, or an absence, is a failure."""
    question = Question("a.example.com", RecordType.TXT)
    response = answer_to(question, *texts, authority=SOA_LINE.replace(r"Host\.Master", "master"))
    response.use_edns(0)
    wire = bytearray(response.to_wire(max_size=65535))
    assert decode(bytes(wire), form(question)).reply.authoritative
    assert plain(bytes(wire), form(question)).rcode == 0
    assert wire[3] & 0xF == 0
    assert bytes(wire[-11:-8]) == b"\0\0\x29"
    wire[-6] = extended

    assert not decode(bytes(wire), form(question)).reply.authoritative
    with pytest.raises(Unusual):
        plain(bytes(wire), form(question))


def test_a_resolver_that_refers_does_not_answer() -> None:
    """Name servers and no SOA in an empty answer are a referral, not a denial."""
    referral = answer_to(QUESTION, authority="com 60 NS a.gtld-servers.net.")

    assert read(QUESTION, referral).reply is Reply.REFUSED


@pytest.mark.parametrize("flag", [0x0000, 0x9000, 0xA800])
def test_what_is_no_answer_is_garbage(flag: int) -> None:
    """A query, and other operations than QUERY."""
    wire = bytearray(answer_to(QUESTION).to_wire())
    wire[2:4] = struct.pack("!H", flag)

    assert decode(bytes(wire), form(QUESTION)).reply is Reply.GARBAGE
    assert decode(bytes(wire[:5]), form(QUESTION)).reply is Reply.GARBAGE


def test_truncation_comes_before_content() -> None:
    """TC is honoured even when what follows is cut anywhere."""
    response = answer_to(QUESTION, "a.example.com 60 TXT hello")
    response.flags |= dns.flags.TC

    assert decode(response.to_wire()[:-20], form(QUESTION)).reply is Reply.TRUNCATED


@pytest.mark.parametrize(
    "rdata",
    [
        bytes.fromhex("c02b"),  # a pointer to itself
        bytes.fromhex("c0ff"),  # forward
        bytes.fromhex("c000"),  # into the header
        bytes.fromhex("40"),  # a label type that does not exist
        bytes.fromhex("3f61"),  # a label past the end
        bytes.fromhex("0161"),  # no end
        bytes.fromhex("016100ff"),  # more after the end
    ],
)
def test_names_that_do_not_hold_are_garbage(rdata: bytes) -> None:
    """Pointers lead backwards only, labels stay within their record."""
    question = Question("a.example.com", RecordType.CNAME)
    octets = encode(form(question), 1, edns=False)
    record = b"\xc0\x0c" + struct.pack("!HHIH", 5, 1, 60, len(rdata)) + rdata
    wire = octets[:2] + b"\x81\x80" + octets[4:6] + b"\0\1" + octets[8:] + record

    assert decode(wire, form(question)).reply in (Reply.GARBAGE, Reply.ANSWER)
    assert agreed(wire, question)


def agreed(wire: bytes, question: Question) -> bool:
    """Whether the fast decoder either leaves the message to dnspython, or says the same."""
    formed = form(question)
    try:
        fast = plain(wire, formed)
    except Unusual:
        return True
    assert conclude(formed.name, formed.rtype, fast) == slow_path.decode(wire, formed.name, formed.rtype)
    return True


LABELS = st.sampled_from(["a", "b", "_domainkey", "Example", "com", "x-1", "w" * 63, "7", "*"])
NAMES = st.lists(LABELS, min_size=1, max_size=3).map(".".join) | st.just("a.example.com")
TTLS = st.sampled_from([0, 1, 60, 0x7FFFFFFF])


def presented(rtype: str) -> st.SearchStrategy[str]:
    """Values of this type in presentation form."""
    match rtype:
        case "A":
            return st.ip_addresses(v=4).map(str)
        case "AAAA":
            return st.ip_addresses(v=6).map(str)
        case "NS" | "CNAME":
            return NAMES.map("{}.".format)
        case "MX":
            return st.tuples(st.integers(0, 65535), NAMES).map(lambda each: f"{each[0]} {each[1]}.")
        case "SOA":
            numbers = st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=1)
            return st.tuples(NAMES, NAMES, numbers, TTLS).map(
                lambda each: f"{each[0]}. {each[1]}. {each[2][0]} 1 2 3 {each[3]}"
            )
        case "TXT":
            strings = st.lists(st.binary(max_size=40), min_size=1, max_size=3)
            return strings.map(
                lambda each: " ".join('"' + "".join(f"\\{o:03}" for o in s) + '"' for s in each)
            )
    return st.just("0 issue letsencrypt.org")  # CAA: a type nobody asks for


@st.composite
def rrsets(draw: st.DrawFn) -> dns.rrset.RRset:
    """One record, owned by a likely name."""
    rtype = draw(st.sampled_from([*(each.name for each in RecordType), "CNAME", "CAA"]))
    return dns.rrset.from_text(f"{draw(NAMES)}.", draw(TTLS), "IN", rtype, draw(presented(rtype)))


@st.composite
def exchanges(draw: st.DrawFn) -> tuple[Question, dns.message.Message]:
    """A question, and an answer that may or may not have to do with it."""
    question = Question(draw(NAMES).lower(), draw(st.sampled_from(RecordType)))
    query = dns.message.make_query(question.name, question.rtype.name, use_edns=draw(st.booleans()))
    response = dns.message.make_response(query)
    response.set_rcode(dns.rcode.Rcode(draw(st.sampled_from([0, 0, 0, 3, 2, 5]))))
    response.flags |= draw(st.sampled_from([0, dns.flags.AD, dns.flags.AA]))
    for section, most in ((response.answer, 5), (response.authority, 2), (response.additional, 2)):
        section.extend(draw(st.lists(rrsets(), max_size=most)))
    return question, response


@given(exchanges())
def test_both_decoders_agree_on_answers(exchange: tuple[Question, dns.message.Message]) -> None:
    """Whatever an honest server may say, reading it by hand and by dnspython comes to the same."""
    question, response = exchange

    assert agreed(response.to_wire(max_size=65535), question)


@given(exchanges())
def test_a_plain_answer_is_what_dnspython_resolves(exchange: tuple[Question, dns.message.Message]) -> None:
    """For a NOERROR answer dnspython's own chaining finds the same records at the end of the same chain."""
    question, response = exchange
    response.set_rcode(dns.rcode.NOERROR)
    try:
        chaining = dns.message.from_wire(response.to_wire(max_size=65535)).resolve_chaining()
    except Exception:  # noqa: BLE001 - dnspython has its own view of broken chains, tested above
        return
    seen = read(question, response)

    if chaining.answer is not None and seen.reply is Reply.ANSWER:
        assert len(seen.values) == len(chaining.answer)
        assert len(seen.chain) == len(chaining.cnames) or question.rtype is RecordType.CNAME
    elif seen.reply is Reply.NODATA:
        assert chaining.answer is None


@given(exchanges(), st.data())
def test_both_decoders_agree_on_damage(
    exchange: tuple[Question, dns.message.Message], data: st.DataObject
) -> None:
    """A few flipped octets or a cut: the fast decoder never accepts what dnspython refuses."""
    question, response = exchange
    wire = bytearray(response.to_wire(max_size=65535))
    start = 12 + form(question).length
    for _ in range(data.draw(st.integers(1, 4))):
        if len(wire) > start:
            at = data.draw(st.integers(start, len(wire) - 1))
            wire[at] = data.draw(st.sampled_from(b"\0\1\x3f\x40\xc0\x0c\xff\5\x29") | st.integers(0, 255))
    cut = data.draw(st.sampled_from([0, 0, 0, 1, 5]))

    assert agreed(bytes(wire[: max(len(wire) - cut, start)]), question)


@given(st.binary(max_size=300))
@example(b"")
@example(b"\0" * 12)
def test_noise_never_raises(noise: bytes) -> None:
    """Any octets behind a header with our question end in an answer value."""
    head = b"\0\1\x81\x80\0\1\0\1\0\1\0\1" + encode(form(QUESTION), 1, edns=False)[12:]

    assert isinstance(decode(head + noise, form(QUESTION)), Answer)
    assert isinstance(decode(noise, form(QUESTION)), Answer)
    assert agreed(head + noise, QUESTION)


def test_no_records_say_nothing() -> None:
    """An empty NOERROR answer without an SOA is NODATA with no lifetime (RFC 2308 §2.2, type 3)."""
    seen = conclude("a.example.com", RecordType.A.value, Message(0, False, False, []))

    assert (seen.reply, seen.negative_ttl, seen.ttl) == (Reply.NODATA, None, None)
