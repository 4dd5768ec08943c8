"""The public suffix list as a predicate, and internationalised names in ASCII: two libraries, one place."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import idna

if TYPE_CHECKING:
    from publicsuffixlist import PublicSuffixList


class PublicSuffixes:
    """Says whether others register domains directly below a name. The list is read at the first question."""

    @cached_property
    def _list(self) -> PublicSuffixList:
        from publicsuffixlist import PublicSuffixList  # 10,000 rules that many never need

        # A suffix nobody listed is one label long (publicsuffix.org, "the prevailing rule is *").
        return PublicSuffixList(accept_unknown=True)

    def top(self, domain: str) -> str | None:
        """Return the top-level domain that the domain is under, None where the root of the DNS has no such.

        The list has all of the root's, and one that RFC 7686 keeps out of the DNS.
        """
        label = domain.rpartition(".")[2]
        listed = self._list.publicsuffix(label, accept_unknown=False)
        return None if listed is None or label == "onion" else label

    def __call__(self, domain: str) -> bool:
        """Return True for a public suffix, in lower case."""
        return bool(self._list.is_public(domain))

    def registrable(self, domain: str) -> str:
        """Return the domain under the public suffix, or the name itself where it is a suffix."""
        return self._list.privatesuffix(domain) or domain


def to_ascii(domain: str) -> str | None:
    """Return an internationalised domain in its A-label form (RFC 5891); None when it has none."""
    try:
        return idna.encode(domain, uts46=True).decode("ascii")
    except idna.IDNAError:
        return None
