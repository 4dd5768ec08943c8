"""The pages behind the links of a verification mail.

`/verify/<token>` shows the request and one form; sending that form to the same URL confirms the address.
`/verify/<token>?stop` is the same for "this was not me". Whatever only looks (GET and HEAD: mail programs,
link scanners, previews) changes nothing, however often it looks.

The pages set no cookie, run no script and load nothing; the token in their URL is passed on to nobody.
"""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha256
from importlib.resources import files
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

import jinja2
import structlog
from markupsafe import Markup
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

from indicia.domain.verification_mail.links import LinkState, is_token, token_hash
from indicia.domain.verification_mail.redirects import origin_of
from indicia.links.visits import Act, VisitFindings
from indicia.mail.message.compose import shown_moment

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request

    from indicia.links.visits import Links

_log = structlog.get_logger("indicia.links")

# State of a link -> status and page. A link that is over is gone for good (RFC 9110 §15.5.11).
_PAGES: Final[Mapping[LinkState, tuple[int, str]]] = {
    LinkState.ISSUED: (200, "confirm"),
    LinkState.USED: (410, "used"),
    LinkState.EXPIRED: (410, "expired"),
    LinkState.SUPERSEDED: (410, "superseded"),
    LinkState.STOPPED: (410, "stopped_link"),
    LinkState.UNKNOWN: (404, "unknown"),
}
# What the owner of a template has a page of their own for. Who said "this was not me" is told so by us.
_OVER: Final = frozenset({LinkState.USED, LinkState.EXPIRED, LinkState.SUPERSEDED})
_NOTHING_MORE: Final[Mapping[str, str]] = MappingProxyType({})
_UNKNOWN: Final = VisitFindings(LinkState.UNKNOWN, request=None, mailbox=None, stopped=False)


class _Pages:
    """The templates, filled in for one service."""

    def __init__(self, service: str) -> None:
        style = files("indicia.links").joinpath("templates/style.css").read_text("utf-8")
        self._templates = jinja2.Environment(
            loader=jinja2.PackageLoader("indicia.links", "templates"),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
        )
        self._templates.filters["moment"] = shown_moment
        # Our own file, not a value; what is hashed has to be what is between the tags.
        self._templates.globals |= {"service": service, "style": Markup(style)}  # noqa: S704
        self._style = b64encode(sha256(style.encode("utf-8")).digest()).decode("ascii")

    def page(
        self,
        name: str,
        status: int,
        sight: VisitFindings = _UNKNOWN,
        headers: Mapping[str, str] = _NOTHING_MORE,
    ) -> Response:
        """Return a page, filled in with what the visit found."""
        body = self._templates.get_template(f"{name}.html.j2").render(sight=sight, request=sight.request)
        return Response(body, status, {**_headers(self._style, sight), **headers}, media_type="text/html")

    def elsewhere(self, url: str) -> Response:
        """Return the way to a page of the template's owner (RFC 9110 §15.4.4: to be read there with GET)."""
        return Response(status_code=303, headers={**_headers(self._style, _UNKNOWN), "location": url})


def _headers(style: str, sight: VisitFindings) -> dict[str, str]:
    # Browsers hold the redirect that answers a form against form-action, too (CSP3 §4.2.3).
    landing = sight.landing
    ends = {origin_of(landing.success), origin_of(landing.failure)} if landing else set()
    policy = (
        "default-src 'none'",
        f"style-src 'sha256-{style}'",  # CSP3 §2.3.1: this one style sheet and no other
        " ".join(["form-action 'self'", *sorted(ends - {""})]),
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
    return {
        "cache-control": "no-store",
        "content-language": "en",
        "content-security-policy": "; ".join(policy),
        "cross-origin-opener-policy": "same-origin",
        "referrer-policy": "no-referrer",
        "x-content-type-options": "nosniff",
        "x-frame-options": "DENY",
        "x-robots-tag": "noindex, nofollow",
    }


def application(links: Links, *, service: str) -> Starlette:
    """Return the ASGI application that answers under `/verify/`. `service` is how the pages name it."""
    pages = _Pages(service)

    async def visit(request: Request) -> Response:
        token = request.path_params["token"]
        # The body is not read: which button was pressed is in the URL.
        act = _act(request)
        address = request.client.host if request.client else ""
        if not is_token(token):
            return pages.page("unknown", 404)
        try:
            if request.method == "POST":
                sight = await links.act(token_hash(token), act, address)
            else:
                sight = await links.look(token_hash(token))
        except Exception as trouble:  # noqa: BLE001 - a person stands at the door; the log has the kind of it
            _log.error(
                "link.page_failed", act=act.value, method=request.method, trouble=type(trouble).__name__
            )
            return pages.page("trouble", 503, headers={"retry-after": "60"})
        if request.method == "POST":
            _log.info("link.visited", act=act.value, state=sight.state.value, changed=sight.changed)
        return _shown(pages, act, sight, posted=request.method == "POST")

    async def not_here(request: Request, error: Exception) -> Response:
        return pages.page("unknown", 404)

    async def not_so(request: Request, error: Exception) -> Response:
        return pages.page("method", 405, headers={"allow": "GET, HEAD, POST"})

    routes = [Route("/verify/{token}", visit, methods=["GET", "HEAD", "POST"])]
    app = Starlette(routes=routes, exception_handlers={404: not_here, 405: not_so})
    app.router.redirect_slashes = False  # a redirect would repeat the token in a header
    return app


def _act(request: Request) -> Act:
    for act in (Act.ALLOW, Act.STOP):
        if act.value in request.query_params:
            return act
    return Act.CONFIRM


def _shown(pages: _Pages, act: Act, sight: VisitFindings, *, posted: bool) -> Response:
    if act is Act.CONFIRM:
        if posted and sight.changed:
            confirmed = pages.page("confirmed", 200, sight)
            return pages.elsewhere(sight.landing.success) if sight.landing else confirmed
        if sight.landing and sight.state in _OVER:
            return pages.elsewhere(sight.landing.failure)
        status, name = _PAGES[sight.state]
        return pages.page(name, status, sight)
    if sight.mailbox is None:
        return pages.page("unknown", 404)
    if sight.stopped:
        return pages.page("stopped", 200, sight)
    return pages.page("allowed" if posted and act is Act.ALLOW else "stop", 200, sight)
