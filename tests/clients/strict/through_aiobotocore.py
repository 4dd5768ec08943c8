"""Identities through aiobotocore, which finds everything in the environment."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable

from aiobotocore.config import AioConfig
from aiobotocore.session import get_session
from botocore.exceptions import ClientError

ONCE = AioConfig(retries={"max_attempts": 0})


async def refusal(call: Awaitable[object]) -> ClientError:
    """Return how a call is refused."""
    try:
        await call
    except ClientError as error:
        return error
    raise AssertionError("it was not refused")


async def version_2() -> None:
    """Created, twice refused, read, listed, deleted, gone."""
    async with get_session().create_client("sesv2", config=ONCE) as sesv2:
        created = await sesv2.create_email_identity(EmailIdentity="aio.example")
        assert created["IdentityType"] == "DOMAIN"
        assert len(created["DkimAttributes"]["Tokens"]) == 3
        twice = await refusal(sesv2.create_email_identity(EmailIdentity="aio.example"))
        assert isinstance(twice, sesv2.exceptions.AlreadyExistsException), twice
        assert "aio.example" in twice.response["Error"]["Message"]
        read = await sesv2.get_email_identity(EmailIdentity="aio.example")
        assert read["VerificationStatus"] == "PENDING"
        listed = await sesv2.list_email_identities()
        assert "aio.example" in [each["IdentityName"] for each in listed["EmailIdentities"]]
        await sesv2.delete_email_identity(EmailIdentity="aio.example")
        gone = await refusal(sesv2.get_email_identity(EmailIdentity="aio.example"))
        assert isinstance(gone, sesv2.exceptions.NotFoundException), gone


async def version_1() -> None:
    """The domain that the test has published: awaited by the waiter, paged by the paginator."""
    async with get_session().create_client("ses", config=ONCE) as ses:
        names = {f"page{number}.example" for number in range(5)}
        await asyncio.gather(*(ses.verify_domain_identity(Domain=name) for name in names))
        pages = ses.get_paginator("list_identities").paginate(PaginationConfig={"PageSize": 2})
        found = [name async for page in pages for name in page["Identities"]]
        assert names <= set(found), found
        assert len(found) == len(set(found))
        published = sys.argv[1]
        await ses.get_waiter("identity_exists").wait(Identities=[published])
        attributes = await ses.get_identity_dkim_attributes(Identities=[published])
        assert attributes["DkimAttributes"][published]["DkimVerificationStatus"] == "Success"


asyncio.run(version_2())
asyncio.run(version_1())
print("all is well")
