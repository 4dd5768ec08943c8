"""Identities and mail through django-ses and django-anymail, with no more settings than they need."""

from __future__ import annotations

import io
import os
import sys
from contextlib import redirect_stdout

import django
from botocore.exceptions import ClientError
from django.conf import settings
from django.core import mail
from django.core.management import call_command

ADDRESS = "ada@django.example"

settings.configure(
    INSTALLED_APPS=["django_ses", "anymail"],
    USE_TZ=True,
    SECRET_KEY="opens nothing",
    AWS_SES_REGION_NAME=os.environ["AWS_REGION"],
    AWS_SES_REGION_ENDPOINT_URL=os.environ["AWS_ENDPOINT_URL_SES"],
    ANYMAIL={"AMAZON_SES_CLIENT_PARAMS": {"config": {"retries": {"max_attempts": 0}}}},
    DEFAULT_FROM_EMAIL=ADDRESS,
)
django.setup()


def told(*arguments: str) -> list[str]:
    """Return the lines that the management command prints."""
    out = io.StringIO()
    with redirect_stdout(out):
        call_command("ses_email_address", *arguments)
    return out.getvalue().splitlines()


def refused(backend: str) -> Exception:
    """Return why a mail is not taken."""
    connection = mail.get_connection(backend)
    message = mail.EmailMessage("Hello", "A text.", to=["bob@django.example"], connection=connection)
    try:
        message.send()
    except Exception as error:  # noqa: BLE001 - which one it is, is what is asked
        return error
    raise AssertionError(f"{backend} has sent a mail, which this version does not")


def add() -> None:
    """Ask for a verification mail."""
    told("--add", ADDRESS)
    assert ADDRESS not in told("--list")


def verified() -> None:
    """After its link was followed the address is listed; neither backend gets a mail sent for it, yet."""
    assert ADDRESS in told("--list")

    error = refused("django_ses.SESBackend")
    assert isinstance(error, ClientError), error
    assert error.response["Error"]["Code"] == "NotImplemented", error
    assert error.response["ResponseMetadata"]["HTTPStatusCode"] == 501

    error = refused("anymail.backends.amazon_ses.EmailBackend")
    assert type(error).__name__ == "AnymailAPIError", error
    assert error.response["Error"]["Code"] == "NotImplementedException", error.response
    assert error.response["ResponseMetadata"]["HTTPStatusCode"] == 501

    told("--delete", ADDRESS)
    assert ADDRESS not in told("--list")


{"add": add, "verified": verified}[sys.argv[1]]()
print("all is well")
