"""The relay `smtp://`, `smtp+starttls://` or `smtps://`: a mail server of the operator's.

The mail server's queue is the queue: a letter is delivered when it has answered 250 to the whole of it.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from typing import TYPE_CHECKING, Final

from indicia.mail.transport.carrier import (
    Carrier,
    DeliveryError,
    PermanentDeliveryError,
    TemporaryDeliveryError,
    UnavailableError,
)
from indicia.mail.transport.maildir import Maildir
from indicia.settings.urls import RelayKind

if TYPE_CHECKING:
    from pathlib import Path

    import aiosmtplib

    from indicia.mail.message.compose import Letter
    from indicia.settings.urls import Relay

COMMAND_WITHIN: Final = 30.0  # seconds for one answer
HANDOVER_WITHIN: Final = 120.0  # seconds for a whole conversation; leases are longer
_REPLY_AT_MOST: Final = 200
# A filter that dislikes a mail may quote the link in its refusal; a link opens a door and is in no log.
_LINK = re.compile(r"[A-Za-z0-9_-]{40,}")
# RFC 3463 §3.8, "security or policy", said of a recipient: relaying denied, not logged in, not on the list.
_OUR_STANDING = re.compile(r"\s*5\.7\.")


def carrier_for(relay: Relay, *, outbox: Path, helo: str) -> Carrier:
    """Return what hands letters to the relay of the settings: a Maildir at `outbox`, or SMTP as `helo`."""
    return Maildir(outbox) if relay.kind is RelayKind.OUTBOX else SmtpCarrier(relay, helo=helo)


class SmtpCarrier:
    """Hands letters to a mail server, one conversation a letter.

    `helo` is the name this side gives (RFC 5321 §4.1.1.1). `tls` verifies the server's certificate unless it
    is told otherwise.
    """

    def __init__(self, relay: Relay, *, helo: str, tls: ssl.SSLContext | None = None) -> None:
        if relay.address is None:
            raise ValueError("an SMTP relay has an address")
        self._relay = relay
        self._host, self._port = relay.address.host, relay.address.port
        self._helo = helo
        encrypts = relay.kind is not RelayKind.SMTP
        self._tls = (tls or ssl.create_default_context()) if encrypts else None

    def __repr__(self) -> str:
        return f"<SmtpCarrier {self._relay}>"

    async def deliver(self, letter: Letter) -> None:
        """Return once the server has answered 250 to the letter.

        A refusal is the letter's own, and for good, only when the server has let us in and then said 5xx to
        the recipient or to the mail. "Relaying denied" is trouble that a person will mend, and the letter
        waits; so does one in the middle of which the server is lost. What goes wrong before the recipient
        is named says nothing of this letter: the network, the server's certificate, the login, the sender.

        Raises: `UnavailableError`, `TemporaryDeliveryError` or `PermanentDeliveryError`.
        """
        import aiosmtplib  # where mail goes to a server: most sandboxes have none

        let_in = False
        try:
            async with asyncio.timeout(HANDOVER_WITHIN):
                client = self._client()
                try:
                    await client.connect()
                    let_in = True
                    await client.sendmail(letter.sender, [letter.recipient], letter.message)
                finally:
                    await _leave(client)
        except aiosmtplib.SMTPRecipientsRefused as refused:
            raise _recipient_refused(refused.recipients[0]) from None
        except aiosmtplib.SMTPDataError as refused:
            raise _failure("refuses the mail", refused.code, refused.message) from None
        except aiosmtplib.SMTPResponseException as refused:
            reply = f"{refused.code} {_quotable(refused.message)}"
            raise UnavailableError(f"{self._where()} does not let us in: {reply}") from None
        except (aiosmtplib.SMTPException, OSError, TimeoutError, ValueError) as trouble:
            # The text of a library's error could hold anything; its kind says enough.
            failure = TemporaryDeliveryError if let_in else UnavailableError
            raise failure(f"{self._where()} cannot be used: {_kind(trouble)}") from None

    async def close(self) -> None:
        """There is nothing to let go of: no conversation outlives its letter."""

    def _client(self) -> aiosmtplib.SMTP:
        import aiosmtplib

        return aiosmtplib.SMTP(
            hostname=self._host,
            port=self._port,
            local_hostname=self._helo,
            username=self._relay.user,
            password=self._relay.password,
            use_tls=self._relay.kind is RelayKind.SMTPS,
            # RFC 3207 §5: with STARTTLS in the setting, a server that does not offer it gets no mail.
            start_tls=self._relay.kind is RelayKind.STARTTLS,
            tls_context=self._tls,
            timeout=COMMAND_WITHIN,
        )

    def _where(self) -> str:
        return f"the relay {self._relay.kind.value}://{self._relay.address}"


async def _leave(client: aiosmtplib.SMTP) -> None:
    """Say goodbye. How the server takes it changes nothing about the letter."""
    import aiosmtplib

    try:
        await client.quit(timeout=COMMAND_WITHIN / 10)
    except (aiosmtplib.SMTPException, OSError):
        client.close()


def _recipient_refused(refused: aiosmtplib.SMTPRecipientRefused) -> DeliveryError:
    if refused.code == 530 or _OUR_STANDING.match(refused.message):  # RFC 4954 §6: authentication required
        reply = f"{refused.code} {_quotable(refused.message)}"
        return TemporaryDeliveryError(f"the relay does not relay for us: {reply}")
    return _failure("refuses the recipient", refused.code, refused.message)


def _failure(what: str, code: int, reply: str) -> DeliveryError:
    permanent = 500 <= code < 600  # RFC 5321 §4.2.1
    sentence = f"the relay {what}: {code} {_quotable(reply)}"
    return PermanentDeliveryError(sentence) if permanent else TemporaryDeliveryError(sentence)


def _quotable(reply: str) -> str:
    one_line = " ".join(reply.split())
    plain = "".join(character if character.isprintable() else "?" for character in one_line)
    return _LINK.sub("[...]", plain)[:_REPLY_AT_MOST]


def _kind(trouble: BaseException) -> str:
    if isinstance(trouble, ssl.SSLCertVerificationError):
        return f"its certificate does not verify ({trouble.verify_message})"
    if isinstance(trouble, OSError) and trouble.strerror:
        return trouble.strerror
    cause = trouble.__cause__
    return _kind(cause) if isinstance(cause, OSError) else type(trouble).__name__
