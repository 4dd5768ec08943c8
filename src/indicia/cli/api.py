"""Commands that speak to a running service: where it is, as whom, and signed calls under `/indicia/v1/`.

Endpoint, region and keys are found as the AWS CLI finds them (options, environment, profile), and where none
of that is set, in the data dir of an installation on this machine.
"""

from __future__ import annotations

import configparser
import http.client
import json
import os
import ssl
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Final, TypeAlias
from urllib.parse import SplitResult, quote, urlencode, urlsplit

from cyclopts import Group, Parameter

from indicia.cli.errors import USAGE, CommandError
from indicia.cli.options import DEFAULT_CONFIG_FILE
from indicia.credentials import read_credentials
from indicia.domain.accounts.account import SANDBOX_ACCOUNT
from indicia.outbound.request import AnswerTooLongError, HttpRequest
from indicia.runtime import ready
from indicia.settings.table import BY_NAME
from indicia.wire.aws.signer import signed_headers

_GROUP = Group(
    "Service",
    help="As for the AWS CLI. Without them: the installation in the data dir, or the sandbox that runs"
    " on this machine.",
)

_NOT_FOUND = 404
_WITHIN = 60.0  # seconds: a diagnosis of broken DNS takes as long as a check may, 30 s
MOST_ANSWERED: Final = 64 * 1024 * 1024
"""Octets of an answer that are read: the mails of a sandbox are the longest there is."""
_SANDBOX_PLACE = "/indicia/v1/sandbox/"

# Codes of X509_STORE_CTX_get_error(3), by what helps.
_OTHER_NAME = frozenset({62, 64})  # X509_V_ERR_HOSTNAME_MISMATCH, _IP_ADDRESS_MISMATCH
_OUT_OF_DATE = frozenset({9, 10})  # X509_V_ERR_CERT_NOT_YET_VALID, _CERT_HAS_EXPIRED
# X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT, _DEPTH_ZERO_SELF_SIGNED_CERT, _SELF_SIGNED_CERT_IN_CHAIN,
# _UNABLE_TO_GET_ISSUER_CERT_LOCALLY, _UNABLE_TO_VERIFY_LEAF_SIGNATURE, _CERT_UNTRUSTED
_UNKNOWN_AUTHORITY = frozenset({2, 18, 19, 20, 21, 27})


@dataclass(frozen=True)
class Where:
    """Which service is meant, and as whom it is asked."""

    data_dir: Annotated[
        str | None, Parameter(help="Ask what runs on this installation's folder, as its root.", group=_GROUP)
    ] = None
    endpoint_url: Annotated[str | None, Parameter(help="Where the service answers.", group=_GROUP)] = None
    region: Annotated[str | None, Parameter(help="The region of the identity.", group=_GROUP)] = None
    profile: Annotated[str | None, Parameter(help="Profile of the AWS shared files.", group=_GROUP)] = None


WhereFlags: TypeAlias = Annotated[Where, Parameter(name="*")]
HERE = Where()


@dataclass(frozen=True, slots=True)
class ServiceAccess:
    """A running service and the key it is asked with."""

    url: str
    region: str
    key_id: str
    secret: str = field(repr=False)

    def call(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        query: Mapping[str, str] | None = None,
    ) -> tuple[int, bytes]:
        """Return status and body of a signed call. Raises `CommandError` when nothing answers."""
        encoded = json.dumps(body).encode() if body is not None else b""
        target = path + (f"?{urlencode(sorted(query.items()), quote_via=quote)}" if query else "")
        headers = self._signed(method, path, target.partition("?")[2], encoded)
        return send(self.url, method, target, headers, encoded)

    def json(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """Return the answer of a signed call. Raises `CommandError` with the refusal's own sentence."""
        return self.answered(*self.call(method, path, body))

    def answered(self, status: int, body: bytes) -> Any:
        """Return the JSON of a good answer. Raises `CommandError` with what a bad one says, and where."""
        try:
            return answered(status, body)
        except CommandError as refused:
            if status != _NOT_FOUND:
                raise
            # It may well be there in another region: where it was looked for is half of the matter.
            sentence = f"{str(refused).removesuffix('.')} in {self.region}."
            raise CommandError(sentence, status=refused.status) from None

    def _signed(self, method: str, path: str, query: str, body: bytes) -> dict[str, str]:
        """Return the headers of an AWS Signature Version 4 over host, date and body."""
        return signed_headers(
            method,
            _parts(self.url).netloc,
            path,
            query,
            body,
            at=time.strftime("%Y%m%dT%H%M%SZ", time.gmtime()),
            scope=f"{self.region}/ses",
            key=(self.key_id, self.secret),
        )


def send(url: str, method: str, target: str, headers: Mapping[str, str], body: bytes) -> tuple[int, bytes]:
    """Return status and body of one HTTP request.

    Raises `CommandError` when nothing answers, or more than any service of ours does.
    """
    request = HttpRequest(_parts(url).geturl(), within=_WITHIN, most=MOST_ANSWERED, tls=_trust(url))
    try:
        response = request.send(method, target, headers, body)
    except AnswerTooLongError as error:
        raise CommandError(
            f"{url} answers with more than {MOST_ANSWERED >> 20} MiB: it is no Indicia, or asked for too"
            " much",
            status=USAGE,
        ) from error
    except ssl.SSLCertVerificationError as error:
        raise CommandError(_untrusted(url, error), status=USAGE) from error
    except ssl.SSLError as error:
        reason = (error.reason or "it is not TLS").replace("_", " ").lower()
        raise CommandError(
            f"no TLS with {url} ({reason}): is it an http:// address?", status=USAGE
        ) from error
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise CommandError(
            f"nothing answers at {url} ({reason}): is the service running?", status=USAGE
        ) from error
    return response.status, response.body


def _untrusted(url: str, error: ssl.SSLCertVerificationError) -> str:
    """Return what is wrong with a certificate, and what mends that (X509_STORE_CTX_get_error(3))."""
    seen = f"the certificate of {url} does not verify ({error.verify_message.rstrip('.')})"
    if error.verify_code in _OTHER_NAME:
        return (
            f"{seen}: use a name that it is for, with --endpoint-url or as INDICIA_PUBLIC_URL of the service"
        )
    if error.verify_code in _OUT_OF_DATE:
        return f"{seen}: renew it, or look at the clocks of both machines"
    if error.verify_code in _UNKNOWN_AUTHORITY:
        return f"{seen}: name the file of its authority's certificate in AWS_CA_BUNDLE"
    return f"{seen}: the service needs another one"


def _trust(url: str) -> ssl.SSLContext | None:
    """Return what the certificate of an endpoint is verified with. Raises `CommandError`."""
    if _parts(url).scheme == "http":
        return None
    bundle = os.environ.get("AWS_CA_BUNDLE")
    try:
        return ssl.create_default_context(cafile=bundle)
    except OSError as error:  # as ssl.SSLError is
        raise CommandError(
            f"AWS_CA_BUNDLE: {bundle} holds no certificates that can be read", status=USAGE
        ) from error


def _parts(url: str) -> SplitResult:
    """Return the parts of an endpoint. Raises `CommandError` when it is none."""
    with suppress(ValueError):  # a port that is none, brackets around no address
        parts = urlsplit(url)
        if parts.scheme in ("http", "https") and parts.hostname and parts.port != 0:
            return parts
    raise CommandError(f"the endpoint {url} is not http://host:port or https://host:port", status=USAGE)


def identity_path(identity: str, what: str) -> str:
    """Return the path of a call about an identity. Raises `CommandError` where none is named."""
    if not identity:
        raise CommandError("the identity is empty: name a domain or an address", status=USAGE)
    return f"/indicia/v1/identities/{quote(identity, safe='')}/{what}"


def answered(status: int, body: bytes) -> Any:
    """Return the JSON of a good answer. Raises `CommandError` with what a bad one says.

    A refusal is a question that could not be asked, whichever command asks it: `doctor` has another status
    for records that are not right.
    """
    try:
        document = json.loads(body or b"{}")
    except ValueError:
        raise CommandError(
            f"the service answered {status} with something that is not JSON", status=USAGE
        ) from None
    if status >= 400:
        raise CommandError(str(document.get("message") or document.get("code") or status), status=USAGE)
    return document


def find(where: Where) -> ServiceAccess:
    """Return the service that is meant. Raises `CommandError` saying what to give."""
    named = where.data_dir or os.environ.get("INDICIA_DATA_DIR") or _configured_data_dir()
    data_dir = Path(named or "indicia-data")
    running = ready.read(data_dir / "ready.json")
    # A flag goes before the environment, whatever the two say.
    here = where.data_dir is not None and where.profile is None
    shared = {} if here else _profile(where.profile)
    environ: Mapping[str, str] = os.environ if where.profile is None and not here else {}
    url = (
        where.endpoint_url
        or environ.get("AWS_ENDPOINT_URL_SESV2")
        or environ.get("AWS_ENDPOINT_URL")
        or shared.get("endpoint_url")
        or (running.url if running else None)
    )
    around: Mapping[str, str] = {} if here else os.environ
    region = where.region or around.get("AWS_REGION") or around.get("AWS_DEFAULT_REGION")
    region = region or shared.get("region") or (running.region if running else "us-east-1")
    if not url:
        if here or not _runs_by_itself():
            raise CommandError(
                f"there is no service to ask: nothing is running on {data_dir}; start `indicia serve` there,"
                " name another folder with --data-dir or INDICIA_DATA_DIR, or give --endpoint-url",
                status=USAGE,
            )
        url = _default_url()
    key = _key(environ, shared, data_dir)
    if key is None and is_sandbox(url):
        key = (SANDBOX_ACCOUNT, "sandbox")
    if key is None:
        raise CommandError(
            'there is no access key: eval "$(indicia env)", set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY,'
            " or give --profile",
            status=USAGE,
        )
    return ServiceAccess(url.rstrip("/"), region, *key)


def steer(
    service: ServiceAccess, method: str, place: str, body: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Return the answer of one of the unsigned calls that steer a sandbox. Raises `CommandError`."""
    headers = {"host": _parts(service.url).netloc, "content-type": "application/json"}
    encoded = json.dumps(body or {}).encode()
    status, answer = send(service.url, method, _SANDBOX_PLACE + place, headers, encoded)
    if status == _NOT_FOUND:
        raise NoSandboxError(
            f"what answers at {service.url} is not a sandbox: start one with `indicia sandbox`", status=USAGE
        )
    document: dict[str, Any] = answered(status, answer)
    return document


class NoSandboxError(CommandError):
    """What answers is something else."""


def is_sandbox(url: str) -> bool:
    """Say whether it is a sandbox that answers there. Raises `CommandError` when nothing does."""
    try:
        steer(ServiceAccess(url, "", "", ""), "GET", "clock")
    except NoSandboxError:
        return False
    return True


def _default_url() -> str:
    """Return where a sandbox is that was started without a word."""
    listens = BY_NAME["listen_http"].default or ""
    return f"http://{listens.partition(',')[0]}"


def _runs_by_itself() -> bool:
    """Say whether there is a sandbox that was started without a word."""
    try:
        return is_sandbox(_default_url())
    except CommandError:
        return False


def _key(environ: Mapping[str, str], shared: Mapping[str, str], data_dir: Path) -> tuple[str, str] | None:
    if environ.get("AWS_ACCESS_KEY_ID") and environ.get("AWS_SECRET_ACCESS_KEY"):
        return environ["AWS_ACCESS_KEY_ID"], environ["AWS_SECRET_ACCESS_KEY"]
    if "aws_access_key_id" in shared and "aws_secret_access_key" in shared:
        return shared["aws_access_key_id"], shared["aws_secret_access_key"]
    own = read_credentials(data_dir / "credentials")
    return None if own is None else (own.id, own.secret)


def _configured_data_dir() -> str | None:
    """Return the data dir that ./indicia.toml names, if it does."""
    import tomllib

    try:
        found = tomllib.loads(DEFAULT_CONFIG_FILE.read_text(encoding="utf-8")).get("data_dir")
    except (OSError, ValueError):
        return None
    return found if isinstance(found, str) else None


def _profile(name: str | None) -> dict[str, str]:
    """Return what the AWS shared files say of a profile.

    The default profile of a person's own files is that of their AWS account, and is not meant: nothing is
    read where neither a profile was named nor other files than those.
    """
    named = name or os.environ.get("AWS_PROFILE")
    own_files = "AWS_SHARED_CREDENTIALS_FILE" in os.environ or "AWS_CONFIG_FILE" in os.environ
    if not named and not own_files:
        return {}
    home = Path.home() / ".aws"
    credentials = _sections(os.environ.get("AWS_SHARED_CREDENTIALS_FILE") or home / "credentials")
    config = _sections(os.environ.get("AWS_CONFIG_FILE") or home / "config")
    profile = named or "default"
    section = "default" if profile == "default" else f"profile {profile}"
    found = {**config.get(section, {}), **credentials.get(profile, {})}
    if named and not found:
        raise CommandError(f"there is no profile {named} in the AWS shared files", status=USAGE)
    services = config.get(f"services {found.get('services', '')}", {})
    lines = [line.partition("=") for line in services.get("sesv2", "").splitlines()]
    nested = {key.strip(): value.strip() for key, _, value in lines}
    return found | ({"endpoint_url": nested["endpoint_url"]} if "endpoint_url" in nested else {})


def _sections(path: str | Path) -> dict[str, dict[str, str]]:
    parser = configparser.RawConfigParser(allow_no_value=True)
    try:
        parser.read_string(Path(path).expanduser().read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, configparser.Error):
        return {}
    return {name: {key: value or "" for key, value in parser[name].items()} for name in parser.sections()}
