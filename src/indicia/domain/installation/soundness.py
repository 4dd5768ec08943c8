"""Whether an installation itself is sound: one check a part, with what was seen and what to do about it.

The parts that other people's machines decide are judged here: the delegation of the key zone, each of its
servers, the hosts of custom MAIL FROM domains, the SPF record that customers include. Who looks is
`verifier.diagnosis.soundness`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

from indicia.domain.diagnosis import spf
from indicia.domain.records.observation import Observation, Reply
from indicia.domain.verification.findings import Finding


class State(Enum):
    """How a part is. A warning leaves the service whole; what is unknown may or may not."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Check:
    """One part of the installation: how it is, what was seen, and what to do, empty when nothing is."""

    name: str
    state: State
    seen: str
    fix: str = ""


def is_sound(checks: Sequence[Check]) -> bool:
    """Say whether nothing is wrong or unknown."""
    return all(check.state in (State.OK, State.WARN) for check in checks)


def _listed(names: Sequence[str] | frozenset[str]) -> str:
    return ", ".join(sorted(names)) or "none"


@dataclass(frozen=True, slots=True)
class Referral:
    """What one server of the parent zone says of the key zone; `trouble` when it said nothing of use.

    `names` are those of the zone's NS records there, `glue` the addresses that came with them.
    """

    server: str
    names: frozenset[str] = frozenset()
    glue: Mapping[str, frozenset[str]] = field(default_factory=dict)
    trouble: str = ""


def judge_delegation(zone: str, parent: str, wanted: Sequence[str], referrals: Sequence[Referral]) -> Check:
    """Return whether the parent's servers refer to the configured name servers, all of them and no other."""
    name = "delegation"
    told = [referral for referral in referrals if not referral.trouble]
    if not told:
        asked = (
            "; ".join(f"{each.server}: {each.trouble}" for each in referrals) or "no address of them is known"
        )
        return Check(
            name,
            State.UNKNOWN,
            f"no server of {parent}, the zone above {zone}, could be asked ({asked})",
            f"Look whether this machine can reach the name servers of {parent} over UDP and TCP.",
        )
    publish = f"Publish in {parent}: {zone} NS {', '.join(wanted)}."
    lacking = sorted(each.server for each in told if not each.names)
    if len(lacking) == len(told):
        return Check(name, State.FAIL, f"{parent} does not delegate {zone}: it has no NS records", publish)
    if lacking:
        seen = f"{', '.join(lacking)} of {parent} do not delegate {zone}, the others do"
        return Check(name, State.FAIL, seen, "Wait until every server of the parent zone has the records.")
    found = frozenset().union(*(each.names for each in told))
    strangers, missing = found - set(wanted), frozenset(wanted) - found
    if strangers:
        seen = (
            f"{parent} delegates {zone} to {_listed(found)}; INDICIA_NAMESERVERS lacks {_listed(strangers)}"
        )
        fix = f"{publish} Or name every server of the zone in INDICIA_NAMESERVERS."
        return Check(name, State.FAIL, seen, fix)
    if missing:
        seen = f"{parent} delegates {zone} to {_listed(found)}; {_listed(missing)} is asked by nobody"
        return Check(name, State.WARN, seen, publish)
    seen = f"{parent} delegates {zone} to {_listed(found)}"
    if len(found) == 1:
        # RFC 2182 §5: at least two, in different places.
        fix = "Run the role dns on a second machine: while the only one is away no signature can be checked."
        return Check(name, State.WARN, f"{seen}, and to no other server", fix)
    return Check(name, State.OK, seen)


def judge_glue(
    zone: str, wanted: Sequence[str], addresses: Mapping[str, Sequence[str]], referrals: Sequence[Referral]
) -> Check:
    """Return whether every name server has addresses, and the delegation no other ones than the DNS.

    `addresses` are those that the resolvers see.
    """
    name = "glue"
    for server in wanted:
        if server == zone or server.endswith(f".{zone}"):
            return Check(
                name,
                State.FAIL,
                f"{server} lies within {zone}, where nothing but keys is answered for",
                "Name servers outside of the key zone in INDICIA_NAMESERVERS.",
            )
    homeless = [server for server in wanted if not addresses.get(server)]
    if homeless:
        return Check(
            name,
            State.FAIL,
            f"{', '.join(homeless)} has no address in the DNS",
            f"Publish {' and '.join(f'{server} A' for server in homeless)} with the address of that machine.",
        )
    for referral in referrals:
        for server, glued in referral.glue.items():
            known = set(addresses.get(server, ()))
            if known and not glued <= known:
                return Check(
                    name,
                    State.FAIL,
                    f"the delegation says {server} is at {_listed(glued)},"
                    f" the DNS says {_listed(frozenset(known))}",
                    f"Let the parent zone and the zone of {server} have the same addresses.",
                )
    told = "; ".join(f"{server} {', '.join(addresses[server])}" for server in wanted)
    return Check(name, State.OK, told)


@dataclass(frozen=True, slots=True)
class Served:
    """What one server of the key zone says of it over one transport; `trouble` when it was silent."""

    server: str
    address: str
    transport: str
    rcode: str = ""
    authoritative: bool = False
    primary: str | None = None
    names: frozenset[str] = frozenset()
    trouble: str = ""
    no_way: bool = False  # this machine has no route to such addresses


def judge_server(zone: str, wanted: Sequence[str], served: Served) -> Check:
    """Return whether a server answers for the key zone with the SOA and NS records of this installation."""
    transport = served.transport.upper()
    name = f"server {served.server} {served.address} {transport}"
    if served.no_way:
        return Check(name, State.WARN, "this machine has no way there", "Ask it from a machine that has one.")
    if served.trouble:
        fix = f"Run the role dns there, listen on {served.address}, and open its port for {transport}."
        return Check(name, State.FAIL, f"no answer over {transport}: {served.trouble}", fix)
    if served.rcode != "NOERROR":
        return Check(
            name,
            State.FAIL,
            f"it answers {served.rcode}: it does not serve {zone}",
            "Run the role dns there, on the database of this installation.",
        )
    if not served.authoritative or served.primary is None:
        return Check(
            name,
            State.FAIL,
            f"it answers, and not as an authority for {zone}",
            "Something else answers there, a resolver perhaps: let the role dns have that address.",
        )
    if served.primary != wanted[0] or served.names != frozenset(wanted):
        return Check(
            name,
            State.FAIL,
            f"its SOA names {served.primary} and its NS records {_listed(served.names)},"
            f" not {wanted[0]} and {_listed(frozenset(wanted))}",
            "Give every process the same INDICIA_NAMESERVERS, and start those anew that have another.",
        )
    return Check(name, State.OK, f"authoritative, SOA and {len(served.names)} NS as configured")


def judge_mail_from_host(host: str, observations: Sequence[Observation]) -> Check:
    """Return whether the host that MX records of customers point to is there (RFC 2181 §10.3: no alias)."""
    name = f"mail from {host}"
    told = [each for each in observations if each.reply.authoritative]
    if not told:
        return Check(
            name, State.UNKNOWN, f"nobody can say: {observations[0].reply.value}", "Mend the resolvers."
        )
    aliases = [target for each in told for target in each.chain]
    if aliases:
        fix = f"Publish {host} A instead: an MX must not point to an alias (RFC 2181 §10.3)."
        return Check(name, State.FAIL, f"it is an alias of {aliases[0]}", fix)
    addresses = list(dict.fromkeys(value for each in told for value in each.values))
    if not addresses:
        return Check(
            name,
            State.FAIL,
            "it has no address: bounces to custom MAIL FROM domains go nowhere",
            f"Publish {host} A with the address of the machine that takes bounces.",
        )
    return Check(name, State.OK, ", ".join(addresses))


# What customers include costs them one look-up and those of our own record (RFC 7208 §4.6.4).
_ROOM = spf.MOST_LOOKUPS - 1
_GENEROUS = spf.MOST_LOOKUPS // 2


def judge_service_spf(
    domain: str, observations: Sequence[Observation], judged: spf.SpfJudgement | None, wanted: str
) -> Check:
    """Return whether the SPF record that customers include lets mail pass. `wanted` is one that would."""
    name = f"spf {domain}"
    publish = f"Publish {domain} TXT {wanted}"
    told = next((each for each in observations if each.reply.authoritative), None)
    if told is None:
        return Check(
            name, State.UNKNOWN, f"nobody can say: {observations[0].reply.value}", "Mend the resolvers."
        )
    texts = [text for text in told.values if spf.is_spf(text)]
    if not texts:
        seen = f"{domain} has no SPF record: an include of it is an error to receivers (RFC 7208 §5.2)"
        return Check(name, State.FAIL, seen, f"{publish}.")
    if len(texts) > 1:
        return Check(name, State.FAIL, f"{domain} has {len(texts)} SPF records", "Keep one (RFC 7208 §4.5).")
    terms = spf.parse(texts[0])
    if terms is None or (judged is not None and judged.finding is Finding.SPF_INVALID):
        return Check(name, State.FAIL, f"it cannot be read: {texts[0][:100]}", f"{publish}.")
    if any(term.name == "all" and not term.modifier and term.qualifier == "+" for term in terms):
        return Check(name, State.FAIL, "it lets every machine in the world pass (+all)", f"{publish}.")
    if judged is None:
        return Check(name, State.UNKNOWN, "its includes lead on for too long", "Name addresses instead.")
    seen = f"{texts[0][:100]} ({judged.lookups} look-ups)"
    if judged.lookups > _ROOM:
        fix = (
            f"Name addresses instead of hosts and includes: {_ROOM} look-ups are the most, and leave no room."
        )
        return Check(name, State.FAIL, seen, fix)
    if judged.lookups > _GENEROUS:
        return Check(
            name, State.WARN, seen, "Name addresses instead: customers have ten look-ups for everything."
        )
    return Check(name, State.OK, seen)


def judge_perspective(
    perspective: str, observation: Observation, wrong: str, *, trusted: bool, playing: bool = False
) -> Check:
    """Return whether the resolvers of a perspective answer what every resolver knows, the NS of the root.

    `wrong` says which control question they fail, empty where they pass. A playground is nobody's resolver,
    and has nothing to validate.
    """
    name = f"resolvers {perspective}"
    if observation.reply is not Reply.ANSWER:
        return Check(
            name,
            State.FAIL,
            f"{observation.reply.value} from {observation.server or 'nobody'} to the control question, the"
            " NS of the root",
            "Mend the resolver or name another in INDICIA_RESOLVERS: without it nothing can be verified.",
        )
    if wrong:
        fix = "Mend the resolver or name another in INDICIA_RESOLVERS: nothing is taken away by its word."
        return Check(name, State.FAIL, f"{observation.server}: {wrong}", fix)
    seen = f"{observation.server} answers within {observation.latency_ms:.0f} ms"
    if trusted and not observation.secure and not playing:
        fix = "Let it validate DNSSEC, as deploy/unbound.conf does: else forged answers are believed."
        return Check(name, State.WARN, f"{seen}, without DNSSEC validation", fix)
    return Check(name, State.OK, f"{seen}, DNSSEC validated" if observation.secure else seen)
