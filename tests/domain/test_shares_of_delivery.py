"""Whose deliveries begin: shares hold, whoever has least is next, and nobody who may begin is left out."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from indicia.domain.delivery import Flow, admit
from indicia.domain.fairness import Shares

PARTS = (1, 8, 4)
flows = st.lists(
    st.builds(
        lambda number, host, account, most: Flow((f"w{number}", host, account), (most, 99, 99)),
        st.integers(0, 99),
        st.sampled_from(["x", "y", "z", ""]),
        st.sampled_from("abcdef"),
        st.integers(1, 8),
    ),
    unique_by=lambda flow: flow.receiver,
    max_size=60,
)


@given(flows, st.integers(1, 64))
def test_no_receiver_no_host_and_no_account_has_more_than_its_share(found: list[Flow], room: int) -> None:
    """Whatever is due: a receiver its limit, a host an eighth, an account a quarter, all of them the room."""
    shares = Shares(room, PARTS)
    begun = {portion.flow: portion.items for portion in admit(found, shares)}

    assert sum(begun.values()) == shares.taken <= room
    assert all(items <= flow.limits[0] for flow, items in begun.items())
    for kind, part in ((1, 8), (2, 4)):
        of: Counter[str] = Counter()
        for flow, items in begun.items():
            of[flow.names[kind]] += items
        del of[""]
        assert all(items <= max(1, room // part) for items in of.values())


@given(flows, st.integers(1, 64))
def test_what_is_left_could_not_begin(found: list[Flow], room: int) -> None:
    """Nothing waits that still might begin, and a second look begins nothing."""
    shares = Shares(room, PARTS)
    admit(found, shares)

    assert admit(found, shares) == []
    assert not any(shares.take(flow.names, flow.limits) for flow in found)


@given(st.integers(1, 200), st.integers(1, 40))
def test_an_account_with_many_receivers_has_no_more_turns(many: int, others: int) -> None:
    """Whoever has one receiver is served as early as who has hundreds, all of which come first."""
    greedy = [Flow((f"g{number}", f"h{number}", "greedy"), (8, 99, 99)) for number in range(many)]
    modest = [Flow((f"m{number}", f"n{number}", f"m{number}"), (8, 99, 99)) for number in range(others)]
    shares = Shares(64, PARTS)
    begun: Counter[str] = Counter()
    for portion in admit([*greedy, *modest], shares):
        begun[portion.flow.names[2]] += portion.items

    assert all(begun[flow.names[2]] >= 1 for flow in modest)
    assert begun["greedy"] <= 16


def test_one_that_is_tried_has_one_in_hand() -> None:
    """A limit of one on what several receivers share lets one of them begin, and the rest not."""
    probed = [Flow((f"w{number}", "x", "a"), (4, 1, 99)) for number in range(5)]
    shares = Shares(64, PARTS)

    assert [(portion.flow.receiver, portion.items) for portion in admit(probed, shares)] == [("w0", 1)]
    assert admit(probed, shares) == []
    shares.give(probed[0].names)
    assert len(admit(probed, shares)) == 1
