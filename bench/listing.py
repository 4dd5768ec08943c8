"""Pages of a long list: the first and the last hundred of all identities, beside moto's.

The last page is found as a client finds it, by following NextToken from the beginning; only asking for it is
measured. What is asked for is the same every time, so one request is sent over and over.
"""

from __future__ import annotations

import json
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from bench import load, servers
from bench.plan import Plan
from bench.report import Aim, Section
from bench.rows import AS_FAST, COLUMNS, Row, cells, faster, folder_in, share, unanswered, with_memory
from bench.servers import Server
from bench.signing import Signer, ask, write

_OPERATION: Final = "list_email_identities"
_FIRST: Final[dict[str, object]] = {"PageSize": 100}
_X_MOTO: Final = 20.0


def measure(plan: Plan) -> tuple[list[Section], list[Aim]]:
    """List the largest store from its beginning and at its end."""
    load.wrk()
    size = max(plan.sizes)
    with ExitStack() as held:
        folder = Path(held.enter_context(TemporaryDirectory(prefix="indicia-bench-")))
        plan.say(f"starting indicia and moto with {size:,} identities")
        ours = held.enter_context(servers.indicia(folder_in(folder, "ours"), size))
        moto = held.enter_context(servers.moto(folder_in(folder, "moto"), size))
        plan.say("following the lists to their ends")
        asked = {
            f"{server.name}, {page}": (server, arguments)
            for server in (ours, moto)
            for page, arguments in (("first page", _FIRST), ("last page", _last_page(server)))
        }
        rows = {name: Row(replace(server, name=name), size, [], 0.0) for name, (server, _) in asked.items()}
        plan.say("v2 ListEmailIdentities")
        for number in range(-1, plan.rounds):  # the first warms up and does not count
            for name, (server, arguments) in asked.items():
                file = folder / "requests"
                write(file, [Signer("sesv2", server.key).request(_OPERATION, arguments)])
                stretch = load.run(server, file, plan.seconds if number >= 0 else 1)
                if number >= 0:
                    rows[name].stretches.append(stretch)
        return _told(plan, *map(with_memory, rows.values()))


def _last_page(server: Server) -> dict[str, object]:
    """Return the arguments that ask for the last page."""
    signer, arguments = Signer("sesv2", server.key), _FIRST
    while True:
        reply = ask(server.port, signer.request(_OPERATION, arguments))
        told = json.loads(reply.body)
        if not told.get("EmailIdentities"):
            raise RuntimeError(f"{server.name} lists nothing: {reply.status} {reply.body[:300]!r}")
        if not told.get("NextToken"):
            return arguments
        arguments = {**_FIRST, "NextToken": told["NextToken"]}


def _told(
    plan: Plan, first: Row, last: Row, moto_first: Row, moto_last: Row
) -> tuple[list[Section], list[Aim]]:
    rows = (first, last, moto_first, moto_last)
    end = last.against(first)
    of_moto = {"first page": first.against(moto_first), "last page": last.against(moto_last)}
    section = Section(
        f"v2 ListEmailIdentities, 100 a page of {first.identities:,}: {load.CONNECTIONS} connections, "
        f"{plan.rounds} rounds of {plan.seconds} s; median [lowest-highest]",
        (*COLUMNS, "x moto", "of first"),
        [
            cells(first, faster(of_moto["first page"]), ""),
            cells(last, faster(of_moto["last page"]), share(end)),
            cells(moto_first, "", ""),
            cells(moto_last, "", share(moto_last.against(moto_first))),
        ],
        unanswered(rows),
        [row.figures() for row in rows],
    )
    aims = [
        Aim(
            f"v2 ListEmailIdentities, {page}",
            f">= {_X_MOTO:.0f} x moto",
            f"{ratio.median:.1f}",
            ratio.median >= _X_MOTO,
        )
        for page, ratio in of_moto.items()
    ]
    what = "v2 ListEmailIdentities, last page"
    aims.append(Aim(what, "no slower than the first", f"{end.median:.0%}", end.median >= AS_FAST))
    return [section], aims
