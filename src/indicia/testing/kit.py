"""What a test can do with a sandbox: publish records, pass time, read mail, use the API."""

from __future__ import annotations

import datetime as dt
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Final
from urllib.parse import quote, urlsplit

from indicia.credentials import SERVICES, AccountCredentials
from indicia.credentials import environment as aws_environment
from indicia.domain.accounts.account import SANDBOX_ACCOUNT
from indicia.outbound.request import AnswerTooLongError, HttpRequest
from indicia.testing.mail import Mail

ACCOUNT: Final = SANDBOX_ACCOUNT
REGION: Final = "us-east-1"
_WITHIN: Final = 60.0
MOST_ANSWERED: Final = 64 * 1024 * 1024
"""Octets of an answer that are read; of a sandbox that has sent thousands of mails it is the longest."""
# A profile and a session token of another place would be tried first, or sent along.
_REMOVED: Final = ("AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL")


class SandboxError(Exception):
    """The sandbox refused. `status` and `code` are those of its answer, the text is its sentence."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


class MissingBoto3Error(ModuleNotFoundError):
    """`client` needs boto3. Everything else a sandbox can do works without it."""

    def __init__(self) -> None:
        super().__init__(
            "indicia.client() returns a client of boto3, which is not installed: `pip install boto3`, or"
            " install Indicia as `indicia[testing]`. Other AWS SDKs find the sandbox by the environment.",
            name="boto3",
        )


class Sandbox:
    """A running sandbox. `url` is where the API answers, `dns` where the DNS does (`address:port`).

    Whatever changes the DNS or the time returns when every check that became due is done, so that the next
    line of a test sees what came of it.
    """

    removed: Final = _REMOVED

    def __init__(self, url: str, dns: str) -> None:
        self.url = url
        self.dns = dns
        self.region = REGION
        self._talk = _Talk(url, REGION)

    def __repr__(self) -> str:
        return f"Sandbox({self.url!r})"

    @property
    def environment(self) -> dict[str, str]:
        """The variables by which AWS SDKs and the AWS CLI use the sandbox. They are set in every test."""
        nowhere = {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}
        key = AccountCredentials(ACCOUNT, "sandbox", ACCOUNT)
        ignored = {"AWS_EC2_METADATA_DISABLED": "true", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "false"}
        return {**aws_environment(key, region=self.region, url=self.url), **nowhere, **ignored}

    def client(self, service: str, **given: Any) -> Any:
        """Return a client of boto3 for `ses`, `sesv2` or `sts`. Raises: `MissingBoto3Error`.

        Whatever boto3's `client` takes may be given; `aws_access_key_id` may be any account of 12 digits.
        """
        if service not in SERVICES:
            raise ValueError(f"there is no {service} here: it is one of {', '.join(SERVICES)}")
        where = {
            "endpoint_url": self.url,
            "region_name": self.region,
            "aws_access_key_id": ACCOUNT,
            "aws_secret_access_key": "sandbox",
        }
        return _boto3_session().client(service, **{**where, **given})

    def publish(
        self,
        identity: str,
        *,
        only: str | None = None,
        broken: str | None = None,
        account: str = ACCOUNT,
        region: str = REGION,
    ) -> None:
        """Publish the records of an identity, of one facet where `only` names it.

        With `broken`, one of the findings of `docs/findings/`, they are published so that some have it.
        `account` and `region` are where the identity is.

        Raises: `SandboxError` when there is no such identity; ValueError when it has no such records, or the
        finding is none, or fits none of them.
        """
        from indicia.domain.verification.findings import Finding
        from indicia.sandbox import publishing
        from indicia.sandbox.breaking import UnbreakableError

        known = [finding.value for finding in Finding]
        if broken is not None and broken not in known:
            raise ValueError(f"{broken} is no finding: it is one of {', '.join(known)}")
        finding = None if broken is None else Finding(broken)
        talk = self._talk_of(account, region)
        records = publishing.records_of(talk, identity)
        wanted = [record for record in records if only in (None, record.facet)]
        if not wanted:
            facets = ", ".join(sorted({record.facet for record in records})) or "none"
            raise ValueError(f"{identity} has no records of {only or 'its own'} to publish; it has {facets}")
        try:
            publishing.publish(talk, identity, wanted, finding)
        except UnbreakableError as error:
            raise ValueError(f"{identity} cannot be published so: {error}") from None

    def withdraw(self, domain: str) -> int:
        """Withdraw everything at and below a domain; return how many names had something."""
        return int(self._talk.steer("DELETE", "records", {"domain": domain})["removed"])

    def put(self, name: str, rtype: str, values: str | Sequence[str]) -> None:
        """Publish any record set, of one value or several."""
        given = [values] if isinstance(values, str) else list(values)
        self._talk.steer("PUT", "records", {"name": name, "type": rtype, "values": given})

    def diagnosis(self, identity: str, *, account: str = ACCOUNT, region: str = REGION) -> dict[str, Any]:
        """Return what a look at the DNS says of an identity now, as `indicia doctor --json` has it."""
        path = f"/indicia/v1/identities/{quote(identity, safe='')}/diagnosis"
        found: dict[str, Any] = self._talk_of(account, region).signed("GET", path)
        return found

    def _talk_of(self, account: str, region: str) -> _Talk:
        return replace(self._talk, account=account, region=region)

    @property
    def now(self) -> dt.datetime:
        """The present of the sandbox."""
        return dt.datetime.fromisoformat(self._talk.steer("GET", "clock", {})["now"])

    def advance(self, span: str) -> dt.datetime:
        """Move the clock forward by `90s`, `15m`, `73h` or `5d`; return the new present."""
        return dt.datetime.fromisoformat(self._talk.steer("POST", "clock", {"advance": span})["now"])

    @property
    def outbox(self) -> list[Mail]:
        """The mail that the sandbox has sent, the oldest first."""
        return [Mail.listed(entry) for entry in self._talk.steer("GET", "outbox", {})["mails"]]

    def follow(self, link: str) -> int:
        """Open a link of a mail and press the button of its page; return the status of the answer."""
        parts = urlsplit(link)
        if f"{parts.scheme}://{parts.netloc}" != self.url:
            raise ValueError(f"{link} leads elsewhere than to {self.url}")
        form = {"content-type": "application/x-www-form-urlencoded"}
        return _exchange(self.url, "POST", link.removeprefix(self.url), form, b"")[0]

    def reset(self) -> None:
        """Forget all identities, records and mail. The clock stays where it is."""
        self._talk.steer("POST", "reset", {})


@cache
def _boto3_session() -> Any:
    """Return a session of boto3's, which keeps the service models: reading them takes longer than a test.

    Raises: `MissingBoto3Error` where it is not installed.
    """
    try:
        import boto3  # type: ignore[import-untyped]  # it brings none, and is not a dependency
    except ModuleNotFoundError as error:
        if error.name != "boto3":
            raise
        raise MissingBoto3Error from None

    return boto3.session.Session()


@dataclass(frozen=True, slots=True)
class _Talk:
    """The calls of a sandbox that are no operations of SES."""

    url: str
    region: str
    account: str = ACCOUNT

    def signed(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, *, account: str | None = None
    ) -> Any:
        """Return the answer of a call that a key is needed for. A sandbox takes any, and checks no secret."""
        day = dt.datetime.now(dt.UTC).strftime("%Y%m%dT%H%M%SZ")
        scope = f"{account or self.account}/{day[:8]}/{self.region}/ses/aws4_request"
        headers = {
            "content-type": "application/json",
            "x-amz-date": day,
            "authorization": f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host;x-amz-date,"
            f" Signature={'0' * 64}",
        }
        encoded = b"" if body is None else json.dumps(body).encode()
        return _answered(*_exchange(self.url, method, path, headers, encoded))

    def steer(self, method: str, place: str, body: Mapping[str, Any]) -> Any:
        """Return the answer of a call that steers the sandbox."""
        headers = {"content-type": "application/json"}
        path = f"/indicia/v1/sandbox/{place}"
        return _answered(*_exchange(self.url, method, path, headers, json.dumps(body).encode()))


def _exchange(
    url: str, method: str, target: str, headers: Mapping[str, str], body: bytes
) -> tuple[int, bytes]:
    request = HttpRequest(url, within=_WITHIN, most=MOST_ANSWERED)
    try:
        response = request.send(method, target, headers, body)
    except AnswerTooLongError as error:
        sentence = f"{url} answers with more than {MOST_ANSWERED >> 20} MiB: is it the sandbox?"
        raise SandboxError(error.status, "AnswerTooLong", sentence) from error
    return response.status, response.body


def _answered(status: int, body: bytes) -> Any:
    document = json.loads(body or b"{}")
    if status >= 400:
        raise SandboxError(status, document.get("code", ""), document.get("message", ""))
    return document
