"""The ids of messages."""

import re

import pytest

from indicia.domain.sending.message_id import make_message_id, region_code


def test_an_id_tells_region_and_moment() -> None:
    """As a decoded sample has it: us-east-1, 2021-11-12T13:53:40.393Z."""
    made = make_message_id("us-east-1", 1_636_725_220_393, bytes(range(16)))

    assert made.startswith("0100017d146ce429-")
    assert re.fullmatch(
        r"[0-9a-f]{16}-[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}-000000", made
    )


@pytest.mark.parametrize(("region", "code"), [("eu-west-1", 0x0102), ("eu-west-3", 0x0113)])
def test_known_regions_have_their_codes(region: str, code: int) -> None:
    """The codes seen in archives."""
    assert region_code(region) == code


@pytest.mark.parametrize("region", ["af-south-1", "my-rack", "x"])
def test_other_regions_have_stable_codes_of_their_own(region: str) -> None:
    """Four digits, never one of the vendor's."""
    assert region_code(region) == region_code(region)
    assert 0x0200 <= region_code(region) <= 0xFFFF
