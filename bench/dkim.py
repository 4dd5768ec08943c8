"""Signing a message, beside dkimpy and beside the RSA signature alone, which nobody gets below."""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median
from typing import Final

import dkim  # type: ignore[import-untyped]
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding

from bench.plan import Plan
from bench.report import Aim, Section, spread
from indicia.mail.dkim.signing import sign
from indicia.vault import rsa

_DOMAIN, _SELECTOR = "example.com", "abcdefghijklmnopqrstuvwxyz234567"
_SIZES: Final = (5_000, 50_000)
_LEAST_OPERATIONS: Final = 8


def _message(octets: int) -> bytes:
    line = b"The quick brown fox jumps over the lazy dog, and nobody minds it very much.\r\n"
    head = (
        b"From: Ann Example <ann@example.com>\r\nTo: bob@example.net\r\nSubject: an ordinary message\r\n"
        b"Date: Mon, 21 Sep 2026 13:33:20 +0000\r\nMessage-ID: <1@example.com>\r\nMIME-Version: 1.0\r\n"
        b"Content-Type: text/plain; charset=utf-8\r\n\r\n"
    )
    return head + line * ((octets - len(head)) // len(line))


def _cost(operation: Callable[[], object], seconds: float) -> float:
    """Return microseconds of CPU an operation takes."""
    began, count = time.process_time(), 0
    while count < _LEAST_OPERATIONS or time.process_time() - began < seconds:
        operation()
        count += 1
    return (time.process_time() - began) / count * 1e6


def measure(plan: Plan) -> tuple[list[Section], list[Aim]]:
    """Return the cost of a signature at 2048 bits, and how it compares in each round."""
    plan.say("signing messages")
    key = rsa.load_trusted(rsa.generate(2048).private_key)
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )
    messages = {size: _message(size) for size in _SIZES}
    subjects: dict[str, Callable[[], object]] = {
        "the RSA signature alone": lambda: key.sign(b"x" * 500, padding.PKCS1v15(), hashes.SHA256())
    }
    for size, message in messages.items():
        subjects[f"indicia, {size:,} octets"] = lambda message=message: sign(  # type: ignore[misc]
            message, domain=_DOMAIN, selector=_SELECTOR, key=key, now=1_790_000_000_000
        )
        subjects[f"dkimpy, {size:,} octets"] = lambda message=message: dkim.sign(  # type: ignore[misc]
            message, _SELECTOR.encode(), _DOMAIN.encode(), pem, canonicalize=(b"relaxed", b"simple")
        )
    rounds = [
        {name: _cost(subject, plan.seconds / 4) for name, subject in subjects.items()}
        for _ in range(plan.rounds)
    ]
    rows = []
    for name in subjects:
        found = spread(each[name] for each in rounds)
        rows.append((name, f"{found.median:,.0f}", f"[{found.lowest:,.0f}-{found.highest:,.0f}]"))
    section = Section(
        "Signing with DKIM, RSA 2048, relaxed/simple",
        ("", "CPU µs", "range"),
        rows,
        ("dkimpy computes RSA in Python. All in one process, one after the other in each round.",),
        figures=rounds,
    )
    bare = "the RSA signature alone"
    aims = []
    for size, times, most in ((5_000, 15, 1.3), (50_000, 8, 2.5)):
        ours = f"indicia, {size:,} octets"
        faster = median(each[f"dkimpy, {size:,} octets"] / each[ours] for each in rounds)
        over = median(each[ours] / each[bare] for each in rounds)
        what = f"a signature of {size:,} octets"
        aims.append(
            Aim(what, f"at least {times} times dkimpy's rate", f"{faster:.1f} times", faster >= times)
        )
        aims.append(Aim(what, f"at most {most} bare signatures", f"{over:.2f}", over <= most))
    return [section], aims
