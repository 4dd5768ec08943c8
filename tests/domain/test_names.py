"""Which text is an identity, and under which name it is kept."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from indicia.domain.faults import Fault, FaultKind
from indicia.domain.identities.identity import IdentityKind
from indicia.domain.names import fold, parents, parse_domain, parse_identity, refuse_reserved, under


@pytest.mark.parametrize(
    ("text", "kind", "kept"),
    [
        ("example.com", IdentityKind.DOMAIN, "example.com"),
        ("EXAMple.Com", IdentityKind.DOMAIN, "example.com"),
        ("xn--bcher-kva.example", IdentityKind.DOMAIN, "xn--bcher-kva.example"),
        ("_dmarc.example.com", IdentityKind.DOMAIN, "_dmarc.example.com"),
        ("a" * 63 + ".example", IdentityKind.DOMAIN, "a" * 63 + ".example"),
        ("Ann@Example.com", IdentityKind.EMAIL_ADDRESS, "Ann@Example.com"),
        ("a@b", IdentityKind.EMAIL_ADDRESS, "a@b"),
        ('"a@b"@example.com', IdentityKind.EMAIL_ADDRESS, '"a@b"@example.com'),
        ("user+tag@example.com", IdentityKind.EMAIL_ADDRESS, "user+tag@example.com"),
    ],
)
def test_names_and_how_they_are_kept(text: str, kind: IdentityKind, kept: str) -> None:
    """Domains fold to lower case; addresses are kept as they were written."""
    name = parse_identity(text)

    assert (kind, kept) == (name.kind, name.text)
    assert kept == fold(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("foo.example.com.", "Invalid domain name foo.example.com.."),
        ("localhost", "Invalid domain name localhost. A domain has at least two labels."),
        ("", "Invalid domain name ."),
        ("-a.example", "Invalid domain name -a.example."),
        (
            f"{'x.' * 124}example",
            (
                f"Invalid domain name {'x.' * 50}... (155 more characters). It is 255 octets long; a name in"
                " the DNS has 253 at most."
            ),
        ),
        ("a-.example", "Invalid domain name a-.example."),
        ("a..example", "Invalid domain name a..example."),
        ("192.0.2.1", "Invalid domain name 192.0.2.1."),
        ("a b.example", "Invalid domain name a b.example."),
        ("x" * 64 + ".example", f"Invalid domain name {'x' * 64}.example."),
        ("bücher.example", "Invalid domain name bücher.example. Use its ASCII form xn--bcher-kva.example."),
        ("\u212a.example", "Invalid domain name \u212a.example. Use its ASCII form k.example."),
        ("@example.com", "Invalid email address<@example.com>."),
        ("ann@", "Invalid email address<ann@>."),
        ("ann@b@example.com", "Invalid email address<ann@b@example.com>."),
        ("ann smith@example.com", "Invalid email address<ann smith@example.com>."),
        ("ann\r\n@example.com", "Invalid email address<ann\r\n@example.com>."),
        ("änn@example.com", "Invalid email address<änn@example.com>."),
        ("a@exa_mple..com", "Invalid email address<a@exa_mple..com>."),
    ],
)
def test_what_is_refused_and_why(text: str, message: str) -> None:
    """What is neither a domain nor an address is refused in the vendor's words, with advice."""
    with pytest.raises(Fault) as refused:
        parse_identity(text, lambda name: name.encode("idna").decode() if name else None)

    assert (FaultKind.INVALID_PARAMETER, message) == (refused.value.kind, refused.value.message)


@given(st.text(max_size=300))
@example("\u212a.example")
def test_any_text_is_a_name_or_a_refusal(text: str) -> None:
    """No text does anything but parse or be refused; a parsed name parses to itself, and is found again."""
    try:
        name = parse_identity(text)
    except Fault as fault:
        refused = fault.kind
    else:
        assert name == parse_identity(name.text)
        assert fold(text) == name.text
        return
    assert refused is FaultKind.INVALID_PARAMETER


def test_parents_come_the_most_specific_first() -> None:
    """The exact domain, then each parent with at least two labels."""
    assert ["a.b.example.com", "b.example.com", "example.com"] == list(parents("a.b.example.com"))


@pytest.mark.parametrize("text", ["co.uk", "dkim.mail.example", "mail.example"])
def test_what_nobody_can_own_alone_is_refused(text: str) -> None:
    """Public suffixes and the service's own names are refused to everybody."""
    with pytest.raises(Fault):
        refuse_reserved(parse_domain(text), "mail.example", lambda name: name == "co.uk")


def test_a_suffix_is_whole_labels() -> None:
    """A name that merely ends in the same letters is not under the zone."""
    assert not under("notmail.example", "mail.example")
