"""The signup, tested with the pytest plugin of Indicia: real verification, offline, in moments.

pytest examples/flask_signup
"""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient
from signup import create_app

from indicia.testing import Sandbox


@pytest.fixture
def browser(indicia: Sandbox) -> FlaskClient:
    """A customer's browser. The fixture `indicia` has told boto3 where the sandbox is."""
    return create_app().test_client()


def test_a_domain_becomes_a_sender(browser: FlaskClient, indicia: Sandbox) -> None:
    """The customer publishes the records that were shown, and may send."""
    shown = browser.post("/senders", data={"sender": "shop.example"})
    before = browser.get("/senders/shop.example").json
    for record in shown.json["records"]:
        indicia.put(record["name"], record["type"], [record["value"]])
    after = browser.get("/senders/shop.example").json

    assert shown.status_code == 201
    assert (before["may_send"], before["status"]) == (False, "PENDING")
    assert after == {"may_send": True, "status": "SUCCESS", "problem": None}


def test_a_panel_that_appends_the_zone(browser: FlaskClient, indicia: Sandbox) -> None:
    """The commonest mistake: it is told, and mended it is forgotten."""
    browser.post("/senders", data={"sender": "shop.example"})

    indicia.publish("shop.example", broken="DOUBLED_ZONE")
    wrong = browser.get("/senders/shop.example").json
    indicia.publish("shop.example")
    right = browser.get("/senders/shop.example").json

    assert wrong == {"may_send": False, "status": "PENDING", "problem": "HOST_NOT_FOUND"}
    assert right["may_send"]


def test_a_customer_who_never_publishes(browser: FlaskClient, indicia: Sandbox) -> None:
    """After three days it is over, which a test need not wait for."""
    browser.post("/senders", data={"sender": "forgotten.example"})

    indicia.advance("73h")

    assert browser.get("/senders/forgotten.example").json["status"] == "FAILED"


def test_a_domain_that_loses_its_records(browser: FlaskClient, indicia: Sandbox) -> None:
    """A sender whose records go away may send a while longer, and then no more."""
    browser.post("/senders", data={"sender": "shop.example"})
    indicia.publish("shop.example")

    indicia.withdraw("shop.example")
    indicia.advance("25h")
    at_risk = browser.get("/senders/shop.example").json
    indicia.advance("73h")
    lost = browser.get("/senders/shop.example").json

    assert (at_risk["may_send"], at_risk["status"]) == (True, "TEMPORARY_FAILURE")
    assert (lost["may_send"], lost["status"]) == (False, "FAILED")


def test_an_address_becomes_a_sender(browser: FlaskClient, indicia: Sandbox) -> None:
    """The customer follows the link in the mail."""
    browser.post("/senders", data={"sender": "ada@shop.example"})
    (mail,) = indicia.outbox

    indicia.follow(mail.links[0])

    assert mail.to == ("ada@shop.example",)
    assert browser.get("/senders/ada@shop.example").json["may_send"]


def test_what_is_refused(browser: FlaskClient) -> None:
    """What is no domain, what is there already, and what is not there."""
    bad = browser.post("/senders", data={"sender": "-shop-.example"})
    browser.post("/senders", data={"sender": "shop.example"})
    twice = browser.post("/senders", data={"sender": "shop.example"})
    missing = browser.get("/senders/nobody.example")

    assert [answer.status_code for answer in (bad, twice, missing)] == [400, 409, 404]
    assert bad.json["problem"]
