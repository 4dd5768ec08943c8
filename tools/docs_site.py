"""Build the documentation as one site that a browser reads from the disk: `build/docs-site/index.html`.

The pages are staged as they lie in the repository, so that the links between them hold, and with them each
source that one of them links to, as a page that shows it. What is left is one set of pages that needs nothing
of the network: no font, no script and no picture of another host.

Run by the interpreter that `requirements-docs.lock` is installed for. Exits with 1 on a link or a heading
that is not there, and on a page that no other leads to.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build"
PAGES = BUILD / "docs-pages"
SITE = BUILD / "docs-site"
LINK = re.compile(r"\]\((?P<path>[^)#\s]+)(?P<fragment>#[^)\s]*)?\)")
FENCE = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)
TITLE = re.compile(r"^# (.+)$", re.MULTILINE)
# The folders of docs/ in the order in which a newcomer wants them, and the pages beside them.
SECTIONS: dict[str, list[str]] = {
    "Start": ["README.md", "docs/index.md", "docs/testing.md", "examples/README.md"],
    "Run it": ["docs/operate"],
    "Findings": ["docs/findings"],
    "Reference": ["docs/reference", "docs/spec"],
    "Understand it": ["docs/explain"],
    "Change it": ["CONTRIBUTING.md", "docs/decisions", "CHANGELOG.md", "SECURITY.md"],
}
LANGUAGES = {".py": "python", ".toml": "toml", ".mako": "mako", ".service": "ini", ".json": "json"}


def stage() -> None:
    """Put every page, and every source that one links to, into `PAGES`."""
    shutil.rmtree(PAGES, ignore_errors=True)
    shown: set[Path] = set()
    for page in _pages():
        text = page.read_text(encoding="utf-8")
        staged = PAGES / page.relative_to(ROOT)
        staged.parent.mkdir(parents=True, exist_ok=True)
        staged.write_text(_linked(text, page, shown), encoding="utf-8")
    for source in sorted(shown):
        _show(source)
    script = PAGES / "assets" / "mermaid.js"
    script.parent.mkdir()
    shutil.copyfile(_diagram_script(), script)


def _pages() -> list[Path]:
    """Return every Markdown page that the repository holds for its readers."""
    folders = (ROOT / "docs", ROOT / "examples")
    found = (*ROOT.glob("*.md"), *(page for folder in folders for page in folder.rglob("*.md")))
    return sorted(page for page in found if "node_modules" not in page.parts)


def _linked(text: str, page: Path, shown: set[Path]) -> str:
    """Return the page with its links to sources leading to the pages that show them, noted in `shown`."""

    def led(link: re.Match[str]) -> str:
        path = link["path"]
        target = (page.parent / path).resolve()
        if "://" in path or path.startswith("mailto:") or target.suffix == ".md" or not target.exists():
            return link[0]
        if target.is_dir() and (target / "README.md").exists():
            return f"]({path.rstrip('/')}/README.md{link['fragment'] or ''})"
        shown.add(target)
        return f"]({path.rstrip('/')}.md)"

    parts, at = [], 0
    for fence in FENCE.finditer(text):
        parts += [LINK.sub(led, text[at : fence.start()]), fence[0]]
        at = fence.end()
    return "".join([*parts, LINK.sub(led, text[at:])])


def _show(source: Path) -> None:
    """Put a page for a source, or for a folder that lists what is in it."""
    inside = source.relative_to(ROOT).as_posix()
    page = PAGES / f"{inside}.md"
    page.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        names = sorted(each.name for each in source.iterdir() if not each.name.startswith((".", "__")))
        body = "\n".join(f"- `{name}`" for name in names)
    else:
        fence = "`" * 6
        body = (
            f"{fence} {LANGUAGES.get(source.suffix, 'text')}\n{source.read_text(encoding='utf-8')}\n{fence}"
        )
    hidden = "---\nsearch:\n  exclude: true\nhide:\n  - toc\n---\n"
    page.write_text(f"{hidden}# `{inside}`\n\n{body}\n", encoding="utf-8")


def _diagram_script() -> Path:
    """Return the script that draws the diagrams, as the package brings it."""
    package = importlib.util.find_spec("mermaidx")
    assert package is not None
    assert package.origin is not None
    return Path(package.origin).parent / "assets" / "mermaid.js"


def navigation() -> list[dict[str, object]]:
    """Return the tree of pages: a section for each part, the index of a folder first."""
    return [
        {title: [entry for each in parts for entry in _entries(each)]} for title, parts in SECTIONS.items()
    ]


def _entries(part: str) -> list[dict[str, str]]:
    where = ROOT / part
    pages = [where] if where.is_file() else sorted(where.glob("*.md"), key=_rank)
    return [{_title(page): page.relative_to(ROOT).as_posix()} for page in pages]


def _rank(page: Path) -> tuple[bool, str]:
    """Return a key by which the page to begin with comes first, the others by their titles."""
    return page.stem not in {"index", "architecture"}, page.stem if page.stem[0].isdigit() else _title(page)


def _title(page: Path) -> str:
    found = TITLE.search(page.read_text(encoding="utf-8"))
    return (found[1] if found else page.stem).replace("`", "")


def configuration() -> dict[str, object]:
    """Return how the site is built. A link that leads nowhere is an error (`mkdocs build --strict`)."""
    diagrams = {"name": "mermaid", "class": "mermaid", "format": _FENCE}
    palette = [
        {"media": f"(prefers-color-scheme: {light})", "scheme": scheme} for light, scheme in _SCHEMES.items()
    ]
    return {
        "site_name": "Indicia",
        "docs_dir": str(PAGES),
        "site_dir": str(SITE),
        "use_directory_urls": False,  # read from the disk, a folder opens no page
        "theme": {
            "name": "material",
            "font": False,
            "palette": palette,
            "features": ["navigation.tabs", "navigation.indexes"],
        },
        "plugins": ["search"],
        "extra_javascript": ["assets/mermaid.js"],
        "markdown_extensions": [
            *("tables", "admonition", "pymdownx.highlight", "toc"),
            {"pymdownx.superfences": {"custom_fences": [diagrams]}},
        ],
        "validation": {
            "nav": {"omitted_files": "info"},
            "links": dict.fromkeys(("not_found", "anchors", "absolute_links", "unrecognized_links"), "warn"),
        },
        "nav": navigation(),
    }


_FENCE = "pymdownx.superfences.fence_code_format"
_SCHEMES = {"light": "default", "dark": "slate"}


def build() -> int:
    """Build the site from what is staged; return the exit code of the builder."""
    written = BUILD / "mkdocs.yml"
    # JSON is YAML, but for the name of a function, which is a tag of its own.
    text = json.dumps(configuration()).replace(f'"{_FENCE}"', f"!!python/name:{_FENCE} ''")
    written.write_text(text, encoding="utf-8")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--clean", "-f", str(written)]
    said = {"NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, check=False, env={**os.environ, **said}, stderr=subprocess.PIPE, text=True)
    if done.returncode:
        sys.stderr.write(done.stderr)
    return done.returncode


def main() -> None:
    """Build it, and say where it is."""
    stage()
    code = build()
    if code:
        sys.exit(code)
    foreign = [found for page in SITE.rglob("*.html") for found in _foreign(page)]
    if foreign:
        sys.exit("\n".join(["Pages that ask another host for something:", *foreign]))
    site = SITE.relative_to(ROOT)
    print(f"{site}/index.html; its search wants a server: python3 -m http.server -d {site}")


def _foreign(page: Path) -> list[str]:
    """Return what a page would fetch from elsewhere when it is opened."""
    fetched = re.findall(
        r'<(?:script|img|iframe|link)\b[^>]*?(?:src|href)="(https?://[^"]+)"', page.read_text()
    )
    return [f"{page.relative_to(SITE)}: {each}" for each in fetched]


if __name__ == "__main__":
    main()
