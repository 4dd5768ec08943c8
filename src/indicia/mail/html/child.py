"""`python -m indicia.mail.html.child`: HTML is made harmless in a process of its own, one after another.

It may take so much memory and, for each document, so much processor time; the kernel ends it when it takes
more (setrlimit(2)). It has no secrets, opens no files and writes to nobody but the process that started it.

On its standard input come documents, each as a `Document` behind its length in four octets; on its standard
output go, once it is ready, an empty answer, and for each document a `Sanitized`, in the same frames. It ends
when its input does, or when it has had nothing to do for a while.
"""

from __future__ import annotations

import os
import resource
import select
import sys
from typing import Final

import msgspec

from indicia.mail.html.harmless import (
    HEADER,
    MEMORY,
    PROCESSOR_SECONDS,
    TOO_MUCH,
    Document,
    Sanitized,
    UnsuitableHtmlError,
    frame_length,
    framed,
)
from indicia.mail.html.restricted import restricted

IDLE_SECONDS: Final = 30.0

_NICE: Final = 5  # behind those who answer requests
_READ: Final = 65_536


def main() -> int:
    """Answer until there is nothing more to answer."""
    _limit(resource.RLIMIT_AS, MEMORY)
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_FSIZE, 0)  # regular files; pipes are none
    os.nice(_NICE)
    _write(framed(Sanitized(b"")))
    while select.select([0], [], [], IDLE_SECONDS)[0]:
        header = _read(HEADER)
        if not header:
            break
        document = msgspec.msgpack.decode(_read(frame_length(header)), type=Document)
        used = resource.getrusage(resource.RUSAGE_SELF)
        # Whole seconds: a document gets at least what it may take, and less than one more.
        _limit_processor(int(used.ru_utime + used.ru_stime) + 1 + PROCESSOR_SECONDS)
        _write(framed(_answered(document)))
    return 0


def _answered(document: Document) -> Sanitized:
    try:
        return Sanitized(restricted(document.html, domain=document.domain).packed())
    except UnsuitableHtmlError as error:
        return Sanitized(b"", str(error))
    except MemoryError:
        return Sanitized(b"", TOO_MUCH)


def _limit(what: int, most: int) -> None:
    hard = resource.getrlimit(what)[1]
    most = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(what, (most, most))


def _limit_processor(seconds: int) -> None:
    """Let the kernel end this process (SIGXCPU) when it has used so many seconds since it began."""
    hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
    soft = seconds if hard == resource.RLIM_INFINITY else min(seconds, hard)
    resource.setrlimit(resource.RLIMIT_CPU, (soft, hard))


def _read(count: int) -> bytes:
    """Return so many octets, fewer where the input ends before."""
    octets = bytearray()
    while len(octets) < count:
        more = os.read(0, min(_READ, count - len(octets)))
        if not more:
            break
        octets += more
    return bytes(octets)


def _write(octets: bytes) -> None:
    view = memoryview(octets)
    while view:
        view = view[os.write(1, view) :]


if __name__ == "__main__":
    sys.exit(main())
