"""No page that people are shown has a flaw that axe knows, in a real browser, light and dark."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from indicia.domain.verification_mail.links import LinkState
from indicia.links import pages
from indicia.links.visits import LinkRequest, VisitFindings
from indicia.wire.http.front_page import front_page, https_page

TESTS = Path(__file__).resolve().parents[1]
AXE = TESTS / "clients" / "js" / "node_modules" / "axe-core" / "axe.min.js"
TEMPLATES = Path(pages.__file__).parent / "templates"
NO_PAGES = {"page", "facts"}  # what the others are made of
SIGHT = VisitFindings(
    LinkState.ISSUED,
    LinkRequest("someone@example.com", "111122223333", "eu-west-1", 1_795_323_960_000, 1_795_410_360_000),
    "someone@example.com",
    stopped=False,
)
# Each page in a frame of its own, so that it is looked at as a document, with its own landmarks and title.
LOOK = """<!DOCTYPE html><html lang="en"><title>looking</title><body><script type="module">
const pages = PAGES, axe = AXE, found = {};
for (const [name, text] of Object.entries(pages)) {
  const frame = document.createElement("iframe");
  frame.width = 800; frame.height = 1200; frame.srcdoc = text;
  const loaded = new Promise((done) => frame.addEventListener("load", done, {once: true}));
  document.body.append(frame);
  await loaded;
  const root = frame.contentDocument.documentElement;
  root.style.background ||= "Canvas";  // what the browser paints there, which axe takes for white
  const script = frame.contentDocument.createElement("script");
  script.textContent = axe;
  frame.contentDocument.head.append(script);
  const said = await frame.contentWindow.axe.run(frame.contentDocument);
  found[name] = {passes: said.passes.length, violations: said.violations.map(
    ({id, nodes}) => [id, ...nodes.map((node) => node.html)])};
  frame.remove();
}
const told = document.createElement("pre");
told.textContent = JSON.stringify(found);
document.body.append(told);
</script></body></html>"""


def shown() -> dict[str, str]:
    """Every page there is, by its name."""
    made = pages._Pages("mail.example")  # the templates filled in, without a visit to each state of a link
    names = {path.name.removesuffix(".html.j2") for path in TEMPLATES.glob("*.html.j2")} - NO_PAGES
    found = {name: bytes(made.page(name, 200, SIGHT).body).decode() for name in sorted(names)}
    for api in (True, False):
        found[f"front page, API {api}"] = front_page({b"host": b"mail.example"}, "https", api=api)[2].decode()
    found["https"] = https_page("https://mail.example")[2].decode()
    return found


def looked_at(folder: Path, *, dark: bool) -> dict[str, dict[str, object]]:
    """What axe says of each page in chromium."""
    texts = json.dumps(shown()).replace("</", "<\\/")
    axe = json.dumps(AXE.read_text(encoding="utf-8")).replace("</", "<\\/")
    (folder / "look.html").write_text(
        LOOK.replace("PAGES", texts, 1).replace("AXE", axe, 1), encoding="utf-8"
    )
    done = subprocess.run(
        [
            "chromium", "--headless", "--no-sandbox", "--disable-gpu",
            f"--user-data-dir={folder / 'profile'}",
            f"--blink-settings=preferredColorScheme={0 if dark else 1}",
            "--virtual-time-budget=60000", "--timeout=60000", "--dump-dom", f"file://{folder}/look.html",
        ],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    told = re.search(r"<pre>(.*?)</pre>", done.stdout, re.DOTALL)
    assert told is not None, done.stdout[-2000:] + done.stderr[-2000:]
    found: dict[str, dict[str, object]] = json.loads(html.unescape(told[1]))
    return found


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_no_page_has_a_flaw(tmp_path: Path, dark: bool) -> None:
    """Landmarks, headings, names, contrast and the rest: whoever uses another way to read reads it all."""
    if shutil.which("chromium") is None:
        pytest.skip("chromium is not installed: apt-get install chromium")
    if not AXE.is_file():
        pytest.skip(
            f"axe is not installed: npm install --prefix {TESTS / 'clients' / 'js'} --no-package-lock"
        )
    found = looked_at(tmp_path, dark=dark)

    assert found.keys() == shown().keys()
    assert all(int(str(each["passes"])) > 10 for each in found.values())
    assert {name: each["violations"] for name, each in found.items() if each["violations"]} == {}
