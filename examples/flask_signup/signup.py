"""A signup in Flask: a customer brings a domain or an address, proves that it is theirs, and may send.

It knows the Amazon SES API and nothing else. Where that is, boto3 finds in the environment.
"""

from __future__ import annotations

from typing import Any

import boto3
from flask import Flask, request

Answer = tuple[dict[str, Any], int]


def create_app() -> Flask:
    """Return the application."""
    app = Flask(__name__)
    ses = boto3.client("sesv2")

    @app.post("/senders")
    def register() -> Answer:
        """Register what the customer typed, and say what to do next."""
        name = request.form["sender"].strip()
        try:
            created = ses.create_email_identity(EmailIdentity=name)
        except ses.exceptions.AlreadyExistsException:
            return {"problem": f"{name} is registered already"}, 409
        except ses.exceptions.BadRequestException as refused:
            return {"problem": refused.response["Error"]["Message"]}, 400
        if created["IdentityType"] == "EMAIL_ADDRESS":
            return {"next": f"follow the link in the mail to {name}"}, 201
        dkim = created["DkimAttributes"]
        records = [
            {
                "name": f"{token}._domainkey.{name}",
                "type": "CNAME",
                "value": f"{token}.{dkim['SigningHostedZone']}",
            }
            for token in dkim["Tokens"]
        ]
        return {"next": "publish these records", "records": records}, 201

    @app.get("/senders/<name>")
    def standing(name: str) -> Answer:
        """Say whether the customer may send from there, and if not, what is wrong."""
        try:
            identity = ses.get_email_identity(EmailIdentity=name)
        except ses.exceptions.NotFoundException:
            return {"problem": f"{name} is not registered"}, 404
        problem = identity["VerificationInfo"].get("ErrorType")
        status = identity["VerificationStatus"]
        return {"may_send": identity["VerifiedForSendingStatus"], "status": status, "problem": problem}, 200

    return app
