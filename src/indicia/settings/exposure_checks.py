"""What a server that others can reach must not do unless its operator insists, or only with a warning."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from indicia.domain.names import under
from indicia.settings.addresses import Address, covers_all
from indicia.settings.choices import Danger, VerificationMode
from indicia.settings.roles import ALL_ROLES, Role
from indicia.settings.urls import RelayKind

if TYPE_CHECKING:
    from indicia.settings.tree import Settings


@dataclass(frozen=True, slots=True)
class ExposureRefusal:
    """A reason not to start. `waived` when the operator has said that it shall be so all the same.

    One that is `final` cannot be waived.
    """

    danger: Danger
    reason: str
    waived: bool
    final: bool = False

    @property
    def name(self) -> str:
        """The name to waive it by."""
        return self.danger.value

    def __str__(self) -> str:
        if self.final:
            return self.reason
        return f"{self.reason} (INDICIA_UNSAFE={self.name} starts all the same)"


# Names that no public DNS will ever hold (RFC 2606 §2, RFC 6761 §6, RFC 6762 §3).
UNREAL_SUFFIXES = ("test", "example", "invalid", "localhost", "local")
# Its names are written in code for SES. A sandbox may have it as its service domain, for that code's tests.
VENDOR_DOMAIN = "amazonses.com"


def is_unreal(name: str) -> bool:
    """Say whether no public DNS will ever hold the name."""
    return name.rpartition(".")[2] in UNREAL_SUFFIXES


def _unreal(service_domain: str) -> str:
    suffix = service_domain.rpartition(".")[2]
    return (
        f"the service domain {service_domain} is under .{suffix}, which no DNS will ever hold: "
        "set INDICIA_SERVICE_DOMAIN to a domain of yours"
    )


def only_for_trying(settings: Settings) -> str | None:
    """Return the warning that customers can publish nothing useful yet, None where they can.

    It is said at a start on loopback: others refuse such a service domain.
    """
    if not is_unreal(settings.service_domain):
        return None
    return f"{_unreal(settings.service_domain)} before anybody publishes records that lead there"


def listeners(settings: Settings, roles: frozenset[Role] = ALL_ROLES) -> tuple[Address, ...]:
    """Return every address that these roles listen on."""
    addresses = settings.listen.admin
    if roles & {Role.API, Role.LINKS}:
        addresses += settings.listen.http
    if Role.DNS in roles:
        addresses += settings.listen.dns
    return addresses


def refusals(settings: Settings, roles: frozenset[Role] = ALL_ROLES) -> list[ExposureRefusal]:
    """Return what stands against starting `serve`, waived or not.

    While all listeners are on loopback that is the vendor's domain alone: records that lead to somebody
    else's keys prove nothing.
    """
    if under(settings.service_domain, VENDOR_DOMAIN):
        reason = (
            f"the service domain {settings.service_domain} is Amazon's, and only a sandbox takes it: "
            "set INDICIA_SERVICE_DOMAIN to a domain of yours"
        )
        return [ExposureRefusal(Danger.SERVICE_DOMAIN, reason, waived=False, final=True)]
    exposed = next((address for address in listeners(settings, roles) if not address.is_loopback), None)
    if exposed is None:
        return []
    found: dict[Danger, str] = {}
    if is_unreal(settings.service_domain):
        found[Danger.SERVICE_DOMAIN] = _unreal(settings.service_domain)
    if settings.verification is VerificationMode.INSTANT:
        found[Danger.INSTANT_VERIFICATION] = (
            "INDICIA_VERIFICATION=instant lets anyone verify any domain: set it to dns"
        )
    if settings.private_addresses.allow_all or covers_all(settings.private_addresses.networks):
        found[Danger.PRIVATE_ADDRESSES] = (
            f"INDICIA_PRIVATE_ADDRESSES={settings.private_addresses} lets tenants reach into your network: "
            "name the CIDRs they may"
        )
    if roles & {Role.API, Role.LINKS} and settings.tls is None and not settings.trusted_proxies:
        found[Danger.PLAIN_HTTP] = (
            "HTTP has neither TLS nor a trusted proxy in front: set INDICIA_TLS_CERT_FILE and "
            "INDICIA_TLS_KEY_FILE, or INDICIA_TRUSTED_PROXIES"
        )
    return [
        ExposureRefusal(
            danger, f"{exposed} is not on loopback, and {reason}", waived=danger in settings.unsafe
        )
        for danger, reason in found.items()
    ]


def warnings(settings: Settings, roles: frozenset[Role] = ALL_ROLES) -> list[str]:
    """Return what starts but deserves a line in the log, most of it once a listener is not on loopback."""
    unset = "INDICIA_PUBLIC_URL is not set"
    found = []
    if settings.public_url is None and Role.API in roles and Role.LINKS not in roles:
        found.append(
            f"{unset}: links in mails begin with an address of this process, which has no role links"
        )
    if all(address.is_loopback for address in listeners(settings, roles)):
        return found
    everywhere = next((address for address in settings.listen.admin if address.is_wildcard), None)
    if everywhere is not None:
        found.append(
            f"INDICIA_LISTEN_ADMIN is {everywhere}, which is every address of this machine: metrics are told"
            " to whoever reaches one; name the address that is for them"
        )
    if roles & {Role.API, Role.LINKS} and covers_all(settings.trusted_proxies):
        found.append(
            "INDICIA_TRUSTED_PROXIES trusts every address: whoever connects says from where a request comes,"
            " and whether it was encrypted; name the proxies"
        )
    if settings.relay.kind is RelayKind.OUTBOX:
        found.append(
            "INDICIA_RELAY is outbox: mail is written into a folder of the data directory and reaches nobody"
        )
    if settings.relay.bares_its_password:
        found.append("INDICIA_RELAY sends its password unencrypted: use smtp+starttls:// or smtps://")
    if settings.public_url is None and {Role.API, Role.LINKS} <= roles:
        found.append(f"{unset}: links in mails begin with an address that this machine listens on")
    if Role.VERIFIER in roles and settings.perspective_count == 1:
        found.append(
            "INDICIA_RESOLVERS has a single perspective: who deceives that one resolver verifies any domain"
        )
    return found
