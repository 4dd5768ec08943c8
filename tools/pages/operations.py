"""`docs/spec/index.md`: every operation of both API versions, of STS and of our own, and how far each is."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from indicia.operations.registry import REGISTRY
from indicia.wire import shapes
from indicia.wire.shapes.operation import Operation
from pages.markdown import ROOT, Blocks, code, link_to_source, table
from pages.routes import own_routes

PATH = "docs/spec/index.md"
README = "README.md"
_HEAD = ("operation", "state", "call", "permission", "where")


def blocks() -> Blocks:
    """Return the lists, and how many of each are built."""
    counts = [
        ("SES API v1 (`ses`, 2010-12-01)", *_count("ses")),
        ("SES API v2 (`sesv2`, 2019-09-27)", *_count("sesv2")),
    ]
    built = sum(int(done) for _, done, _ in counts)
    whole = sum(int(all_) for _, _, all_ in counts)
    told = f"Built: **{built} of {whole}** operations.\n\n" + table(("service", "built", "of"), counts)
    return {
        README: {"counts": told},
        PATH: {
            "counts": told,
            "sesv2": table(_HEAD, _listed("sesv2")),
            "ses": table(_HEAD, _listed("ses")),
            "sts": table(_HEAD, _listed("sts")),
            "own": table(_HEAD, _own()),
        },
    }


def _count(service: str) -> tuple[str, str]:
    known = shapes.operations(service)
    done = sum((service, name) in REGISTRY for name in known)
    return str(done), str(len(known))


def _listed(service: str) -> list[tuple[str, ...]]:
    earlier: dict[str, list[Operation]] = {}
    for operation in shapes.earlier_routes(service):
        earlier.setdefault(operation.name, []).append(operation)
    return [
        _row(service, operation, earlier.get(name, []))
        for name, operation in shapes.operations(service).items()
    ]


def _row(service: str, operation: Operation, earlier: Sequence[Operation]) -> tuple[str, ...]:
    entry = REGISTRY.get((service, operation.name))
    return (
        operation.name,
        "**built**" if entry else "no",
        _call(service, operation, earlier),
        code(entry.permission) if entry else "",
        _place(entry.handling.handler) if entry else "",
    )


def _call(service: str, operation: Operation, earlier: Sequence[Operation]) -> str:
    if service != "sesv2":
        return f"`Action={operation.name}`"
    return ", ".join(code(f"{each.method} {each.path}") for each in (operation, *earlier))


def _place(function: Callable[..., object] | None) -> str:
    """Return a link to the file that a function is in; nothing of what more than the store answers."""
    if function is None:
        return ""
    module = getattr(function, "__module__", "")
    name = getattr(function, "__name__", "")
    file = getattr(sys.modules.get(module), "__file__", None)
    if file is None:
        return code(name)
    path = Path(file).resolve()
    if not path.is_relative_to(ROOT):
        return code(name)
    return link_to_source(PATH, path, f"{module.removeprefix('indicia.')}.{name}")


def _own() -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for route in own_routes():
        entry = REGISTRY.get(("indicia", route.operation))
        if entry:
            permission = entry.permission
        else:
            permission = f"indicia:{route.operation}" if route.access.value == "signed" else ""
        rows.append(
            (
                route.operation,
                "**built**",
                code(f"{route.method} {route.template}"),
                code(permission),
                _place(entry.handling.handler) if entry else "",
            )
        )
    return rows
