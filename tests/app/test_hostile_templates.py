"""A template that multiplies, through whole processes: its caller is told, and nobody else notices."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest
from botocore.exceptions import ClientError
from serving import started, until

WORDS = {
    "FromEmailAddress": "hello@brand.example",
    "TemplateSubject": "Welcome",
    "SuccessRedirectionURL": "https://brand.example/ok",
    "FailureRedirectionURL": "https://brand.example/no",
}
MULTIPLIES = "<p>" + "".join(f"<b id={n}>" for n in range(1000)) + "<p>x" * 1500


@pytest.mark.parametrize(
    "arguments",
    [("serve",), ("serve", "--workers", "2"), ("sandbox",)],
    ids=["one process", "workers", "sandbox"],
)
def test_a_service_outlives_what_it_is_given_to_read(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    """16 KB that take hundreds of megabytes: a 400 that says why. No child of its outlives the service."""
    with started(tmp_path, *arguments, INDICIA_VERIFICATION="instant") as house:
        for version in ("sesv2", "ses"):
            client = house.client(version)
            if version == "sesv2":
                client.create_email_identity(EmailIdentity="brand.example")
            with pytest.raises(ClientError) as refused:
                client.create_custom_verification_email_template(
                    TemplateName=f"bad-{version}", TemplateContent=MULTIPLIES, **WORDS
                )
            assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
            assert "No mail can be made of the TemplateContent" in str(refused.value)
            client.create_custom_verification_email_template(
                TemplateName=f"good-{version}", TemplateContent="<p>Hi</p>", **WORDS
            )
        found = house.client("sesv2").list_custom_verification_email_templates()
        names = [each["TemplateName"] for each in found["CustomVerificationEmailTemplates"]]
        assert names == ["good-ses", "good-sesv2"]
        family = psutil.Process(house.process.pid).children(recursive=True)
        assert house.stop() == 0
        until(lambda: not any(child.is_running() for child in family), "the end of every child")
    assert "Traceback" not in house.log
