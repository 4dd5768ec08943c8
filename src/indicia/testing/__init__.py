"""A test kit: tests of programs that use the SES API, against a sandbox, with a DNS and a clock to steer.

Installed with the package as a pytest plugin: ask for the fixture `indicia`. For type annotations there are
`Sandbox`, which is what the fixture returns, and `Mail`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from indicia.testing.kit import Sandbox as Sandbox
    from indicia.testing.mail import Mail as Mail

__all__ = ["Mail", "Sandbox"]


def __getattr__(name: str) -> object:
    """Return what is exported, imported when it is first used: pytest loads this package in every run."""
    if name == "Sandbox":
        from indicia.testing.kit import Sandbox

        return Sandbox
    if name == "Mail":
        from indicia.testing.mail import Mail

        return Mail
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
