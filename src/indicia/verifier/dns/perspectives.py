"""Several views of the DNS at once, each through resolvers of its own with no shared cache."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from indicia.domain.records.observation import Observation, Question, RecordType, Soa, soa_around
from indicia.domain.time import Instant
from indicia.verifier.dns.client import Budget, Client, Sockets, gather
from indicia.verifier.dns.resolver import CONTROL

_RESOLV_CONF = Path("/etc/resolv.conf")
_SYSTEM_DEFAULT = ("127.0.0.1", 53)  # resolv.conf(5): without a nameserver line, the one on this machine


@dataclass(frozen=True, slots=True)
class Perspective:
    """A named place to look from: its resolvers as (address, port), and whether their path is trusted."""

    name: str
    resolvers: tuple[tuple[str, int], ...]
    trusted: bool = False


class Perspectives:
    """All perspectives of an installation. Belongs to the event loop in which it is first used."""

    def __init__(
        self,
        perspectives: Sequence[Perspective],
        *,
        clock: Callable[[], Instant],
        control: Question | None = CONTROL,
        budget: Budget | None = None,
        sockets: Sockets | None = None,
    ) -> None:
        names = [each.name for each in perspectives]
        if not names or len(set(names)) != len(names):
            raise ValueError(f"perspectives need different names, and at least one: {names}")
        self.clients = tuple(
            Client(
                each.resolvers,
                each.name,
                clock=clock,
                trusted=each.trusted,
                control=control,
                budget=budget,
                sockets=sockets,
            )
            for each in perspectives
        )

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the perspectives, in the order of every tuple of observations."""
        return tuple(client.perspective for client in self.clients)

    async def observe(
        self, questions: Iterable[Question], within: float | None = None
    ) -> dict[Question, tuple[Observation, ...]]:
        """What every perspective sees, for each question, all asked side by side.

        Raises `TimeoutError` when that takes more than `within` seconds.
        """
        asked = list(dict.fromkeys(questions))
        seen = await gather([(client, question) for question in asked for client in self.clients], within)
        width = len(self.clients)
        if width == 1:
            return {question: (only,) for question, only in zip(asked, seen, strict=True)}
        return {question: tuple(seen[at * width : (at + 1) * width]) for at, question in enumerate(asked)}

    async def enclosing_zone(self, name: str) -> tuple[Soa | None, ...]:
        """The SOA of the zone that holds the name, as each perspective sees it; None where none does."""
        asked = [(client, name) for client in self.clients]
        found: dict[Client, Soa | None] = {}
        while asked:
            seen = await gather([(client, Question(at, RecordType.SOA)) for client, at in asked])
            walking: list[tuple[Client, str]] = []
            for (client, at), observation in zip(asked, seen, strict=True):
                found[client] = soa_around(at, observation)
                if found[client] is None and observation.reply.authoritative and at != ".":
                    walking.append((client, at.partition(".")[2] or "."))
            asked = walking
        return tuple(found[client] for client in self.clients)

    async def close(self) -> None:
        """End every client."""
        for client in self.clients:
            await client.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


def system_resolvers(path: Path = _RESOLV_CONF) -> Perspective:
    """The resolvers that this machine uses, as one perspective: what is asked when nothing is configured."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    words = [line.split() for line in lines]
    # resolv.conf(5): three at most. A scoped address (fe80::1%eth0) keeps its scope out of our hands.
    addresses = [
        each[1] for each in words if len(each) > 1 and each[0] == "nameserver" and "%" not in each[1]
    ]
    found = tuple((address, 53) for address in addresses[:3])
    return Perspective("system", found or (_SYSTEM_DEFAULT,))
