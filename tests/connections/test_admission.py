"""Who may stay connected: rooms, shares, and who goes when others want to come."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indicia.connections.admission import AdmittedConnection, ConnectionAdmission
from indicia.connections.limits import Room, plan
from indicia.connections.process import ProcessConnections


class Client:
    """Somebody who is connected, and may be idle."""

    def __init__(
        self, admission: ConnectionAdmission, address: str = "192.0.2.1", *, idle: bool = True
    ) -> None:
        self.idle = idle
        self.ended = False
        self.place: AdmittedConnection | None = admission.admit(address)
        if self.place is not None:
            self.place.holder = self

    @property
    def connected(self) -> bool:
        """Whether it was let in and still is."""
        return self.place is not None and not self.ended

    def is_expendable(self) -> bool:
        """Whether it may go."""
        return self.idle

    def abort(self) -> None:
        """It has to go."""
        assert not self.ended
        self.ended = True

    def leave(self) -> None:
        """It goes by itself."""
        assert self.place is not None
        self.ended = True
        self.place.leave()


def test_the_longest_idle_one_of_a_client_makes_room() -> None:
    """At its share a client pushes out its own, in the order in which they came, and nobody else's."""
    admission = ConnectionAdmission(Room(100, 2))
    other = Client(admission, "192.0.2.9")
    first, second = Client(admission), Client(admission)
    third = Client(admission)
    assert (first.connected, second.connected, third.connected, other.connected) == (False, True, True, True)
    assert (len(admission), admission.evicted, admission.refused_client) == (3, 1, 0)


def test_who_is_answered_stays() -> None:
    """A client whose connections are all in use is turned away, and comes in when one of them goes."""
    admission = ConnectionAdmission(Room(100, 2))
    first, second = Client(admission, idle=False), Client(admission, idle=False)
    assert not Client(admission).connected
    assert admission.refused_client == 1
    assert Client(admission, "192.0.2.2").connected
    first.leave()
    assert Client(admission, idle=False).connected
    second.idle = True
    assert Client(admission).connected
    assert not second.connected


def test_a_process_that_is_full() -> None:
    """Whoever is idle makes room for anybody; where nobody is, nobody comes in."""
    admission = ConnectionAdmission(Room(3, 3))
    busy = [Client(admission, f"192.0.2.{n}", idle=False) for n in (1, 2)]
    idle = Client(admission, "192.0.2.3")
    assert Client(admission, "192.0.2.4", idle=False).connected
    assert not idle.connected
    assert not Client(admission, "192.0.2.5").connected
    assert all(each.connected for each in busy)
    assert (admission.evicted, admission.refused_process, admission.refused_client) == (1, 1, 0)


def test_who_stands_for_many_has_no_share() -> None:
    """A trusted proxy has as many connections as there are."""
    admission = ConnectionAdmission(Room(10, 2), exempt=lambda address: address == "10.0.0.1")
    assert all(Client(admission, "10.0.0.1", idle=False).connected for _ in range(10))
    assert not Client(admission, "10.0.0.1", idle=False).connected
    assert (admission.refused_client, admission.refused_process) == (0, 1)


def test_a_site_is_one_client() -> None:
    """However many addresses of IPv6 it has."""
    admission = ConnectionAdmission(Room(10, 2))
    clients = [Client(admission, f"2001:db8::{n:x}:1", idle=False) for n in range(3)]
    assert [each.connected for each in clients] == [True, True, False]


def test_many_who_are_busy_hide_no_idle_one() -> None:
    """Only some are asked each time, and others the next time: an idle one is found in the end."""
    admission = ConnectionAdmission(Room(1000, 1000))
    clients = [Client(admission, f"192.0.2.{n % 200}", idle=n == 500) for n in range(1000)]
    tries = 0
    while not Client(admission, "198.51.100.1").connected:
        tries += 1
    assert tries < 1000
    assert not clients[500].connected


def test_what_can_go_is_shed() -> None:
    """As many as are wanted, or as there are."""
    admission = ConnectionAdmission(Room(10, 10))
    clients = [Client(admission, idle=n % 2 == 0) for n in range(6)]
    assert admission.shed(2) == 2
    assert admission.shed(9) == 1
    assert [each.connected for each in clients] == [False, True] * 3


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("come"), st.integers(1, 4), st.booleans()),
            st.tuples(st.sampled_from(["leave", "use", "rest"]), st.integers(0, 30), st.booleans()),
        ),
        max_size=80,
    )
)
def test_rooms_are_kept_whatever_happens(steps: list[tuple[str, int, bool]]) -> None:
    """Never more than there is room for; nobody who is busy is ended; what is counted is what is there."""
    admission = ConnectionAdmission(Room(8, 3))
    clients: list[Client] = []
    addresses: list[str] = []
    for step, which, idle in steps:
        if step == "come":
            busy = [each for each in clients if each.connected and not each.idle]
            addresses.append(f"192.0.2.{which}")
            clients.append(Client(admission, addresses[-1], idle=idle))
            assert all(each.connected for each in busy)
        elif which < len(clients) and clients[which].connected:
            if step == "leave":
                clients[which].leave()
            else:
                clients[which].idle = step == "rest"
        connected = [address for each, address in zip(clients, addresses, strict=True) if each.connected]
        assert len(admission) == len(connected) <= 8
        assert all(connected.count(address) <= 3 for address in connected)
    for each in clients:
        if each.connected:
            each.leave()
    assert len(admission) == 0
    assert admission._of == {}


@pytest.mark.parametrize("files", [*range(0, 200, 7), 256, 1024, 4096, 20_000, 1 << 20])
def test_files_are_divided(files: int) -> None:
    """Every listener has some, the process keeps its own, and one client has no more than half."""
    rooms = plan(files)
    together = sum(room.most for room in rooms)
    assert together <= max(24, files - max(64, files // 4))
    assert all(room.most >= 4 for room in rooms)
    assert rooms.http.of_one == rooms.http.most // 2
    assert rooms.dns.of_one <= max(4, rooms.dns.most // 2)


def test_a_usual_limit_has_room_for_hundreds() -> None:
    """1,024 files, the default of most systems; many more of them cost no more memory."""
    assert plan(1024).http.most > 500
    assert plan(1 << 20) == plan(20_000)


def test_without_files_idle_connections_go() -> None:
    """Those of the API and of the key zone, not those of whoever looks how it is."""
    connections = ProcessConnections(1024)
    clients = {name: Client(each) for name, each in connections.by_listener().items()}
    connections.exhausted()
    assert {name: each.connected for name, each in clients.items()} == {
        "http": False,
        "admin": True,
        "dns": False,
    }
