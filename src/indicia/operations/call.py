"""The call that a handler answers: `indicia.domain.call.Call`, which the edge makes and operations read."""

from indicia.domain.call import Call

__all__ = ["Call"]
