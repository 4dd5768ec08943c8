"""The bodies of our own calls, read once: what is wrong with one is said in a sentence."""

from __future__ import annotations

import msgspec
import pytest

from indicia.domain.faults import Fault, FaultKind
from indicia.wire.own import Asked


class Wanted(msgspec.Struct, forbid_unknown_fields=True):
    """A shape."""

    name: str


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"", "This call takes a body, a JSON object, and there is none."),
        (b" \r\n", "This call takes a body, a JSON object, and there is none."),
        (b'{"name"', "The body is not what this call takes: Input data was truncated."),
        (b'{"name": 1}', "The body is not what this call takes: Expected `str`, got `int` - at `$.name`."),
        (b"{}", "The body is not what this call takes: Object missing required field `name`."),
        (b'{"name": "\xff"}', "The body is not JSON."),
        (b"[1]", "The body is not what this call takes: Expected `object`, got `array`."),
    ],
)
def test_a_body_that_cannot_be_taken(body: bytes, told: str) -> None:
    """Absent, broken and of another shape are three things, and no mistake of ours."""
    with pytest.raises(Fault) as caught:
        Asked({}, {}, body).read(Wanted)

    assert (caught.value.kind, caught.value.message) == (FaultKind.INVALID_PARAMETER, told)


def test_a_body_is_read() -> None:
    """It becomes the value that the call takes."""
    assert Asked({}, {}, b'{"name": "x"}').read(Wanted) == Wanted("x")
