"""What the service domain itself must publish, so that the records of customers lead somewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from indicia.domain.dkim.key_record import split_text


@dataclass(frozen=True, slots=True)
class ServiceRecord:
    """A record of the service domain. `value` is empty where only the operator knows it: `note` says what."""

    name: str
    type: str
    value: str
    note: str = ""


def service_records(
    service_domain: str,
    zone: str,
    nameservers: Sequence[str],
    hosts: Sequence[str],
    *,
    addresses: Mapping[str, Sequence[str]],
    sender: str,
) -> tuple[ServiceRecord, ...]:
    """Return everything that the service domain must publish.

    `hosts` are those that MX records point to; `addresses` what is known of any of these names; `sender` is
    the host that accepted mail is handed to, empty where it is not known.
    """
    records = [ServiceRecord(zone, "NS", server) for server in nameservers]
    # What lies elsewhere has its addresses from somebody else.
    named = [server for server in nameservers if server.endswith(f".{service_domain}")]
    for name in (*named, *hosts):
        what = "a machine with the role dns" if name in named else "the machine that takes bounces"
        known = addresses.get(name, ())
        records += [ServiceRecord(name, "AAAA" if ":" in each else "A", each) for each in known]
        if not known:
            records.append(ServiceRecord(name, "A", "", f"the address of {what}"))
    return (*records, service_spf(service_domain, sender))


def service_spf(service_domain: str, sender: str) -> ServiceRecord:
    """Return the SPF record that customers include: the machines that mail leaves from, and nobody else."""
    if sender:
        mechanism = f"ip{6 if ':' in sender else 4}:{sender}" if _is_address(sender) else f"a:{sender}"
        return ServiceRecord(service_domain, "TXT", f"v=spf1 {mechanism} -all")
    note = "v=spf1, then ip4: or ip6: of every machine that mail leaves from, then -all"
    return ServiceRecord(service_domain, "TXT", "", note)


def _is_address(host: str) -> bool:
    return ":" in host or host.replace(".", "").isdigit()


def zone_line(record: ServiceRecord) -> str:
    """Return the record as a line of a zone file; as a comment where only the operator knows the value."""
    if not record.value:
        return f"; {record.name}. IN {record.type} {record.note}"
    if record.type == "TXT":
        return f"{record.name}. IN TXT " + " ".join(f'"{text}"' for text in split_text(record.value))
    return f"{record.name}. IN {record.type} {record.value}{'.' if record.type == 'NS' else ''}"
