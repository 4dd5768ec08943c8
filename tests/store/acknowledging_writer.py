"""Writes identities as fast as it can, from threads and tasks at once, and says which are acknowledged.

Started and killed by `test_crash.py`. A line on standard output is the id of a write that has returned.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import sys
import threading

from values import add

from indicia.store.engine.opening import open_database


def acknowledge(name: str) -> None:
    """Say so in one system call: what is in the pipe survives the death of this process."""
    os.write(1, f"{name}\n".encode())


def main(url: str, run: str) -> None:
    """Write until killed."""
    database = open_database(url)
    numbers = itertools.count()

    def one() -> str:
        return f"r{run}n{next(numbers)}.example"

    def write() -> None:
        while True:
            name = one()
            database.write(lambda s, name=name: add(s, name, due_at=1))
            acknowledge(name)

    async def task() -> None:
        while True:
            name = one()
            await database.writing(lambda s, name=name: add(s, name, due_at=1))
            acknowledge(name)

    async def tasks() -> None:
        await asyncio.gather(*[task() for _ in range(6)])

    for _ in range(2):
        threading.Thread(target=write, daemon=True).start()
    asyncio.run(tasks())


if __name__ == "__main__":
    main(*sys.argv[1:])
