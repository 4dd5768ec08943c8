"""The registry of operations: what each entry says of itself holds, and subjects come when asked for."""

from __future__ import annotations

import subprocess
import sys
import threading
from typing import Any

import pytest
from msgspec.structs import fields

from indicia.operations.own.api import declared
from indicia.operations.registry import REGISTRY, SUBJECTS, AnyEntry, Registry
from indicia.wire.own import labels_of
from indicia.wire.shapes import operations

MODELLED = [entry for entry in REGISTRY.values() if entry.service != "indicia"]
OWN = [entry for entry in REGISTRY.values() if entry.service == "indicia"]


@pytest.mark.parametrize("entry", MODELLED, ids=lambda entry: f"{entry.service}.{entry.operation}")
def test_the_types_are_those_of_the_service_model(entry: AnyEntry) -> None:
    """Request and answer, for which the type checker has compared the handler."""
    shape = operations(entry.service)[entry.operation]

    assert entry.request is shape.request
    assert entry.answer is (shape.response or type(None))


@pytest.mark.parametrize("entry", OWN, ids=lambda entry: entry.operation)
def test_a_route_gives_every_member_of_its_request(entry: AnyEntry) -> None:
    """Labels, parameters of the query and the body are members, and no member is without a way in."""
    route = entry.route
    assert route is not None
    members = set(getattr(route.request, "__struct_fields__", ()))
    given = {*labels_of(route.template), *(name.replace("-", "_") for name in route.query)}

    without = {each.name for each in fields(route.request) if not each.required}
    assert {name.replace("-", "_") for name in route.query} <= without
    assert route.summary.endswith(".")
    assert members == (members if route.body == "*" else given | ({route.body} - {""}))


def test_each_call_of_our_own_has_a_place_of_its_own() -> None:
    """No two share method and path, and none is named twice."""
    places = [(route.method, route.template) for route in declared()]
    names = [route.operation for route in declared()]

    assert len(set(places)) == len(places)
    assert len(set(names)) == len(names)


def test_a_subject_is_taken_in_when_it_is_asked_for() -> None:
    """An operation of the first subject imports no table of another."""
    program = """
import sys
from indicia.operations.registry import REGISTRY
REGISTRY["sesv2", "GetEmailIdentity"]
ours = sorted(name for name in sys.modules if name.startswith("indicia.operations."))
print(*(name for name in ours if name.endswith(".table")))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert done.stdout.split() == [f"indicia.operations.{SUBJECTS[0]}.table"]


def test_what_no_subject_has_is_not_there() -> None:
    """Neither by key nor among all of them; and it has been looked for everywhere."""
    registry = Registry()

    assert ("sesv2", "SendEmail") not in registry
    assert len(registry) == len(REGISTRY)


def test_many_threads_find_what_is_there() -> None:
    """While one takes a subject in, another that looks further finds its operation all the same."""
    registry, keys = Registry(), list(REGISTRY)
    found: list[Any] = []
    together = threading.Barrier(8)

    def look(start: int) -> None:
        together.wait()
        found.extend(registry[key] for key in (*keys[start:], *keys[:start]))

    threads = [threading.Thread(target=look, args=(len(keys) * number // 8,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8 * len(keys)
