"""Handing a letter to somebody else: the port, and the ways in which it fails.

What is refused for good is told from what may work later, since only the latter is tried again; and trouble
with a letter from that with whoever should take it, which is the trouble of all of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from indicia.mail.message.compose import Letter


class DeliveryError(Exception):
    """A letter was not taken. The sentence is for the operator: it holds no password, no link."""


class TemporaryDeliveryError(DeliveryError):
    """It may be taken later: try again."""


class UnavailableError(TemporaryDeliveryError):
    """Nobody is there to take any letter, whatever it is: it says nothing of this one."""


class PermanentDeliveryError(DeliveryError):
    """It will never be taken: do not try again."""


class Carrier(Protocol):
    """What hands letters over. Used from one event loop; several letters at once are fine."""

    async def deliver(self, letter: Letter) -> None:
        """Return once somebody else is answerable for the letter.

        Raises: `UnavailableError`, `TemporaryDeliveryError` or `PermanentDeliveryError`.
        """

    async def close(self) -> None:
        """Let go of what is held open."""
