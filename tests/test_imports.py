"""The arrows of the house: which room may know which other, read from the sources."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCES = Path(__file__).parent.parent / "src"
EVERYBODY_BUT_DOMAIN = {"settings", "runtime.clock", "runtime.background_loop", "private_files"}

# A room to the rooms (or modules of them) that it may import beside itself. `docs` has the picture.
ARROWS: dict[str, set[str]] = {
    "domain": set(),
    "settings": {"domain"},
    "runtime": {"domain", "store"},
    "connections": set(),
    "wire": {"domain", "connections"},
    "store": {"domain"},
    "vault": {"domain", "store"},
    "keyzone": {"domain", "store", "connections"},
    "verifier": {"domain", "store", "runtime.delivery_loop"},
    "mail": {"domain", "store", "runtime.delivery_loop"},
    "announcements": {"domain", "store", "mail.message", "mail.notices"},
    "links": {"domain", "store", "mail", "announcements"},
    "outbound": {"domain"},
    "webhooks": {"domain", "store", "vault", "outbound", "announcements", "runtime.delivery_loop"},
    "operations": {
        *("domain", "store", "vault", "announcements", "wire.shapes", "wire.own", "verifier.diagnosis"),
        *("mail.message", "mail.notices", "mail.html.harmless"),
    },
    "publicsuffix": set(),
    "credentials": set(),
    "private_files": set(),
    "operator_entries": {"domain", "store"},
    "installation": {"domain", "store", "vault", "credentials", "operator_entries"},
}
# These put the others together.
ALL_ROOMS = {"app", "cli", "__main__"}
# These are parts of what `app` starts, so they know nothing of it.
ALL_BUT_THE_ENTRANCE = {"sandbox", "testing"}

# What the domain is told instead of finding out: the time, chance, the outside.
INPUTS_OF_THE_DOMAIN = {
    *("time", "random", "secrets", "os", "io", "pathlib", "tempfile", "subprocess", "logging"),
    *("socket", "ssl", "select", "asyncio", "threading", "multiprocessing", "http", "smtplib", "sqlite3"),
}


def imported(path: Path) -> Iterator[tuple[int, str]]:
    """Yield line and dotted name of every import in a file, those for types only included."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, name.name) for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: imports are written in full"
            for name in node.names:
                yield node.lineno, f"{node.module}.{name.name}"


def room_of(dotted: str) -> str:
    """Return the room of a dotted name below `indicia`."""
    return dotted.split(".")[1]


def may_import(room: str, dotted: str) -> bool:
    """Say whether the table has an arrow from a room to what it imports."""
    if dotted.count(".") == 0 or dotted in {"indicia.__version__", "indicia.VERSION"}:
        return True
    target = room_of(dotted)
    if room == target or room in ALL_ROOMS:
        return True
    if room in ALL_BUT_THE_ENTRANCE:
        return target not in ALL_ROOMS
    allowed = ARROWS[room] | (EVERYBODY_BUT_DOMAIN if room != "domain" else set())
    below = dotted.removeprefix("indicia.")
    return any(below == arrow or below.startswith(f"{arrow}.") for arrow in allowed)


def trespasses(sources: Path) -> list[str]:
    """Return every import that has no arrow, as `file:line: sentence`."""
    found = []
    for path in sorted(sources.glob("indicia/**/*.py")):
        inside = path.relative_to(sources / "indicia")
        room = inside.parts[0].removesuffix(".py")
        if room == "__init__":
            continue
        if room not in {*ARROWS, *ALL_ROOMS, *ALL_BUT_THE_ENTRANCE}:
            found.append(f"{inside}: the room `{room}` has no arrows in tests/test_imports.py")
            continue
        found += [
            f"{inside}:{line}: `{room}` may not import `{dotted}`"
            for line, dotted in imported(path)
            if dotted.split(".")[0] == "indicia" and not may_import(room, dotted)
        ]
    return found


def test_every_import_follows_an_arrow() -> None:
    """No module of ours imports a room that the table does not let it know."""
    assert trespasses(SOURCES) == []


def test_the_domain_is_pure() -> None:
    """The domain imports the standard library and itself, and nothing that has inputs of its own."""
    allowed = (sys.stdlib_module_names - INPUTS_OF_THE_DOMAIN) | {"indicia"}
    strangers = [
        f"{path.relative_to(SOURCES)}:{line}: {dotted}"
        for path in sorted(SOURCES.glob("indicia/domain/**/*.py"))
        for line, dotted in imported(path)
        if dotted.split(".")[0] not in allowed
    ]

    assert strangers == []


def test_a_resolution_sees_no_socket() -> None:
    """What is next for a question is decided from what is told: no network, no loop, no clock, no chance."""
    path = SOURCES / "indicia" / "verifier" / "dns" / "resolution.py"
    used = {dotted.split(".")[0] for _, dotted in imported(path)}
    beside = {dotted for _, dotted in imported(path) if dotted.startswith("indicia.verifier.dns.")}

    assert used & INPUTS_OF_THE_DOMAIN == set()
    assert not any(each.split(".")[3] in {"sockets", "client", "open_question"} for each in beside)


def test_nothing_of_ours_is_built_on_another_http_server() -> None:
    """The server is ours down to its parser and its loop; uvicorn is a peer of the bench."""
    users = [
        path.relative_to(SOURCES).as_posix()
        for path in SOURCES.glob("indicia/**/*.py")
        if any(dotted.split(".")[0] == "uvicorn" for _, dotted in imported(path))
    ]

    assert users == []


# Layers that have subjects. Those of each have an order: whoever reads one need not know those after it.
LAYERS = ("app", "domain", "mail", "operations", "store", "verifier", "wire")


def modules(sources: Path) -> dict[str, set[str]]:
    """Return each module of ours to those of ours that it imports, at once, later, or for types only."""
    names = {
        ".".join(path.relative_to(sources).with_suffix("").parts).removesuffix(".__init__"): path
        for path in sources.glob("indicia/**/*.py")
    }
    known: dict[str, set[str]] = {}
    for name, path in names.items():
        found = {dotted if dotted in names else dotted.rpartition(".")[0] for _, dotted in imported(path)}
        known[name] = {each for each in found if each in names and each != name}
    return known


def subjects(sources: Path, layer: str) -> dict[str, set[str]]:
    """Return each subject of a layer to those of the same layer that it imports.

    Tables are apart: foreign keys tie them, and queries read across. They import nothing but tables.
    """
    known: dict[str, set[str]] = {}
    for name, targets in modules(sources).items():
        parts = name.split(".")
        if parts[1:2] != [layer] or len(parts) < 4:
            continue
        inside = (target.split(".") for target in targets)
        beside = {
            each[2]
            for each in inside
            if each[1:2] == [layer] and len(each) > 3 and (each[-1] != "tables" or parts[-1] == "tables")
        }
        known.setdefault(parts[2], set()).update(beside - {parts[2]})
    return known


def test_tables_know_nothing_but_tables() -> None:
    """Whoever reads a declaration of tables need not know a query."""
    ground = {"indicia.store.engine.columns", "indicia.store.engine.owned"}
    known = {
        target
        for name, targets in modules(SOURCES).items()
        if name.startswith("indicia.store.") and name.endswith(".tables")
        for target in targets
    }

    assert {
        each for each in known if each.startswith("indicia.store.") and not each.endswith(".tables")
    } <= ground


def in_circles(known: dict[str, set[str]]) -> set[str]:
    """Return what imports itself, round about."""

    def reached(start: str) -> set[str]:
        seen: set[str] = set()
        left = list(known[start])
        while left:
            each = left.pop()
            if each not in seen:
                seen.add(each)
                left += known.get(each, ())
        return seen

    return {name for name in known if name in reached(name)}


def test_no_module_imports_itself_round_about() -> None:
    """Neither at once nor later nor for types: whoever reads a module need not know what comes after it."""
    assert in_circles(modules(SOURCES)) == set()


@pytest.mark.parametrize("layer", LAYERS)
def test_no_subjects_import_each_other(layer: str) -> None:
    """Subjects of a layer have an order, and rooms too."""
    assert in_circles(subjects(SOURCES, layer)) == set()


def test_no_rooms_import_each_other() -> None:
    """The rooms have an order."""
    known: dict[str, set[str]] = {}
    for name, targets in modules(SOURCES).items():
        parts = name.split(".")
        if len(parts) > 2:
            rooms = {target.split(".")[1] for target in targets if target.count(".") > 1}
            known.setdefault(parts[1], set()).update(rooms - {parts[1]})

    assert in_circles(known) == set()


def test_a_circle_is_found(tmp_path: Path) -> None:
    """The check sees one through other modules, and one that is there for types only."""
    folder = tmp_path / "indicia" / "store"
    for name, text in (
        ("a", "from indicia.store.b import x"),
        ("b", "def f():\n    from indicia.store import c"),
        ("c", "if TYPE_CHECKING:\n    from indicia.store.a import y"),
        ("d", "import indicia.store.a"),
    ):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}.py").write_text(text)

    assert in_circles(modules(tmp_path)) == {f"indicia.store.{name}" for name in "abc"}


def test_one_process_alone_reads_html_of_strangers() -> None:
    """Whatever the parser takes, it takes from a child that may die of it: nobody else imports it."""
    readers = {
        str(path.relative_to(SOURCES / "indicia"))
        for path in SOURCES.glob("indicia/**/*.py")
        for _, dotted in imported(path)
        if dotted == "nh3" or dotted.startswith("indicia.mail.html.restricted")
    }

    assert readers == {"mail/html/restricted.py", "mail/html/child.py"}


@pytest.mark.parametrize("name", ["utils", "helpers", "common", "misc", "base", "core"])
def test_no_module_is_named_after_nothing(name: str) -> None:
    """A module whose name is no subject does not exist."""
    assert list(SOURCES.glob(f"indicia/**/{name}.py")) == []
    assert list(SOURCES.glob(f"indicia/**/{name}/")) == []


@pytest.mark.parametrize(
    ("file", "line", "complaint"),
    [
        ("domain/x.py", "from indicia.store import ids", "`domain` may not import `indicia.store.ids`"),
        (
            "domain/x.py",
            "from indicia.runtime.clock import Clock",
            "`domain` may not import `indicia.runtime.clock.Clock`",
        ),
        (
            "wire/x.py",
            "import indicia.operations.registry",
            "`wire` may not import `indicia.operations.registry`",
        ),
        (
            "operations/x.py",
            "from indicia.wire.aws import sigv4",
            "`operations` may not import `indicia.wire.aws.sigv4`",
        ),
        ("sandbox/x.py", "from indicia.app import serve", "`sandbox` may not import `indicia.app.serve`"),
        ("store/x.py", "def f():\n    from indicia import vault", "`store` may not import `indicia.vault`"),
        ("attic.py", "x = 1", "the room `attic` has no arrows in tests/test_imports.py"),
    ],
)
def test_a_trespass_is_found(tmp_path: Path, file: str, line: str, complaint: str) -> None:
    """The check sees an import against the arrows, wherever in a file it stands."""
    path = tmp_path / "indicia" / file
    path.parent.mkdir(parents=True)
    path.write_text(line)

    assert [found.split(": ", 1)[1] for found in trespasses(tmp_path)] == [complaint]


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("operations/x.py", "from indicia.wire.shapes import sesv2"),
        ("verifier/x.py", "from indicia.runtime.clock import Clock"),
        ("cli/x.py", "from indicia.app import serve"),
        ("sandbox/x.py", "from indicia.operations.registry import REGISTRY"),
    ],
)
def test_an_arrow_is_followed(tmp_path: Path, file: str, line: str) -> None:
    """What the table allows is not complained about."""
    path = tmp_path / "indicia" / file
    path.parent.mkdir(parents=True)
    path.write_text(line)

    assert trespasses(tmp_path) == []
