"""Handlers whose module is imported when one of its functions is first called.

Most programs call a handful of the operations, and every start would pay for all of them.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any


class Later:
    """A module of this package that need not be imported yet; its functions can be passed on."""

    def __init__(self, name: str) -> None:
        self._module = f"{__package__}.{name}"

    def __getattr__(self, name: str) -> Callable[..., Any]:
        """Return what calls the function of that name."""
        return _Function(self._module, name)


class _Function:
    """A function, by its name in a module."""

    __slots__ = ("_found", "_module", "_name")

    def __init__(self, module: str, name: str) -> None:
        self._module = module
        self._name = name
        self._found: Callable[..., Any] | None = None

    def __call__(self, *given: Any) -> Any:
        """Call it."""
        return (self._found or self.__wrapped__)(*given)

    @property
    def __wrapped__(self) -> Callable[..., Any]:
        """The function itself, imported by now; `inspect.unwrap` asks for it."""
        if self._found is None:
            self._found = getattr(import_module(self._module), self._name)
        return self._found
