"""Keys through whole processes: a rotation in a sandbox, a replica of a parent in another installation."""

from __future__ import annotations

import http.client
import json
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from serving import Running, client, started, until

from indicia.credentials import AccountCredentials
from indicia.wire.aws.signer import signed_headers

NAME = "shop.example"
ROOT = {
    "INDICIA_ROOT_ACCESS_KEY_ID": "AKIATESTTESTTESTTEST",
    "INDICIA_ROOT_SECRET_ACCESS_KEY": "a-secret-that-opens-nothing-else-000000",
    "INDICIA_ROOT_ACCOUNT": "111122223333",
}
KEY = AccountCredentials(
    ROOT["INDICIA_ROOT_ACCESS_KEY_ID"], ROOT["INDICIA_ROOT_SECRET_ACCESS_KEY"], ROOT["INDICIA_ROOT_ACCOUNT"]
)


def call(
    house: Running, method: str, path: str, body: Any = None, key: AccountCredentials = KEY
) -> tuple[int, Any]:
    """Make a signed call under /indicia/v1/."""
    url = urlsplit(house.ready.url)
    octets = b"" if body is None else json.dumps(body).encode()
    headers = signed_headers(
        method,
        url.netloc,
        path,
        "",
        octets,
        at=time.strftime("%Y%m%dT%H%M%SZ", time.gmtime()),
        scope="us-east-1/ses",
        key=(key.id, key.secret),
    )
    connection = http.client.HTTPConnection(url.hostname or "", url.port, timeout=30)
    try:
        connection.request(method, path, octets, {"content-type": "application/json", **headers})
        response = connection.getresponse()
        return response.status, json.loads(response.read() or b"null")
    finally:
        connection.close()


def test_a_rotation_in_a_sandbox(tmp_path: Path) -> None:
    """Verified, signing, rotated on request: each step when the clock says so; Get follows the new key."""
    anyone = AccountCredentials("000000000000", "sandbox", "000000000000")
    with started(tmp_path, "sandbox") as house:
        ses = client("sesv2", house.ready.url, anyone)

        def dkim() -> dict[str, Any]:
            return dict(ses.get_email_identity(EmailIdentity=NAME)["DkimAttributes"])

        def advance(span: str) -> None:
            assert call(house, "POST", "/indicia/v1/sandbox/clock", {"advance": span}, anyone)[0] == 200

        created = ses.create_email_identity(EmailIdentity=NAME)["DkimAttributes"]
        for token in created["Tokens"]:
            record = {
                "name": f"{token}._domainkey.{NAME}",
                "type": "CNAME",
                "values": [f"{token}.{created['SigningHostedZone']}"],
                "ttl": 60,
            }
            assert call(house, "PUT", "/indicia/v1/sandbox/records", record, anyone)[0] == 200
        assert dkim()["Status"] == "SUCCESS"
        rotate = f"/indicia/v1/identities/{NAME}/rotate"
        status, refused = call(house, "POST", rotate, None, anyone)
        assert (status, "signs yet" in refused["message"]) == (409, True)

        advance("2m")
        made = dkim()["LastKeyGenerationTimestamp"]
        status, answer = call(house, "POST", rotate, None, anyone)
        assert (status, answer["began"]) == (202, True)

        def stages() -> list[str]:
            return [key["stage"] for key in call(house, "POST", rotate, None, anyone)[1]["keys"]]

        # A pool that has none to spare lets it wait in its turn.
        until(lambda: stages() == ["signing", "published"], "the next key")
        assert dkim()["LastKeyGenerationTimestamp"] == made

        advance("5m")
        status, answer = call(house, "POST", rotate, None, anyone)
        assert [key["stage"] for key in answer["keys"]][:2] == ["retired", "signing"]
        assert dkim()["LastKeyGenerationTimestamp"] > made
        assert (dkim()["Status"], dkim()["Tokens"]) == ("SUCCESS", created["Tokens"])
