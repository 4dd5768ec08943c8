"""Settings that are well-formed each for itself and may not fit together, compared once all are read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from indicia.domain.names import MAX_DOMAIN
from indicia.domain.records.expected import feedback_host

if TYPE_CHECKING:
    from indicia.settings.replication_peers import Elsewhere, Offered
    from indicia.settings.setting import Values


def go_together(one: str, other: str, values: Values) -> None:
    """Refuse one of two settings without the other."""
    for name, missing in ((one, other), (other, one)):
        if values[name] is not None and values[missing] is None:
            values.refuse(name, f"goes with {values.variable(missing)}, which is not set")


def quorum_decides(values: Values) -> None:
    """Two halves must not decide differently: more than half must agree, and no more than there are."""
    count, quorum = max(1, len(values["resolvers"])), values["quorum"]
    if quorum * 2 <= count:
        values.refuse("quorum", f"{quorum} is not more than half of {count} perspectives")
    if quorum > count:
        plural = "perspective" if count == 1 else "perspectives"
        values.refuse("quorum", f"{quorum} cannot agree, INDICIA_RESOLVERS has {count} {plural}")


def intervals_grow(values: Values) -> None:
    """The first interval between checks is not longer than the largest."""
    if values["check_min"] > values["check_max"]:
        first, largest = values.shown("check_min"), values.shown("check_max")
        values.refuse(
            "check_min" if values.is_set("check_min") else "check_max",
            f"the first interval {first} exceeds the largest, {largest}",
        )


def served_once(values: Values) -> None:
    """Another installation serves none of the regions that are served here."""
    found: tuple[Elsewhere, ...] = values["replication"]
    for each in found:
        if each.region in values["regions"]:
            values.refuse(
                "replication",
                f"{each.region} is served here; leave it out of {values.variable('regions')} or of"
                " [replication]",
            )


def offered_elsewhere(values: Values) -> None:
    """Keys leave for regions only that are served elsewhere."""
    found: tuple[Offered, ...] = values["replication_offers"]
    for each in found:
        if each.region in values["regions"]:
            values.refuse(
                "replication_offers",
                f"{each.region} is served here, where replicas need no offer; leave {each} out",
            )


def bounces_have_room(values: Values) -> None:
    """The MX of a MAIL FROM domain has to lead somewhere, in each region."""
    longest = feedback_host(max(values["regions"], key=len), values["service_domain"])
    if len(longest) > MAX_DOMAIN:
        values.refuse(
            "regions",
            f"{longest}, where bounces go, is {len(longest)} octets long, and names in the DNS have"
            f" {MAX_DOMAIN} at most; a shorter {values.variable('service_domain')} or region leaves room",
        )
