"""What goes over the wire, to the octet, in both protocols and on both databases."""

from __future__ import annotations

import os
import re
from pathlib import Path
from urllib.parse import parse_qsl

import pytest
from desk import Desk
from transcripts import Exchange, Stage, exchanges, rewritten

from indicia.operations.registry import REGISTRY
from indicia.wire.aws.rest import Router

ROUTER = Router()
# These take nothing that could be wrong.
NEVER_REFUSED = {
    ("ses", "GetAccountSendingEnabled"),
    ("ses", "GetSendQuota"),
    ("ses", "ListVerifiedEmailAddresses"),
    ("sesv2", "GetAccount"),
    ("sts", "GetCallerIdentity"),
}
GOLDEN = sorted((Path(__file__).parent / "golden").glob("*.txt"))


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_answers_are_what_they_were(desk: Desk, path: Path) -> None:
    """Each request of a transcript, in its order, is answered in the very octets that stand there."""
    if os.environ.get("INDICIA_GOLDEN") == "write":
        path.write_text(rewritten(path, Stage(desk)), "utf-8")
        return
    stage = Stage(desk)
    for step in exchanges(path.read_text("utf-8")):
        given = stage.play(step)

        assert step.scene or stage.fits(step.answer, given), "\n".join(
            [f"{path.name}:{step.line}", *step.request, "expected:", *step.answer, "given:", *given]
        )


def called() -> dict[tuple[str, str], set[int]]:
    """Return the statuses with which the transcripts have each operation answer."""
    found: dict[tuple[str, str], set[int]] = {}
    for path in GOLDEN:
        for step in exchanges(path.read_text("utf-8")):
            if not step.scene:
                found.setdefault(operation_of(step), set()).add(int(step.answer[0].split()[0]))
    return found


def operation_of(step: Exchange) -> tuple[str, str]:
    """Return which operation the request is for: by its Action, or by its route."""
    method, _, target = re.sub(r"{{\w+}}", "x", step.request[0]).partition(" ")
    path, _, query = target.partition("?")
    if path == "/":
        form = dict(parse_qsl(query or step.request[1]))
        service = "sts" if form["Version"] == "2011-06-15" else "ses"
        return service, form.get("Action", "")
    return "sesv2", ROUTER.match(method, path.encode()).operation.name


@pytest.mark.parametrize(
    ("service", "operation"), [key for key in REGISTRY if key[0] != "indicia"], ids=lambda part: part
)
def test_every_operation_is_in_a_transcript(service: str, operation: str) -> None:
    """What is built has its request and a good answer written down; what can be refused, a refusal too."""
    statuses = called().get((service, operation), set())

    assert 200 in statuses, "write its request into golden/*.txt, and run this with INDICIA_GOLDEN=write"
    if (service, operation) not in NEVER_REFUSED:
        refused = any(status >= 400 for status in statuses)
        assert refused, "write a request down that is refused, or add it to NEVER_REFUSED"
