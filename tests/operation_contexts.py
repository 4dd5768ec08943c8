"""What handlers are given in tests: the rules of every day, and ports that lead nowhere."""

from __future__ import annotations

import secrets
from dataclasses import replace
from typing import Any

from correspondence import mails

from indicia.domain.proofs.transitions import Windows
from indicia.domain.time import DAY, HOUR, MINUTE, SECOND
from indicia.operations.context import OperationContext, OperationPorts, OperationRules
from indicia.operations.hints import Hints
from indicia.publicsuffix import PublicSuffixes, to_ascii
from indicia.vault.keyring import Keyring

SERVICE_DOMAIN = "mail.example.org"
PUBLIC_SUFFIXES = PublicSuffixes()
REGIONS = frozenset({"eu-west-1", "us-east-1", "us-west-2"})


def made_context(keyring: Keyring, hints: Hints, **rules: Any) -> OperationContext:
    """Return a context with these hints, and `rules` that differ from those of every day."""
    plain = OperationContext(
        OperationRules(
            service_domain=SERVICE_DOMAIN,
            windows=Windows(records=72 * HOUR, link=DAY, corroborate=15 * MINUTE),
            first_check=10 * SECOND,
            regions=REGIONS,
        ),
        OperationPorts(
            keyring=keyring,
            random=secrets.token_bytes,
            is_public_suffix=PUBLIC_SUFFIXES,
            to_ascii=to_ascii,
            mails=mails(keyring=keyring, public_url="http://127.0.0.1:8465"),
        ),
        hints,
    )
    return with_rules(plain, **rules)


def with_ports(context: OperationContext, **ports: Any) -> OperationContext:
    """Return the context with these ports in the place of its own."""
    return replace(context, ports=replace(context.ports, **ports))


def with_rules(context: OperationContext, **rules: Any) -> OperationContext:
    """Return the context with these rules in the place of its own."""
    return replace(context, rules=replace(context.rules, **rules))
