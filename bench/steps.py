"""What a request costs step by step, without server, network and load.

Every step is timed twice. By itself, over and over, when all it needs is in the processor's caches: by that
figure a change of the step is judged. And in its place among the others, as in a request, when much of it has
been pushed out by what came before: that is what it costs. Both are medians.
"""

from __future__ import annotations

import asyncio
import hmac
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter_ns
from typing import Final

import msgspec

from bench.cases import CASES, Case
from bench.course import Course, Step, Work, laid_out, work_of
from bench.plan import Plan
from bench.report import Aim, Section
from bench.signing import Key, Signer, sign_alone
from indicia.wire.aws import sigv4

_IDENTITIES: Final = 1000
_REQUESTS: Final = 500
_BLOCKS: Final = 9


@dataclass(frozen=True, slots=True)
class _Timed:
    """A step and its two times, in microseconds."""

    step: str
    alone: float
    in_place: float


def measure(plan: Plan) -> tuple[list[Section], list[Aim]]:
    """Time the steps of the cases that take them all, and what some of them are compared with."""
    plan.say("timing the steps of a request")
    with TemporaryDirectory(prefix="indicia-bench-") as folder, laid_out(Path(folder), _IDENTITIES) as laid:
        course, key = laid
        return asyncio.run(_sections(course, key)), []


async def _sections(course: Course, key: Key) -> list[Section]:
    sections = []
    floors: list[tuple[str, float, float]] = []
    for case in CASES:
        steps = course.rest if case.service == "sesv2" else course.query
        signer = Signer(case.service, key)
        works = [work_of(signer.request(case.operation, case.arguments(n))) for n in range(_REQUESTS)]
        timed = await _timed(course, steps, works)
        sections.append(_section(case, timed))
        if not floors:
            floors = _floors(key, works, {each.step: each.alone for each in timed})
    return [*sections, _beside(floors)]


async def _timed(course: Course, steps: Mapping[str, Step], works: Sequence[Work]) -> list[_Timed]:
    among = await _among(steps, works)
    timed = [_Timed(name, await _alone(step, works), among[name]) for name, step in steps.items()]
    together = _Timed("together", sum(t.alone for t in timed), sum(t.in_place for t in timed))
    read = (await _among({"": course.read, **steps}, works))[""]
    whole = await _alone(course.whole, works)
    return [
        *timed,
        together,
        _Timed("the gateway, which takes them all", whole, whole),
        _Timed("the read of the store, a part of `look up`", await _alone(course.read, works), read),
    ]


async def _among(steps: Mapping[str, Step], works: Sequence[Work]) -> dict[str, float]:
    """Return what each step takes when every request takes all of them in turn."""
    found: dict[str, list[int]] = {name: [] for name in steps}
    for _ in range(_BLOCKS):
        for work in works:
            for name, step in steps.items():
                began = perf_counter_ns()
                await step(work)
                found[name].append(perf_counter_ns() - began)
    return {name: median(times) / 1000 for name, times in found.items()}


async def _alone(step: Step, works: Sequence[Work]) -> float:
    """Return what a step takes when nothing else is done."""
    return (await _among({"": step}, works))[""]


def _timed_alone(function: Callable[[], object], times: int = 2000) -> float:
    found = []
    for _ in range(times):
        began = perf_counter_ns()
        function()
        found.append(perf_counter_ns() - began)
    return median(found) / 1000


def _section(case: Case, timed: Sequence[_Timed]) -> Section:
    return Section(
        f"{case.title}, step by step: microseconds, medians",
        ("", "by itself", "in its place"),
        [(each.step, f"{each.alone:.1f}", f"{each.in_place:.1f}") for each in timed],
        (),
        [{"step": each.step, "alone_us": each.alone, "in_place_us": each.in_place} for each in timed],
    )


def _floors(key: Key, works: Sequence[Work], alone: Mapping[str, float]) -> list[tuple[str, float, float]]:
    """Return what some steps cost, and what the same costs others, or costs at least."""
    work = works[0]
    claim, request = work.claim, work.request
    canonical = sigv4.canonical_request(
        claim, request.method, request.path, request.query, request.headers, payload=sigv4.EMPTY_SHA256
    )
    plain = msgspec.to_builtins(work.answer)
    proving = sum(time for step, time in alone.items() if "signature" in step)

    def hashes() -> object:
        return hmac.digest(b"k" * 32, sha256(canonical).hexdigest().encode(), "sha256")

    return [
        ("signature: read, checked, verified; the hashes alone", proving, _timed_alone(hashes)),
        ("the same; making it, in botocore", proving, _timed_alone(sign_alone(key), 200)),
        ("answer to JSON; json.dumps", alone["encode"], _timed_alone(lambda: json.dumps(plain))),
    ]


def _beside(floors: Sequence[tuple[str, float, float]]) -> Section:
    return Section(
        "Steps beside something to compare them with: microseconds, each by itself",
        ("", "ours", "other", "ratio"),
        [(what, f"{ours:.1f}", f"{other:.1f}", f"{ours / other:.2f}") for what, ours, other in floors],
        (),
        [{"what": what, "ours_us": ours, "other_us": other} for what, ours, other in floors],
    )
