"""A process that makes RSA keys, and nothing else. Run as a script, by `vault.makers`.

A line on standard input is a length in bits; its answer on standard output is the length of the PKCS#8 DER in
four octets, then the DER. The end of the input is the end of the process: whoever started it may be killed
without a word. It knows no secret but the keys it makes, and imports nothing of ours, to start soon.

A niced thread that holds the interpreter when the system takes the processor from it makes the event loop
wait; a niced process harms nobody. It still gets a quarter of a core that another wants wholly (sched(7): a
weight of 335 to 1024), so that keys are made on a machine that is never idle.
"""

from __future__ import annotations

import os
import signal
import sys

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

_NICE = 5
_EXPONENT = 65537


def main() -> None:
    """Make keys until nobody asks for any."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # ^C is for whoever started this
    os.nice(_NICE)
    asked, answers = sys.stdin.buffer, sys.stdout.buffer
    try:
        while line := asked.readline():
            key = rsa.generate_private_key(_EXPONENT, int(line))
            made = key.private_bytes(
                serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
            answers.write(len(made).to_bytes(4, "big") + made)
            answers.flush()
    except BrokenPipeError:
        os._exit(0)  # nobody is there to hear of it


if __name__ == "__main__":
    main()
