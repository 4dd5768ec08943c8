"""Invariant: whoever guesses ids and ports is never believed, and every question ends and leaves nothing.

    python fuzz/dns_client.py [SECONDS] [SEED]

A resolver on loopback, in whose name somebody sends what he likes before, between and after its answers:
other ids, other questions, answers in another case of the name, refusals without the question, cut and
damaged ones. Over TCP the resolver says the truth, or nothing. Stops at the first question that ends in
anything but the truth or no statement at all, and at the first thing that is left over.
"""

# ruff: noqa: ASYNC110, INP001, T201, S311 - a script, which waits and prints; repeatable, not secret

from __future__ import annotations

import asyncio
import random
import socket
import struct
import sys
import threading
import time
from contextlib import suppress
from typing import Self

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset

from indicia.domain.records.observation import Observation, Question, RecordType, Reply
from indicia.verifier.dns.client import Budget, Client, Sockets

BATCH = 20
BUDGET = Budget(exchange=0.3, tries=2, question=2.0, control=0.1, tcp=8)


def name_of(number: int) -> str:
    """A name with so many letters that its case is not guessed."""
    return f"n{number}.abcdefghijklmnopqrstuvwxyz.example.com"


def truth(name: str) -> tuple[str, ...]:
    """What is published at a name: at every other one nothing."""
    number = int(name.split(".", maxsplit=1)[0][1:])
    return () if number % 2 else (f"truth {number}",)


class Besieged:
    """A resolver, and whoever sends in its name, on one address; their moves are drawn by chance."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._tcp = socket.create_server(("127.0.0.1", 0))
        self.address: tuple[str, int] = self._tcp.getsockname()
        self._udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._udp.bind(self.address)
        self._threads = [
            threading.Thread(target=run, daemon=True) for run in (self._datagrams, self._streams)
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._udp.close()
        self._tcp.close()

    def _datagrams(self) -> None:
        with suppress(OSError):
            while True:
                wire, peer = self._udp.recvfrom(4096)
                for datagram in self._moves(wire):
                    self._udp.sendto(datagram, peer)

    def _streams(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._tcp.accept()
                with connection, suppress(OSError, struct.error):
                    (length,) = struct.unpack("!H", connection.recv(2))
                    answer = answered(dns.message.from_wire(connection.recv(length)), honest=True)
                    cut = self._chance.choice((None, None, None, None, 0, 1, 20))
                    connection.sendall((struct.pack("!H", len(answer)) + answer)[:cut])

    def _moves(self, wire: bytes) -> list[bytes]:
        """What arrives at whoever asked: forgeries, and perhaps the right answer among them."""
        query = dns.message.from_wire(wire)
        many = 80 if self._chance.random() < 0.01 else self._chance.randrange(4)
        sent = [self._forged(query) for _ in range(many)]
        if self._chance.random() < 0.9:
            right = answered(query, honest=True)
            if self._chance.random() < 0.2:
                right = recased(right, self._chance)  # a resolver that folds the case
            sent.insert(self._chance.randrange(len(sent) + 1), right)
        return sent

    def _forged(self, query: dns.message.Message) -> bytes:
        forged = answered(query, honest=False)
        match self._chance.randrange(6):
            case 0:
                return (query.id ^ self._chance.randrange(1, 1 << 16)).to_bytes(2) + forged[2:]
            case 1:
                other = dns.message.make_query("elsewhere.example", "TXT", id=query.id)
                return answered(other, honest=False)
            case 2:
                rcode = self._chance.choice((1, 2, 4, 5))
                return struct.pack("!HH", query.id, 0x8180 | rcode) + bytes(8)
            case 3:
                return recased(forged, self._chance)[: self._chance.randrange(len(forged))]
            case 4:
                octets = bytearray(recased(forged, self._chance))
                octets[self._chance.randrange(2, 12)] = self._chance.randrange(256)
                return bytes(octets)
        return self._chance.choice((recased(forged, self._chance), lowered(forged)))


def answered(query: dns.message.Message, *, honest: bool) -> bytes:
    """The answer to a question, the right one or one that was made up."""
    response = dns.message.make_response(query, recursion_available=True)
    asked = query.question[0]
    if asked.rdtype == dns.rdatatype.NS:
        response.answer.append(dns.rrset.from_text(asked.name, 60, "IN", "NS", "a.root.example."))
        return response.to_wire()
    texts = truth(asked.name.to_text(omit_final_dot=True).lower()) if honest else ("made up",)
    if texts:
        response.answer.append(dns.rrset.from_text(asked.name, 60, "IN", "TXT", f'"{texts[0]}"'))
    else:
        response.set_rcode(dns.rcode.NXDOMAIN)
    return response.to_wire()


def recased(wire: bytes, chance: random.Random) -> bytes:
    """The message with the question in a case that is not its own."""
    end = wire.index(0, 12)
    name = bytes(
        octet ^ 0x20 if chr(octet).isalpha() and chance.random() < 0.5 else octet for octet in wire[12:end]
    )
    if name == wire[12:end]:
        name = name.swapcase()
    return wire[:12] + name + wire[end:]


def lowered(wire: bytes) -> bytes:
    """The message with the question in lower case, which is right where no case is sent."""
    end = wire.index(0, 12)
    return wire[:12] + wire[12:end].lower() + wire[end:]


def broken(client: Client, seen: list[Observation]) -> str:
    """Return how the invariant broke, empty where it held."""
    for each in seen:
        if each.reply.authoritative and each.values != truth(each.question.name):
            return f"{each.question.name}: {each.reply.value} {each.values}"
        if each.reply is Reply.NODATA:
            return f"{each.question.name}: nobody said that it is there without a TXT"
    if client.in_flight or len(asyncio.all_tasks()) > 1:
        return f"left over: {client.in_flight} in flight, {len(asyncio.all_tasks()) - 1} tasks"
    return ""


async def besiege(besieged: Besieged, seconds: float) -> tuple[str, int, int]:
    """Ask until the time is up, or the invariant breaks. Return how, and how many were asked and answered."""
    end, asked, told = time.monotonic() + seconds, 0, 0
    sockets = Sockets(count=4, uses=60)
    async with Client([besieged.address], "p", clock=lambda: 0, budget=BUDGET, sockets=sockets) as client:
        while time.monotonic() < end:
            names = [name_of(asked + number) for number in range(BATCH)]
            seen = await client.ask_many([Question(name, RecordType.TXT) for name in names])
            asked += BATCH
            told += sum(each.reply.authoritative for each in seen)
            while client.in_flight:  # a control question ends after those that wait for it
                await asyncio.sleep(0.001)
            if how := broken(client, seen):
                return how, asked, told
    return "", asked, told


def main(seconds: float, seed: int) -> int:
    """Try until the time is up. Returns the exit code."""
    with Besieged(random.Random(seed)) as besieged:
        how, asked, told = asyncio.run(besiege(besieged, seconds))
    if how:
        print(f"seed {seed}, after {asked} questions: {how}")
        return 1
    print(f"{told} answers to {asked} questions, the invariant holds")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(float((sys.argv[1:] or ["10"])[0]), int((sys.argv[2:] or ["1"])[0])))
