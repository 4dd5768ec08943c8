"""An HTTP client for places that tenants named: it posts a message and reads a status, or gets an answer.

A name is resolved once, every address is judged, and the connection goes to an address that was judged: a
name that answers otherwise a moment later gains nothing (DNS rebinding). Redirects are not followed: they
would lead to places that nobody judged. Time and size are bounded.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from indicia.domain.address_space import is_public, unmapped
from indicia.outbound.names import NotResolvedError, permitted

if TYPE_CHECKING:
    import h11

_HEAD_AT_MOST: Final = 16 * 1024
_BODY_AT_MOST: Final = 64 * 1024
_READ: Final = 16 * 1024


class Destination(Protocol):
    """Where to post to."""

    @property
    def secure(self) -> bool:
        """Whether over TLS."""

    @property
    def host(self) -> str:
        """A name or an address, without brackets."""

    @property
    def port(self) -> int:
        """The port."""

    @property
    def path(self) -> str:
        """Path and query."""

    @property
    def authority(self) -> str:
        """The value of the Host header."""


class Resolves(Protocol):
    """What makes addresses of a name."""

    async def addresses(self, host: str) -> tuple[str, ...]:
        """Return every address of the host. Raises: `NotResolvedError`."""


class PostError(Exception):
    """A request that was not answered. The sentence is for whoever named the place: it holds no secret."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a connection, and the whole of an exchange, may take (seconds of real time)."""

    connect: float = 5.0
    whole: float = 15.0


class OutboundClient:
    """Posts messages, and gets answers. `may_reach` says of an address whether a tenant may lead us there.

    What is sent without TLS goes to private places only, which the operator has allowed by name.
    """

    def __init__(
        self,
        names: Resolves,
        may_reach: Callable[[str], bool],
        *,
        user_agent: str,
        context: ssl.SSLContext | None = None,
        patience: Patience = Patience(),
    ) -> None:
        self._names = names
        self._may_reach = may_reach
        self._user_agent = user_agent
        self._context = context
        self._patience = patience

    async def post(self, place: Destination, headers: Mapping[str, str], body: bytes) -> int:
        """Return the status of the answer, whatever it is.

        Raises: `PostError` where there is none.
        """
        length = str(len(body))
        fields = [("Content-Type", "application/json"), ("Content-Length", length), *headers.items()]
        status, _ = await self._exchanged(place, self._head("POST", place, fields), body)
        return status

    async def get(self, place: Destination) -> tuple[int, bytes]:
        """Return status and body of the answer. Raises: `PostError` where there is none."""
        return await self._exchanged(place, self._head("GET", place, [("Accept", "application/json")]), b"")

    async def _exchanged(self, place: Destination, head: h11.Request, body: bytes) -> tuple[int, bytes]:
        import h11

        try:
            async with asyncio.timeout(self._patience.whole):
                return await self._exchange(place, head, body)
        except TimeoutError:
            raise PostError(f"no answer within {self._patience.whole:g} s") from None
        except NotResolvedError as error:
            raise PostError(str(error)) from None
        except ssl.SSLCertVerificationError as error:
            raise PostError(f"the certificate is refused: {error.verify_message}") from None
        except (h11.RemoteProtocolError, ssl.SSLError, asyncio.IncompleteReadError) as error:
            raise PostError(f"the answer cannot be read: {type(error).__name__}") from None
        except OSError as error:
            raise PostError(f"no connection: {error.strerror or type(error).__name__}") from None

    async def _exchange(self, place: Destination, head: h11.Request, body: bytes) -> tuple[int, bytes]:
        reader, writer = await self._connect(place)
        try:
            return await _exchange(reader, writer, head, body)
        finally:
            writer.close()
            with contextlib.suppress(OSError, TimeoutError):
                async with asyncio.timeout(1):
                    await writer.wait_closed()

    async def _connect(self, place: Destination) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        addresses = await self._reachable(place)
        failure: OSError | None = None
        for address in addresses:
            # By address: nothing is resolved a second time. The certificate is checked against the name.
            connecting = asyncio.open_connection(
                address,
                place.port,
                limit=_HEAD_AT_MOST,
                ssl=self._tls() if place.secure else None,
                server_hostname=place.host if place.secure else None,
            )
            try:
                async with asyncio.timeout(self._patience.connect):
                    return await connecting
            except ssl.SSLError:
                raise
            except TimeoutError:
                failure = OSError(None, f"none within {self._patience.connect:g} s")
            except OSError as error:
                failure = error
        assert failure is not None
        raise failure

    async def _reachable(self, place: Destination) -> tuple[str, ...]:
        found = await self._names.addresses(place.host)
        addresses = permitted(found, self._may_reach)
        if not place.secure:
            addresses = tuple(each for each in addresses if not is_public(unmapped(each)))
        if not addresses:
            raise PostError(f"{place.host} leads to no place that this service may reach")
        return addresses

    def _tls(self) -> ssl.SSLContext:
        if self._context is None:
            self._context = ssl.create_default_context()
        return self._context

    def _head(self, method: str, place: Destination, fields: Sequence[tuple[str, str]]) -> h11.Request:
        import h11  # when something is sent: no start waits for it

        return h11.Request(
            method=method,
            target=place.path,
            headers=[
                ("Host", place.authority),
                ("User-Agent", self._user_agent),
                ("Connection", "close"),
                *fields,
            ],
        )


async def _exchange(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: h11.Request, body: bytes
) -> tuple[int, bytes]:
    """Send the request and return status and body of its answer, which is read as far as it is bounded."""
    import h11

    connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=_HEAD_AT_MOST)
    parts = (head, h11.Data(data=body), h11.EndOfMessage())
    writer.write(b"".join(connection.send(part) or b"" for part in parts))
    # A server may answer, and close, before it has read everything.
    with contextlib.suppress(ConnectionError):
        await writer.drain()
    status, answer = 0, bytearray()
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            connection.receive_data(await reader.read(_READ))
        elif isinstance(event, h11.Response):
            status = event.status_code
        elif isinstance(event, h11.Data):
            answer += event.data
            if len(answer) > _BODY_AT_MOST:
                raise PostError("the answer is too long")
        elif not isinstance(event, h11.InformationalResponse):
            return status, bytes(answer)
