"""AWS Signature Version 4 on requests of our own, over host, date and body. Pure, given the time."""

from __future__ import annotations

import hmac
from hashlib import sha256
from urllib.parse import quote


def signed_headers(
    method: str, host: str, path: str, query: str, body: bytes, *, at: str, scope: str, key: tuple[str, str]
) -> dict[str, str]:
    """Return the headers that sign a request.

    `path` is encoded as it is sent, `query` sorted; `at` is the time as `YYYYMMDDTHHMMSSZ`, `scope` the
    region and the service as `region/service`, `key` the access key's id and secret.
    """
    digest = sha256(body).hexdigest()
    headers = {"host": host, "x-amz-content-sha256": digest, "x-amz-date": at}
    names = ";".join(headers)
    canonical = "\n".join(
        [
            method,
            quote(path, safe="/~"),  # every service but S3 signs the encoding of the encoded path
            query,
            *(f"{name}:{value}" for name, value in headers.items()),
            "",
            names,
            digest,
        ]
    )
    whole = f"{at[:8]}/{scope}/aws4_request"
    text = f"AWS4-HMAC-SHA256\n{at}\n{whole}\n{sha256(canonical.encode()).hexdigest()}"
    derived = f"AWS4{key[1]}".encode()
    for part in whole.split("/"):
        derived = hmac.digest(derived, part.encode(), "sha256")
    signature = hmac.digest(derived, text.encode(), "sha256").hex()
    headers["authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={key[0]}/{whole}, SignedHeaders={names}, Signature={signature}"
    )
    return headers
