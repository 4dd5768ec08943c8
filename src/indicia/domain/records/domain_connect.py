"""Domain Connect: the owner of a domain lets the provider of its DNS publish our records, by one link.

The template is ours and known to the provider beforehand; the link carries the values of its variables. What
is in the template and what is in the link are made here, side by side, so that they cannot part. DMARC is in
neither: the policy of a whole organisation is not replaced by a click. (Domain Connect, draft-ietf-dconn:
discovery, settings, synchronous flow, template definition.)
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote, urlencode, urlsplit

from indicia.domain.dkim.key_record import key_zone_of
from indicia.domain.identities.identity import Identity, IdentityKind, TokenSet, TokenSetKind
from indicia.domain.names import under
from indicia.domain.records.expected import SUGGESTED_PREFERENCE, SUGGESTED_TTL, Purpose, feedback_host

LABEL: Final = "_domainconnect"
SERVICE_ID: Final = "sending"
_VERSION: Final = 1
_LONGEST: Final = 1024  # of any text that a provider gives us and that we pass on

_LOCATOR: Final = re.compile(
    r"(?P<host>[A-Za-z0-9_](?:[A-Za-z0-9._-]{0,251}[A-Za-z0-9])?(?::[0-9]{1,5})?)"
    r"(?P<path>(?:/[A-Za-z0-9._~-]+)*)/?\Z"
)


@dataclass(frozen=True, slots=True)
class Provider:
    """A DNS provider as its settings describe it. Each URL is https and has no slash at its end."""

    id: str
    name: str
    apply_url: str
    api_url: str


def locator(texts: Sequence[str]) -> str | None:
    """Return where the API of the provider is, as host and path, from the TXT at `_domainconnect`."""
    for text in texts:
        found = _LOCATOR.match(text.strip())
        if found is not None and len(text) <= _LONGEST:
            return found["host"].lower() + found["path"]
    return None


def settings_path(zone: str) -> str:
    """Return what is asked below the locator for the settings of a zone."""
    return f"/v2/{quote(zone, safe='.')}/settings"


def template_path(service_domain: str) -> str:
    """Return what is asked below the API's URL to know whether the provider has our template."""
    return f"/v2/domainTemplates/providers/{quote(service_domain, safe='.')}/services/{SERVICE_ID}"


def read_settings(body: bytes) -> Provider | None:
    """Return the provider that offers the synchronous flow, None where what it says is no such offer."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(document, dict):
        return None
    named = _text(document, "providerId"), _text(document, "providerDisplayName", "providerName")
    urls = _url(document, "urlSyncUX"), _url(document, "urlAPI")
    return Provider(*named, *urls) if all((*named, *urls)) else None


def _text(document: dict[str, Any], *names: str) -> str:
    """Return the first of the texts that is one and that can be shown."""
    for name in names:
        value = document.get(name)
        if isinstance(value, str) and value.strip() and value.isprintable() and len(value) <= _LONGEST:
            return value.strip()
    return ""


def _url(document: dict[str, Any], name: str) -> str:
    """Return the URL, empty where it is none that a person may be led to."""
    text = _text(document, name)
    try:
        parts = urlsplit(text)
    except ValueError:
        return ""
    plain = parts.scheme == "https" and parts.hostname and "@" not in parts.netloc and text.isascii()
    return text.rstrip("/") if plain and not parts.query and not parts.fragment else ""


def template(service_domain: str) -> dict[str, Any]:
    """Return the template of this service, in the form of the public repository of templates.

    The records of each group are published together, and a link names its groups.
    """
    return {
        "providerId": service_domain,
        "providerName": service_domain,
        "serviceId": SERVICE_ID,
        "serviceName": "Sending mail",
        "version": _VERSION,
        "description": "Lets this service sign mail for the domain and take its bounces",
        "variableDescription": "token1, token2, token3: of Easy DKIM; selector, publickey: of a DKIM key of"
        " your own; ownership: proof of the domain; mailfrom: subdomain for bounces; region: of the mail",
        # Links are not signed: the provider warns its user, and shows what will be published.
        "warnPhishing": True,
        "hostRequired": False,
        "records": [
            *(
                {
                    "groupId": "dkim",
                    "type": "CNAME",
                    "host": f"%token{number}%._domainkey",
                    "pointsTo": f"%token{number}%.dkim.{service_domain}",
                    "ttl": SUGGESTED_TTL,
                }
                for number in (1, 2, 3)
            ),
            {
                "groupId": "owndkim",
                "type": "TXT",
                "host": "%selector%._domainkey",
                "data": "p=%publickey%",
                "ttl": SUGGESTED_TTL,
                # A selector has one record: what is there is replaced.
                "txtConflictMatchingMode": "All",
            },
            {
                "groupId": "ownership",
                "type": "TXT",
                "host": "_amazonses",
                "data": "%ownership%",
                "ttl": SUGGESTED_TTL,
                # Another account or region may need its own beside it.
                "txtConflictMatchingMode": "None",
            },
            {
                "groupId": "mailfrom",
                "type": "MX",
                "host": "%mailfrom%",
                "pointsTo": feedback_host("%region%", service_domain),
                "priority": SUGGESTED_PREFERENCE,
                "ttl": SUGGESTED_TTL,
            },
            # Merged into the SPF record that is there, if one is.
            {
                "groupId": "mailfrom",
                "type": "SPFM",
                "host": "%mailfrom%",
                "spfRules": f"include:{service_domain}",
            },
        ],
    }


@dataclass(frozen=True, slots=True)
class ProviderOffer:
    """That the provider of a zone's DNS would publish records in it."""

    provider: Provider
    zone: str


def apply_url(
    offer: ProviderOffer,
    identity: Identity,
    token_set: TokenSet | None,
    service_domain: str,
    in_use: Collection[Purpose] = (),
) -> str | None:
    """Return the link under which the provider publishes the records of the identity.

    A provider removes what the records conflict with, so those for a purpose that is `in_use` are left out: a
    click takes nobody's mail server or key away. None where the template does not fit: an address, a key zone
    of before, nothing to publish.
    """
    zone = offer.zone
    if identity.kind is not IdentityKind.DOMAIN or not under(identity.name, zone):
        return None
    groups, variables = _values(identity, token_set, service_domain, in_use)
    if not groups:
        return None
    host = identity.name.removesuffix(zone).rstrip(".")
    place = {"domain": zone, **({"host": host} if host else {})}
    query = urlencode({**place, **variables, "groupId": ",".join(groups)}, quote_via=quote)
    return f"{offer.provider.apply_url}{template_path(service_domain)}/apply?{query}"


def _values(
    identity: Identity, token_set: TokenSet | None, service_domain: str, in_use: Collection[Purpose]
) -> tuple[list[str], dict[str, str]]:
    """Return the groups of the template that the identity needs, and the values of their variables."""
    groups: list[str] = []
    variables: dict[str, str] = {}
    if Purpose.DKIM in in_use:
        token_set = None
    if token_set is not None and token_set.kind is TokenSetKind.EXTERNAL:
        groups.append("owndkim")
        variables |= {"selector": token_set.tokens[0].lower(), "publickey": token_set.public_key}
    elif token_set is not None and token_set.zone == key_zone_of(service_domain):
        groups.append("dkim")
        variables |= {f"token{number}": token for number, token in enumerate(token_set.tokens, 1)}
    if identity.legacy_requested and Purpose.OWNERSHIP not in in_use:
        groups.append("ownership")
        variables["ownership"] = identity.legacy_token
    wanted = identity.mail_from_domain and Purpose.MAIL_FROM not in in_use
    if wanted and under(identity.mail_from_domain, identity.name):
        groups.append("mailfrom")
        variables["mailfrom"] = identity.mail_from_domain.removesuffix(f".{identity.name}")
        variables["region"] = identity.region
    return groups, variables
