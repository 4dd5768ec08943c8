"""The main job, from nothing to a verified domain, told as it happens.

Run it with `make demo`, or in any sandbox: `indicia sandbox -- python examples/first_domain.py`. What talks
to Indicia here is an unmodified boto3; what decides is the DNS.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from urllib.request import Request, urlopen

import boto3
import dns.message
import dns.query
import dns.rdatatype

DOMAIN = "shop.example"
NEVER_PUBLISHED = "forgotten.example"

READY = json.loads((Path(os.environ["INDICIA_DATA_DIR"]) / "ready.json").read_text())
ses = boto3.client("sesv2")


def say(text: str = "") -> None:
    """Tell the next step of the story."""
    print(text, flush=True)


def indicia(*arguments: str, show: bool = True) -> str:
    """Run a command of Indicia's as a person would, and show what it prints."""
    if show:
        say(f"\n  $ indicia {' '.join(arguments)}")
    done = subprocess.run(
        [sys.executable, "-m", "indicia", *arguments], capture_output=True, text=True, check=False
    )
    if show:
        for line in (done.stdout + done.stderr).splitlines():
            say(f"  {line}")
    return done.stdout


def publish(record: dict[str, str]) -> None:
    """Publish one record in the sandbox's DNS, as you would in your DNS panel."""
    body = {"name": record["name"], "type": record["type"], "values": [record["value"]]}
    request = Request(
        f"{READY['url']}/indicia/v1/sandbox/records",
        data=json.dumps(body).encode(),
        method="PUT",
        headers={"Content-Type": "application/json"},
    )
    urlopen(request, timeout=30).close()
    say(f"  published {record['name']} {record['type']} {record['value']}")


def status(domain: str) -> str:
    """Ask the SES API where the domain stands."""
    identity = ses.get_email_identity(EmailIdentity=domain)
    error = identity["VerificationInfo"].get("ErrorType")
    return identity["VerificationStatus"] + (f" ({error})" if error else "")


def ask(server: str, name: str, rtype: str) -> dns.message.Message:
    """Ask one DNS server one question."""
    host, _, port = server.rpartition(":")
    return dns.query.udp(dns.message.make_query(name, rtype), host.strip("[]"), port=int(port), timeout=5)


say(f"1. A customer brings {DOMAIN}. One call of the SES API, by an unmodified boto3:")
created = ses.create_email_identity(EmailIdentity=DOMAIN)
say(f"\n  create_email_identity -> DkimAttributes.Tokens = {created['DkimAttributes']['Tokens']}")
say(f"  get_email_identity    -> VerificationStatus = {status(DOMAIN)}")

say("\n2. These are the records the customer has to publish:")
indicia("records", DOMAIN)
found = json.loads(indicia("records", DOMAIN, "--json", show=False))["records"]
required = [record for record in found if record["required"]]

say("\n3. The customer publishes two of the three:")
for record in required[:2]:
    publish(record)
say(f"\n  get_email_identity    -> VerificationStatus = {status(DOMAIN)}")

say("\n4. Still pending. Why? The doctor looks, and says which record is missing:")
indicia("doctor", DOMAIN)

say("\n5. The customer publishes the third:")
publish(required[2])
say(f"\n  get_email_identity    -> VerificationStatus = {status(DOMAIN)}")
assert status(DOMAIN) == "SUCCESS"

say("\n6. A receiver of signed mail would now follow the CNAME to the key, which Indicia itself serves:")
zone = READY["dns"][0]
for record in required:
    (alias,) = ask(READY["playground"], record["name"], "CNAME").answer
    answer = ask(zone, record["value"], "TXT").answer
    text = b"".join(answer[0][0].strings).decode() if answer else ""
    say(f"\n  {record['name']} CNAME {alias[0].target}")
    say(
        f"  {record['value']} TXT "
        + (f'"{text[:46]}..." ({len(text)} characters)' if text else "(kept for rotation)")
    )

say(f"\n7. Another customer registers {NEVER_PUBLISHED}, and publishes nothing. Three days pass:")
ses.create_email_identity(EmailIdentity=NEVER_PUBLISHED)
say(f"\n  get_email_identity    -> VerificationStatus = {status(NEVER_PUBLISHED)}")
indicia("sandbox", "clock", "advance", "73h")
say(f"\n  get_email_identity    -> VerificationStatus = {status(NEVER_PUBLISHED)}")
assert status(NEVER_PUBLISHED).startswith("FAILED")
say(f"  {DOMAIN} is still {status(DOMAIN)}: it was looked at again meanwhile.")

say(
    """
That is all there is to it. The same by hand:

  .venv/bin/indicia serve &                     # every role in one process, data in ./indicia-data
  eval "$(.venv/bin/indicia env)"               # endpoints and keys for every AWS SDK
  .venv/bin/aws sesv2 create-email-identity --email-identity your-domain.com"""
)
