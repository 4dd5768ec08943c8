"""The zone file says what the server says."""

from __future__ import annotations

import dns.rdatatype
import dns.zone
from zonedata import LONG, LONG_KEY, NAMESERVERS, SHORT, SHORT_KEY, ZONE, ask, question, responder

from indicia.keyzone.zonefile import zone_lines


def test_same_records_as_the_server() -> None:
    """Dnspython reads the file, and every record in it is the server's answer, TTL and all."""
    keys = [(LONG, LONG_KEY), (SHORT, SHORT_KEY)]
    text = "".join(zone_lines(ZONE, nameservers=NAMESERVERS, serial=7, keys=keys))
    zone = dns.zone.from_text(text, relativize=False)
    server = responder()

    found = list(zone.iterate_rdatasets())
    assert len(found) == 5
    for name, rdataset in found:
        (rrset,) = ask(server, question(str(name), dns.rdatatype.to_text(rdataset.rdtype))).answer
        assert (rrset.to_rdataset(), rrset.ttl) == (rdataset, rdataset.ttl)


def test_made_line_by_line() -> None:
    """The keys are taken one at a time: a million of them need no memory."""
    lines = zone_lines(ZONE, nameservers=NAMESERVERS, serial=7, keys=((LONG, LONG_KEY) for _ in iter(int, 1)))

    assert [next(lines) for _ in range(11)][-1].startswith(f"{LONG} IN TXT ")
