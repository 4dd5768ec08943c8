"""A user's tests as a type checker sees them: never run, checked by mypy in `tests/testing/test_types.py`.

Each `type: ignore` is a mistake that has to be found: mypy complains of one that it does not need.
"""

import datetime as dt
from typing import Any, assert_type

from indicia.testing import Mail, Sandbox


def test_a_domain_is_proved(indicia: Sandbox) -> None:
    """What a test steers takes and gives plain types."""
    assert_type(indicia.url, str)
    assert_type(indicia.dns, str)
    assert_type(indicia.environment, dict[str, str])
    assert_type(indicia.client("sesv2"), Any)
    indicia.publish("shop.example", only="dkim", broken="WRONG_TARGET")
    assert_type(indicia.withdraw("shop.example"), int)
    indicia.put("mail.shop.example", "MX", ["10 mx.shop.example"])
    indicia.put("mail.shop.example", "TXT", "v=spf1 -all")
    assert_type(indicia.diagnosis("shop.example"), dict[str, Any])
    assert_type(indicia.now, dt.datetime)
    assert_type(indicia.advance("72h"), dt.datetime)
    indicia.reset()


def links_of(indicia: Sandbox) -> list[str]:
    """What a test reads has plain types."""
    assert_type(indicia.outbox, list[Mail])
    mail = indicia.outbox[-1]
    assert_type(mail.to, tuple[str, ...])
    assert_type(mail.subject, str)
    assert_type(mail.links, tuple[str, ...])
    assert_type(indicia.follow(mail.links[0]), int)
    return list(mail.links)


def mistaken(indicia: Sandbox) -> None:
    """What cannot be right is found before it runs."""
    indicia.publish("shop.example", "dkim")  # type: ignore[call-arg]
    indicia.publish(b"shop.example")  # type: ignore[arg-type]
    indicia.put("mail.shop.example", "MX", 10)  # type: ignore[arg-type]
    indicia.advance(dt.timedelta(hours=72))  # type: ignore[arg-type]
    indicia.outbox()  # type: ignore[operator]
    indicia.outbox[0].cc = ()  # type: ignore[attr-defined]
    indicia.outbox[0].subject = "another"  # type: ignore[misc]
