"""The fuzz target for HTML is one: it finds nothing now, and finds what breaks its invariant."""

from __future__ import annotations

import random
import subprocess
import sys

from places import ROOT

from indicia.mail.html.harmless import HarmlessHtml

TARGET = ROOT / "fuzz" / "harmless_html.py"


def test_the_invariant_holds() -> None:
    """Documents that nest, multiply and confuse, other ones every time: each is harmless or refused."""
    seed = str(random.SystemRandom().randrange(1 << 32))
    tried = subprocess.run(
        [sys.executable, str(TARGET), "3", seed], capture_output=True, text=True, check=False
    )

    assert tried.returncode == 0, tried.stdout + tried.stderr
    assert int(tried.stdout.partition(" ")[0]) > 10


def test_what_breaks_it_is_found() -> None:
    """A sanitizer that leaves anything that runs, loads or covers is told so."""
    source: dict[str, object] = {"__name__": "target"}
    exec(compile(TARGET.read_text(), TARGET, "exec"), source)  # noqa: S102 - it is ours
    trouble = source["trouble"]

    def leaves(fragment: str) -> str:
        return str(trouble(lambda *_: HarmlessHtml(fragment, "", ()), ""))  # type: ignore[operator]

    assert leaves("<p>x</p>") == ""
    for fragment in (
        "<script>",
        '<p onclick="x">',
        '<a href="javascript:x">',
        '<img src="data:x">',
        '<p style="position:fixed">',
    ):
        assert "is left" in leaves(fragment)
