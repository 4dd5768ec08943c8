"""moto's server with identities in its store, put there as its CreateEmailIdentity would.

Run as a program: how many, the port.
"""

from __future__ import annotations

import sys

from moto.server import main
from moto.ses.models import ses_backends

from bench.population import TAG, name_of
from bench.signing import REGION

# Whose the identities are when nobody says otherwise.
_ACCOUNT = "123456789012"


def load(identity_count: int) -> None:
    """Put that many domain identities into moto's store."""
    backend = ses_backends[_ACCOUNT][REGION]
    key, value = TAG
    for place in range(identity_count):
        backend.create_email_identity_v2(
            name_of(place), [{"Key": key, "Value": value}], {"NextSigningKeyLength": "RSA_2048_BIT"}, None
        )


if __name__ == "__main__":
    load(int(sys.argv[1]))
    main(["--port", sys.argv[2]])
