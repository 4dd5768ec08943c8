"""What a start leaves out: parts of libraries that nobody here uses and that take their time."""

from __future__ import annotations

import sys
from contextlib import suppress
from importlib.util import find_spec, module_from_spec
from threading import RLock
from types import ModuleType
from typing import Any, Final

# Of prometheus_client parts are used, and the package takes in HTTP servers.
# What packages say of themselves is imported by libraries that do not ask for it here; it takes in zip files.
_UNOPENED: Final = ("importlib.metadata", "prometheus_client")
_LOCK: Final = RLock()


def import_libraries() -> None:
    """Structlog is imported, and of it and of others what nobody uses will not be.

    That was measured at 70 ms of a start, 40 of them for rich, which is 4 of the 100 MiB that a server may
    have as well.
    """
    for name in _UNOPENED:
        _leave_unopened(name)
    # Its own parts ask the package for this by name, and would have it opened.
    import prometheus_client.values  # noqa: F401

    _import_structlog()
    _prepare_dnspython()


def _import_structlog() -> None:
    """Structlog is imported without what it takes in for tracebacks and for Windows."""
    absent = [name for name in ("colorama", "rich") if name not in sys.modules]
    for name in absent:
        sys.modules[name] = None  # type: ignore[assignment]  # so that importing it fails
    try:
        import structlog  # noqa: F401
    finally:
        for name in absent:
            del sys.modules[name]


def _prepare_dnspython() -> None:
    """Dnspython will be imported without what it can use and never is asked for: names come to it in ASCII.

    It would look for each among the packages that are installed, and read what they say of themselves.
    """
    with suppress(ImportError, AttributeError):  # where it looks, it is slower and nothing else
        from dns import _features

        for feature in ("dnssec", "doh", "doq", "idna"):
            _features.force(feature, enabled=False)


def _leave_unopened(name: str) -> None:
    """The module is there, and is executed when first asked for anything that is not one of its parts."""
    if name in sys.modules:
        return
    spec = find_spec(name)
    if spec is None:
        return
    module = module_from_spec(spec)
    module.__class__ = _Unopened
    sys.modules[name] = module
    above, _, last = name.rpartition(".")
    if above:
        setattr(sys.modules[above], last, module)


class _Unopened(ModuleType):
    """A module that has not been executed, whose parts can be imported. `LazyLoader` executes it for each."""

    def __getattr__(self, name: str) -> Any:
        """Return what the module has once it has been executed, which happens now."""
        with _LOCK:
            if self.__class__ is _Unopened:
                _open(self)
        return getattr(self, name)


class _Opening(ModuleType):
    """A module that is being executed: whoever else asks for something waits until it has been."""

    def __getattr__(self, name: str) -> Any:
        with _LOCK:  # the thread that executes it passes
            if self.__class__ is _Opening:
                raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}", name=name)
        return getattr(self, name)


def _open(module: ModuleType) -> None:
    """The module has been executed, and is one as any other."""
    spec = module.__spec__
    assert spec is not None
    assert spec.loader is not None
    module.__class__ = _Opening
    spec.loader.exec_module(module)
    module.__class__ = ModuleType
