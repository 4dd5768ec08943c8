"""What people read is true: links lead somewhere, commands exist, snippets run, pages are up to date."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from indicia.cli import application
from indicia.domain.diagnosis.explanation import explain
from indicia.domain.verification.findings import Finding
from indicia.settings.table import BY_NAME

ROOT = Path(__file__).resolve().parent.parent
_FOLDERS = (ROOT / "docs", ROOT / "examples")
PAGES = sorted(
    page
    for page in (*ROOT.glob("*.md"), *(page for folder in _FOLDERS for page in folder.rglob("*.md")))
    if "node_modules" not in page.parts
)
FINDINGS = ROOT / "docs" / "findings"
SECTIONS = ("## What it means", "## What was seen", "## How to fix it", "## See it in a sandbox")

_FENCE = re.compile(
    r"(?:<!-- run in a sandbox: (?P<out>.+?) -->\n)?```(?P<kind>[\w-]+)\n(?P<text>.*?)```", re.DOTALL
)
_LINK = re.compile(r"\]\((?P<to>[^)\s]+)\)")
_INLINE = re.compile(r"`([^`\n]+)`")
_COMMAND = re.compile(r"(?:^\s*|\(|bin/)indicia ([^`\"\n|>#();&]+)", re.MULTILINE)
_SETTING = re.compile(r"\bINDICIA_([A-Z_]+[A-Z])\b")
_METRIC = re.compile(r"\bindicia_[a-z_]+\b")


def _ids(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


@cache
def _text(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def _anchors(page: Path) -> set[str]:
    """The fragments of a page's headings, as forges make them."""
    headings = re.findall(r"^#+ (.+)$", _text(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def _fences(page: Path, *kinds: str) -> list[re.Match[str]]:
    return [fence for fence in _FENCE.finditer(_text(page)) if fence["kind"] in kinds]


def _prose(page: Path) -> str:
    return _FENCE.sub("", _text(page))


@pytest.mark.parametrize("page", PAGES, ids=_ids)
def test_links_lead_somewhere(page: Path) -> None:
    """Every link to a file of the repository finds it, and every fragment a heading."""
    broken = []
    for link in _LINK.finditer(_prose(page)):
        if "://" in link["to"] or link["to"].startswith("mailto:"):
            continue
        path, _, fragment = link["to"].partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (fragment and fragment not in _anchors(target)):
            broken.append(link["to"])

    assert [] == broken


def test_every_page_can_be_reached() -> None:
    """From the README, following links, a reader comes to every page."""
    reached, waiting = set(), [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        if page in reached or page.suffix != ".md":
            continue
        reached.add(page)
        for link in _LINK.finditer(_prose(page)):
            path = link["to"].partition("#")[0]
            if path and "://" not in path and (page.parent / path).is_file():
                waiting.append((page.parent / path).resolve())

    assert [] == [_ids(page) for page in PAGES if page not in reached]


def test_examples_are_listed() -> None:
    """The page of the examples links to each of them."""
    there = {path.name for path in (ROOT / "examples").iterdir() if not path.name.startswith(("README", "_"))}
    linked = {link["to"].split("/")[0] for link in _LINK.finditer(_text(ROOT / "examples" / "README.md"))}

    assert there <= linked


def _commands_of(page: Path) -> list[str]:
    """What stands behind `indicia` in every shell fence and inline code of a page."""
    codes = [fence["text"] for fence in _fences(page, "sh")] + _INLINE.findall(_prose(page))
    return [match[1].strip() for code in codes for match in _COMMAND.finditer(code)]


def _wrong_word(line: str) -> str | None:
    """The first word behind `indicia` that is neither a command nor an option where it stands."""
    app = application()
    for word in line.split():
        if word == "--" or word.isupper():  # a command of the reader's own, or COMMAND
            return None
        if word.startswith("--"):
            known = {"--help", "--version"}
            if app.default_command is not None:
                known |= {name for each in app.assemble_argument_collection() for name in each.names}
            if word.partition("=")[0] not in known:
                return word
        elif word in app:
            app = app[word]
        elif app.default_command is None:
            return word
    return None


@pytest.mark.parametrize("page", [page for page in PAGES if _commands_of(page)], ids=_ids)
def test_commands_exist(page: Path) -> None:
    """Every `indicia ...` that a reader may type is a command with such options."""
    assert {} == {line: word for line in _commands_of(page) if (word := _wrong_word(line))}


@pytest.mark.parametrize("page", PAGES, ids=_ids)
def test_settings_and_metrics_exist(page: Path) -> None:
    """Every setting and every metric that is named is there."""
    names = {name.upper() for name in BY_NAME}
    names |= {f"{setting.name.upper()}_FILE" for setting in BY_NAME.values() if setting.has_file_form}
    metrics = (ROOT / "src" / "indicia" / "runtime/metrics.py").read_text(encoding="utf-8")

    metrics += (ROOT / "src" / "indicia" / "testing" / "plugin.py").read_text(
        encoding="utf-8"
    )  # options of it
    names |= {"SERVICE_HOST", "SERVICE_PORT", "PORT"}  # what Kubernetes puts into the environment
    names |= {"GOLDEN"}  # what tests of ours are told (`tests/operations/transcripts.py`)
    assert [] == [name for name in _SETTING.findall(_text(page)) if name not in names]
    assert [] == [name for name in _METRIC.findall(_text(page)) if name.removesuffix("_total") not in metrics]


@pytest.mark.parametrize("page", [page for page in PAGES if _fences(page, "python")], ids=_ids)
def test_python_is_python(page: Path) -> None:
    """Every Python fence compiles."""
    for fence in _fences(page, "python"):
        compile(fence["text"], str(page), "exec")


def _without_chance(text: str) -> list[str]:
    """Return the lines of a transcript with every token and instant alike, less the row of the key."""
    text = re.sub(r"\b[a-z2-7]{32}\b", "TOKEN", text)
    text = re.sub(r"\b\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", "INSTANT", text)
    # Whether the set has its key by then is a matter of how fast the machine makes keys.
    text = re.sub(r"[^\n]*the key, read through the CNAME[^\n]*\n[^\S\n]*\n", "", text)
    return [line.rstrip() for line in text.strip("\n").splitlines()]


def test_the_readme_shows_what_the_demo_prints() -> None:
    """The transcript in the README stands in the demo's own output, line for line, tokens and times apart."""
    done = subprocess.run(
        [sys.executable, "-m", "indicia", "sandbox", "--", sys.executable, "examples/first_domain.py"],
        cwd=ROOT,
        env={name: value for name, value in os.environ.items() if not name.startswith(("INDICIA_", "AWS_"))},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    printed = "\n".join(_without_chance(done.stdout))

    (transcript,) = (
        fence["text"] for fence in _fences(ROOT / "README.md", "text") if "$ indicia doctor" in fence["text"]
    )
    assert "\n".join(_without_chance(transcript)) in printed


@pytest.mark.parametrize("page", [page for page in PAGES if _fences(page, "sh")], ids=_ids)
def test_shell_is_shell(page: Path) -> None:
    """Every shell fence parses."""
    for fence in _fences(page, "sh"):
        done = subprocess.run(
            ["bash", "-n"], input=fence["text"], capture_output=True, text=True, check=False
        )

        assert "" == done.stderr


def test_one_sentence_a_line() -> None:
    """Prose has one sentence a line, so that changes are readable; tables, lists and quotes are their own."""
    joined = re.compile(r"[\w)`]\. [A-Z]")
    generated = re.compile(r"<!-- generated: (\S+) -->.*?<!-- end: \1 -->", re.DOTALL)
    long = [
        (_ids(page), line)
        for page in PAGES
        for line in _INLINE.sub("", generated.sub("", _prose(page))).splitlines()
        if line[:1].isalpha() and joined.search(line)
    ]

    assert [] == long


@pytest.mark.parametrize("finding", Finding, ids=lambda finding: finding.value)
def test_every_finding_has_a_page(finding: Finding) -> None:
    """A page a finding: a title, one line, the four sections, and a recipe or the reason for having none."""
    page = FINDINGS / f"{finding.value}.md"
    text = _text(page)

    assert text.startswith(f"# `{finding.value}`\n\n")
    assert list(SECTIONS) == re.findall(r"^## .+$", text, re.MULTILINE)
    assert all(part.strip() for part in re.split(r"^## .+$", text, flags=re.MULTILINE))
    assert _fences(page, "sh") or "\nNo recipe: " in text
    assert explain.__doc__


def test_generated_parts_are_up_to_date() -> None:
    """`make docs` would change nothing."""
    done = subprocess.run(
        [sys.executable, "tools/generate_docs.py", "--check"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert (0, "") == (done.returncode, done.stderr)


def test_the_resolver_configuration_is_one() -> None:
    """The configuration in deploy/unbound.conf is one that unbound accepts."""
    checker = shutil.which("unbound-checkconf", path=f"{os.environ['PATH']}:/usr/sbin")
    if checker is None:
        pytest.skip("unbound-checkconf is not installed: apt-get install unbound")

    done = subprocess.run(
        [checker, "deploy/unbound.conf"], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert 0 == done.returncode, done.stdout + done.stderr


def _in_a_sandbox(script: str) -> str:
    """What a bash script says, on both streams, in a sandbox of its own."""
    tools = Path(sys.executable).parent
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "INDICIA_"))}
    environ["PATH"] = f"{tools}:{environ['PATH']}"
    done = subprocess.run(
        [sys.executable, "-m", "indicia", "sandbox", "--", "bash", "-c", f"exec 2>&1\n{script}"],
        env=environ,
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT / "docs",  # no indicia.toml, no indicia-data
    )
    return done.stdout + done.stderr


def _needs(*programs: str) -> None:
    missing = [program for program in programs if shutil.which(program) is None]
    if missing:
        pytest.skip(f"not installed: apt-get install {' '.join(missing)}")


def _runnable() -> list[tuple[Path, str, str, str]]:
    return [
        (page, fence["kind"], fence["text"], fence["out"])
        for page in PAGES
        for fence in _fences(page, "sh", "python")
        if fence["out"]
    ]


def test_marked_snippets_run() -> None:
    """Every fence that is marked to run, runs in a sandbox, and says what its mark promises."""
    _needs("bash")
    parts = []
    for at, (_, kind, text, _) in enumerate(_runnable()):
        command = text if kind == "sh" else f"python - <<'SNIPPET'\n{text}SNIPPET\n"
        parts.append(f"echo '=== {at}'\n(\n{command}\n)\n")
    said = dict(part.split("\n", 1) for part in _in_a_sandbox("".join(parts)).split("=== ")[1:])

    assert parts, "the README has one at least"
    for at, (page, _, _, out) in enumerate(_runnable()):
        assert out in said[str(at)], f"{_ids(page)} says {said[str(at)]}"
        assert "not found" not in said[str(at)]


def test_recipes_end_in_their_findings() -> None:
    """The recipe of each page of findings makes the doctor say that finding."""
    _needs("bash", "curl", "openssl")
    (preparation,) = (fence["text"] for fence in _fences(FINDINGS / "index.md", "sh"))
    recipes = {
        finding.value: fences[0]["text"]
        for finding in Finding
        if finding is not Finding.OK and (fences := _fences(FINDINGS / f"{finding.value}.md", "sh"))
    }
    # Those of one identity one after the other, the identities side by side.
    told: dict[str, list[str]] = {}
    for name, recipe in recipes.items():
        told.setdefault(recipe.split()[-1], []).append(f"echo '=== {name}'\n{recipe}")
    groups = [f"(\n{''.join(group)}) > $folder/{identity} 2>&1 &\n" for identity, group in told.items()]
    script = f"folder=$(mktemp -d)\n{preparation}{''.join(groups)}wait\ncat $folder/*\nrm -r $folder\n"
    said = dict(part.split("\n", 1) for part in _in_a_sandbox(script).split("=== ")[1:])

    assert set(recipes) == set(said)
    for name, text in said.items():
        assert re.search(rf"\s{name}$", text, re.MULTILINE), f"{name}: {text}"
