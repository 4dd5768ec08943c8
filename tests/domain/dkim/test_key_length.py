"""When the length of the Easy DKIM key may be changed."""

import pytest

from indicia.domain.dkim.key_length import check_change
from indicia.domain.faults import Fault
from indicia.domain.identities.identity import KeyLength
from indicia.domain.time import DAY

SHORT, LONG = KeyLength.RSA_1024_BIT, KeyLength.RSA_2048_BIT


def allowed(configured: KeyLength, wanted: KeyLength, age: int) -> bool:
    """Whether a key of that age may be followed by one of the wanted length."""
    try:
        check_change(configured, wanted, chosen_at=1000, now=1000 + age, shown_as="then")
    except Fault:
        return False
    return True


@pytest.mark.parametrize(
    ("configured", "wanted", "age", "may"),
    [
        (LONG, SHORT, 0, True),
        (SHORT, LONG, 0, False),
        (SHORT, LONG, DAY - 1, False),
        (SHORT, LONG, DAY, True),
        (LONG, LONG, 9 * DAY, False),
        (SHORT, SHORT, 9 * DAY, False),
    ],
)
def test_the_rule(configured: KeyLength, wanted: KeyLength, age: int, may: bool) -> None:
    """Up once a day, down at once, never to what is configured."""
    assert allowed(configured, wanted, age) is may


def test_no_day_holds_two_steps_down() -> None:
    """A second step down needs a step up between, and that waits for the day to end."""
    assert allowed(LONG, SHORT, 0)
    assert not allowed(SHORT, LONG, DAY - 1)
