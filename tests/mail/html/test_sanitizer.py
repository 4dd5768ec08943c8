"""HTML that would end a process, and what becomes of it: the child, not us."""

from __future__ import annotations

import os
import re
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sanitizing import PATIENT
from serving import until

from indicia.domain.faults import Fault, FaultKind
from indicia.mail.html.harmless import (
    MEMORY,
    MOST_IMAGES,
    MOST_OCTETS,
    TOO_MUCH,
    HarmlessHtml,
    UnsuitableHtmlError,
)
from indicia.mail.html.restricted import restricted
from indicia.mail.html.sanitizer import Sanitizer

DOMAIN = "mail.example.org"
PIXEL = "data:image/gif;base64,R0lGODlhAQABAAAAACw="


@pytest.fixture
def sanitizer() -> Iterator[Sanitizer]:
    """One that has no child yet."""
    made = Sanitizer(within=PATIENT)
    yield made
    made.close()


def nested(elements: int, paragraphs: int) -> str:
    """Elements that every paragraph opens again."""
    return "<p>" + "".join(f"<b id={n}>" for n in range(elements)) + "<p>x" * paragraphs


def children_of(process: int) -> list[int]:
    """The children of this process that make HTML harmless."""
    found = Path(f"/proc/{process}/task/{process}/children")
    threads = found.parent.parent.glob("*/children")
    numbers = {int(each) for place in threads for each in place.read_text().split()}
    return [n for n in numbers if "indicia.mail.html.child" in Path(f"/proc/{n}/cmdline").read_text()]


def test_what_is_left_is_what_the_parser_leaves(sanitizer: Sanitizer) -> None:
    """Words, images and text arrive from the child as they are made there."""
    html = f'<h1 onclick="x()">Grüße</h1><script>1</script><img alt="a" src="{PIXEL}"><p>zwei</p>'

    left = sanitizer(html, DOMAIN)

    assert left == restricted(html, domain=DOMAIN)
    assert HarmlessHtml.unpacked(left.packed()) == left
    assert (left.text, left.images[0].content_id) == ("Grüße\nzwei", f"image1@{DOMAIN}")


@pytest.mark.parametrize(
    "html",
    [
        nested(600, 1000),  # 10 KB become 10 MB
        nested(1000, 1500),  # 16 KB become 24 MB
        nested(8000, 60_000),
        "<div>" * 200_000,
        "& " * 500_000,
    ],
    ids=["10 KB", "16 KB", "300 KB", "deep", "ampersands"],
)
def test_a_document_that_multiplies_is_refused_and_nothing_else_happens(
    sanitizer: Sanitizer, html: str
) -> None:
    """The child that reads it may die of it; whoever asked is told why, and the next document is answered."""
    with pytest.raises(UnsuitableHtmlError, match=r"nested too deeply|would be left"):
        sanitizer(html, DOMAIN)

    assert sanitizer("<p>x</p>", DOMAIN).fragment == "<p>x</p>"


def test_a_plain_megabyte_is_no_trouble(sanitizer: Sanitizer) -> None:
    """What people write is far below the limits, however much there is of it."""
    html = '<p style="color:red">word <a href="https://a.example/?a=1&amp;b=2">x</a></p>\n' * 12_000

    left = sanitizer(html, DOMAIN)

    assert left.fragment.count("word") == left.text.count("word") == 12_000
    assert len(left.packed()) < MOST_OCTETS


def test_there_is_a_limit_on_images(sanitizer: Sanitizer) -> None:
    """Each is a part of the mail."""
    assert len(sanitizer(f'<img src="{PIXEL}">' * MOST_IMAGES, DOMAIN).images) == MOST_IMAGES
    with pytest.raises(UnsuitableHtmlError, match="more than 100 images"):
        sanitizer(f'<img src="{PIXEL}">' * (MOST_IMAGES + 1), DOMAIN)


def test_a_child_serves_one_document_after_the_other(sanitizer: Sanitizer) -> None:
    """Only the first waits for a process to start."""
    sanitizer("<p>1</p>", DOMAIN)
    before = children_of(os.getpid())
    sanitizer("<p>2</p>", DOMAIN)
    assert children_of(os.getpid()) == before


def test_a_child_that_somebody_ended_is_nobodys_fault(sanitizer: Sanitizer) -> None:
    """A document that meets an idle child's end is read by another child."""
    others = set(children_of(os.getpid()))
    sanitizer("<p>1</p>", DOMAIN)
    (mine,) = set(children_of(os.getpid())) - others

    os.kill(mine, signal.SIGKILL)

    assert sanitizer("<p>2</p>", DOMAIN).fragment == "<p>2</p>"
    until(lambda: mine not in children_of(os.getpid()), "the end of the child")


def test_a_machine_that_gives_no_answer_is_our_trouble() -> None:
    """In no time there is none: unavailable, and not that the document is a bad one."""
    hurried = Sanitizer(within=0.0)
    with pytest.raises(Fault) as refused:
        hurried("<p>x</p>", DOMAIN)
    assert refused.value.kind is FaultKind.UNAVAILABLE
    hurried.close()


def test_closing_ends_every_child(sanitizer: Sanitizer) -> None:
    """Whoever waits for an answer is told at once that there is none; none is started any more."""
    others = set(children_of(os.getpid()))
    told: list[Any] = []

    def ask() -> None:
        try:
            sanitizer("& " * 500_000, DOMAIN)
        except (Fault, UnsuitableHtmlError) as refusal:
            told.append(refusal)

    asking = threading.Thread(target=ask)
    asking.start()
    until(lambda: set(children_of(os.getpid())) - others, "a child")
    sanitizer.close()
    asking.join()

    assert [type(each) for each in told] == [Fault]
    assert set(children_of(os.getpid())) <= others
    with pytest.raises(Fault):
        sanitizer("<p>x</p>", DOMAIN)


def test_a_child_gets_nothing_of_ours(sanitizer: Sanitizer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither what is in the environment, such as secrets, nor open files; and it may write none.

    What it may take of memory and time is the kernel's to see to.
    """
    monkeypatch.setenv("INDICIA_ROOT_SECRET_ACCESS_KEY", "a-secret-that-opens-nothing-else-000000")
    others = set(children_of(os.getpid()))
    sanitizer("<p>x</p>", DOMAIN)
    (mine,) = set(children_of(os.getpid())) - others

    assert "INDICIA" not in Path(f"/proc/{mine}/environ").read_text()
    open_files = {str(each.readlink()).partition(":")[0] for each in Path(f"/proc/{mine}/fd").iterdir()}
    assert open_files <= {"pipe", "/dev/null"}
    limits = Path(f"/proc/{mine}/limits").read_text()
    assert "Max file size             0                    0 " in limits
    assert "Max core file size        0                    0 " in limits
    assert re.search(rf"^Max address space +{MEMORY} +{MEMORY} ", limits, re.MULTILINE)
    assert re.search(r"^Max cpu time +[1-9] ", limits, re.MULTILINE)


def test_the_reason_says_what_to_do() -> None:
    """In numbers that a person can hold their document against."""
    assert TOO_MUCH == (
        "its elements are nested too deeply, or there are too many of them: it takes more than 2 seconds or"
        " 256 MiB to read"
    )
