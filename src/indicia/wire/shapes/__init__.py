"""The typed requests and results of every operation, and what is known about each operation.

`ses`, `sesv2` and `sts` are generated from the AWS service models by `tools/generate_shapes.py`; the rest of
this package says in which words. A service is imported when it is first asked for.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import ModuleType

    from indicia.wire.shapes.operation import ErrorShape, Operation

SERVICES = ("ses", "sesv2", "sts")


def operations(service: str) -> Mapping[str, Operation]:
    """Every operation of `service` ("ses", "sesv2" or "sts") by name, in the order of the alphabet."""
    table: Mapping[str, Operation] = _module(service).OPERATIONS
    return table


def earlier_routes(service: str) -> tuple[Operation, ...]:
    """Operations at the routes where SDKs built on earlier service models call them."""
    routes: tuple[Operation, ...] = _module(service).EARLIER_ROUTES
    return routes


def errors(service: str) -> Mapping[str, ErrorShape]:
    """The modelled errors of `service` by the name of their shape."""
    table: Mapping[str, ErrorShape] = _module(service).ERRORS
    return table


@cache
def _module(service: str) -> ModuleType:
    if service not in SERVICES:
        raise KeyError(service)
    return import_module(f"indicia.wire.shapes.{service}")
