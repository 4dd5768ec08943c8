"""From a TXT in the DNS to the link that a person clicks: a sandbox, a provider over TLS, the commands."""

from __future__ import annotations

import http.server
import json
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme
from invocation import Run
from serving import Running, client, started

from indicia.cli.api import ServiceAccess, steer
from indicia.credentials import AccountCredentials

NAME = "connected.example.com"


class Provider(http.server.BaseHTTPRequestHandler):
    """The API of a DNS provider that has our template."""

    def do_GET(self) -> None:
        """Answer for any zone."""
        here = f"https://127.0.0.1:{self.server.server_address[1]}"
        offer = {"providerId": "p.example", "providerName": "Provider", "urlSyncUX": here, "urlAPI": here}
        body = json.dumps(offer).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, Path]]:
    """Where the provider listens, and the file with the authority that vouches for it."""
    authority = trustme.CA()
    file = tmp_path_factory.mktemp("authority") / "ca.pem"
    authority.cert_pem.write_to_path(str(file))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Provider)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server.server_address[1], file
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(scope="module")
def house(provider: tuple[int, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A sandbox with a domain whose zone names the provider."""
    port, authority = provider
    folder = tmp_path_factory.mktemp("sandbox")
    with started(folder, "sandbox", SSL_CERT_FILE=str(authority)) as running:
        anyone = AccountCredentials("000000000000", "sandbox", "000000000000")
        client("sesv2", running.ready.url, anyone).create_email_identity(EmailIdentity=NAME)
        before = ServiceAccess(running.ready.url, "us-east-1", anyone.id, anyone.secret).json(
            "GET", f"/indicia/v1/identities/{NAME}/records"
        )
        assert before["domain_connect"] is None  # and what is published after that is seen
        body = {"name": "_domainconnect.example.com", "type": "TXT", "values": [f"127.0.0.1:{port}"]}
        steer(ServiceAccess(running.ready.url, "", "", ""), "PUT", "records", body)
        yield running


@pytest.fixture
def here(house: Running, monkeypatch: pytest.MonkeyPatch, indicia: Run) -> Run:
    """Run a command where the sandbox is the installation."""
    monkeypatch.setenv("INDICIA_DATA_DIR", str(house.data_dir))
    return indicia


def test_the_link_is_in_the_answer_and_below_the_table(here: Run, provider: tuple[int, Path]) -> None:
    """It leads to the provider, for the zone and the name in it, with the tokens of the identity."""
    answer: Any = here("records", NAME, "--json").json
    table = here("records", NAME).out
    link = answer["domain_connect"]["url"]
    token = answer["records"][0]["name"].partition(".")[0]

    assert answer["domain_connect"]["provider"] == "Provider"
    assert link.startswith(
        f"https://127.0.0.1:{provider[0]}/v2/domainTemplates/providers/indicia.test/services/sending/apply"
        "?domain=example.com&host=connected&"
    )
    assert f"token1={token}" in link
    assert table.endswith(
        f"Provider publishes these records after one click of the domain's owner:\n{link}\n"
    )


def test_an_mx_in_use_is_not_in_the_link(house: Running, here: Run) -> None:
    """The provider would remove it: the link has the tokens, and the conflict is told beside it."""
    name, anyone = "busy.example.com", AccountCredentials("000000000000", "sandbox", "000000000000")
    sesv2 = client("sesv2", house.ready.url, anyone)
    sesv2.create_email_identity(EmailIdentity=name)
    sesv2.put_email_identity_mail_from_attributes(EmailIdentity=name, MailFromDomain=f"mail.{name}")
    free: Any = here("records", name, "--json").json["domain_connect"]
    body = {"name": f"mail.{name}", "type": "MX", "values": ["10 mx.example.net"]}
    steer(ServiceAccess(house.ready.url, "", "", ""), "PUT", "records", body)
    taken: Any = here("records", name, "--json").json

    assert "groupId=dkim%2Cmailfrom" in free["url"]
    assert "groupId=dkim" in taken["domain_connect"]["url"]
    assert "mailfrom" not in taken["domain_connect"]["url"]
    assert any("has MX 10 mx.example.net already" in (each["conflict"] or "") for each in taken["records"])


def test_what_tools_read_has_no_link(here: Run) -> None:
    """The other forms are the records and nothing else."""
    done = here("records", NAME, "--format", "zone")

    assert (done.status, done.err, "https://" in done.out) == (0, "", False)
