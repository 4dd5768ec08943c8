"""The life of a domain, with a clock that is moved: pending, proved, lost, restored, revoked, proved anew.

Run it in a sandbox: `indicia sandbox -- python examples/life_of_a_domain.py`. Five weeks take some seconds.
boto3 asks the SES API where the domain stands; Indicia's own API says why, and what comes next.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import boto3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest

DOMAIN = "bakery.example"

URL = json.loads((Path(os.environ["INDICIA_DATA_DIR"]) / "ready.json").read_text())["url"]
session = boto3.Session()
ses = session.client("sesv2")


def call(method: str, path: str, body: dict[str, Any] | None = None) -> Any:
    """Call Indicia's own API, signed as every request to SES is."""
    request = AWSRequest(
        method,
        f"{URL}/indicia/v1/{path}",
        headers={"Content-Type": "application/json"},
        data=None if body is None else json.dumps(body).encode(),
    )
    SigV4Auth(session.get_credentials(), "ses", session.region_name).add_auth(request)
    with urlopen(
        Request(request.url, data=request.data, headers=dict(request.headers), method=method), timeout=60
    ) as answer:
        return json.load(answer)


def now() -> str:
    """Ask the sandbox for its time."""
    return call("GET", "sandbox/clock")["now"]


def later(span: str) -> None:
    """Let time pass. Everything that became due meanwhile is done when this returns."""
    call("POST", "sandbox/clock", {"advance": span})


def publish() -> None:
    """Put the domain's records into the DNS, as the bakery's provider does."""
    for record in call("GET", f"identities/{DOMAIN}/records")["records"]:
        if record["required"]:
            wanted = {"name": record["name"], "type": record["type"], "values": [record["value"]]}
            call("PUT", "sandbox/records", wanted)


def lose() -> None:
    """Take everything of the domain out of the DNS."""
    call("DELETE", "sandbox/records", {"domain": DOMAIN})


def tell(text: str) -> None:
    """Tell what happens, and when."""
    print(f"\n{now()[:16].replace('T', ' ')}  {text}", flush=True)


def stands(status: str, *, sends: bool) -> dict[str, Any]:
    """Show where the domain stands by the SES API. The story ends here if it is not told truly."""
    identity = ses.get_email_identity(EmailIdentity=DOMAIN)
    error = identity["VerificationInfo"].get("ErrorType")
    may = "may be sent from" if identity["VerifiedForSendingStatus"] else "may not be sent from"
    print(f"                  {identity['VerificationStatus']}{f' ({error})' if error else ''}, {may}")
    assert (identity["VerificationStatus"], identity["VerifiedForSendingStatus"]) == (status, sends)
    return identity


def why() -> None:
    """Show what the own API says: what is wrong, and until when it can be mended."""
    looked = call("GET", f"identities/{DOMAIN}/diagnosis")
    wrong = [
        record for record in looked["records"] if record["finding"] != "OK" and record["facet"] == "dkim"
    ]
    if wrong:
        print(f"                  {len(wrong)} records {wrong[0]['finding']}: {wrong[0]['explanation']}")
    if looked["deadline"]:
        print(f"                  they have to be there by {looked['deadline'][:16].replace('T', ' ')}")


tell(f"The bakery signs up. create_email_identity({DOMAIN!r})")
ses.create_email_identity(EmailIdentity=DOMAIN)
stands("PENDING", sends=False)

later("3h")
tell("Nothing is published yet. It is looked for until three days have passed.")
stands("PENDING", sends=False)

publish()
tell("The provider publishes three CNAMEs. They are seen at the next look.")
proved = stands("SUCCESS", sends=True)
print(
    f"                  its zone is served by {proved['VerificationInfo']['SOARecord']['PrimaryNameServer']}"
)

later("14d")
tell("Two weeks later it is looked at again, as every day.")
stands("SUCCESS", sends=True)

lose()
tell("The bakery changes its provider, and forgets the records. One look is no proof of a loss:")
stands("SUCCESS", sends=True)

later("30m")
tell("A second look, at least a negative TTL after the first. The grace period begins:")
stands("TEMPORARY_FAILURE", sends=True)
why()

later("26h")
publish()
tell("A day later the records are back. One look restores.")
stands("SUCCESS", sends=True)

later("7d")
lose()
later("24h")
tell("A week later they are gone again.")
stands("TEMPORARY_FAILURE", sends=True)
why()

later("73h")
tell("Nobody minds for three days, and they are still not there at the end of the third. Revoked:")
stands("FAILED", sends=False)

publish()
later("5d")
tell("The records come back, but the right does not: nothing that is published undoes a revocation.")
stands("FAILED", sends=False)

ses.put_email_identity_dkim_signing_attributes(EmailIdentity=DOMAIN, SigningAttributesOrigin="AWS_SES")
publish()
later("15m")
tell("The bakery asks anew, with put_email_identity_dkim_signing_attributes, and proves it again.")
stands("SUCCESS", sends=True)

print("\nWhat was told meanwhile, in the history and to webhooks:\n")
for event in reversed(call("GET", f"identities/{DOMAIN}/history")["events"]):
    moved = event["data"]
    if event["type"].startswith("identity."):
        change = f"{moved['before'] or 'nothing'} -> {moved['after']}"
        print(
            f"{event['timestamp'][:16].replace('T', ' ')}  {event['type']:18}  {change:31} ({moved['cause']})"
        )
