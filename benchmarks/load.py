"""A served model under load on loopback: answers a second, waiting times, statuses beyond capacity, memory after many requests.

python -m benchmarks.load RUN IMAGE --requests 50000
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

BOUNDARY = "frostline-load"
STARTING_S = 120.0
PROBE_REQUESTS = 2000
OVERLOAD = 4  # times the number of requests that the server takes at once


@dataclass
class Seen:
    """What one part of the test saw.

    Attributes:
        seconds: of each request that got an answer; statuses: how often each; broken: connections that ended without one.
    """

    name: str
    connections: int
    seconds: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    broken: int = 0
    wall_s: float = 0.0

    @property
    def answered(self) -> float:
        """Requests with status 200 a second."""
        return self.statuses[200] / max(self.wall_s, 1e-9)

    def row(self) -> str:
        quantiles = [1000 * quantile(self.seconds, share) for share in (0.5, 0.95, 0.99)]
        other = {status: count for status, count in sorted(self.statuses.items()) if status != 200}
        cells = [self.name, str(self.connections), str(sum(self.statuses.values())), f"{self.answered:.0f}"]
        cells += [f"{one:.0f}" for one in quantiles] + [str(other or "none"), str(self.broken)]
        return "| " + " | ".join(cells) + " |"


HEADER = (
    "| part | connections | requests | 200 a second | median ms | 95 % | 99 % | other statuses | broken |\n"
    "|---|---:|---:|---:|---:|---:|---:|---|---:|"
)


def quantile(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(share * len(values)))] if values else float("nan")


def request(image: Path, host: str, port: int) -> bytes:
    """The bytes of one upload."""
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="files"; filename="{image.name}"\r\n\r\n'.encode()
    body = head + image.read_bytes() + f"\r\n--{BOUNDARY}--\r\n".encode()
    kind = f"multipart/form-data; boundary={BOUNDARY}"
    return (
        f"POST /predict HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        + body
    )


async def hammer(name: str, message: bytes, host: str, port: int, connections: int, count: int) -> Seen:
    """`count` requests over so many connections, each sending as soon as it was answered."""
    seen, left = Seen(name, connections), iter(range(count))
    start = time.perf_counter()
    await asyncio.gather(*(_one_connection(seen, left, message, host, port) for _ in range(connections)))
    seen.wall_s = time.perf_counter() - start
    return seen


async def _one_connection(seen: Seen, left: Iterator[int], message: bytes, host: str, port: int) -> None:
    reader = writer = None
    for _ in left:
        try:
            if writer is None or reader is None:
                reader, writer = await asyncio.open_connection(host, port)
            begun = time.perf_counter()
            writer.write(message)
            with contextlib.suppress(ConnectionError):
                await writer.drain()  # a refusal may come before the body has gone out
            status, closes = await _answer(reader)
            seen.statuses[status] += 1
            seen.seconds.append(time.perf_counter() - begun)
            if closes:
                writer.close()
                writer = None
        except (OSError, asyncio.IncompleteReadError, ValueError, IndexError):
            seen.broken += 1
            writer = None
    if writer is not None:
        writer.close()


async def _answer(reader: asyncio.StreamReader) -> tuple[int, bool]:
    """The status, and whether the connection ends."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
    length = next(int(line.split(":")[1]) for line in head.split("\r\n") if line.startswith("content-length:"))
    await reader.readexactly(length)
    return int(head.split(" ", 2)[1]), "connection: close" in head


def memory_bytes(process: int) -> int:
    """Resident, from the kernel."""
    pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def open_files(process: int) -> int:
    return len(list(Path(f"/proc/{process}/fd").iterdir()))


@contextlib.contextmanager
def served(run: Path) -> Iterator[tuple[str, int, int]]:
    """Host, port and process of a server for `run`."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-m", "frostline", "serve", str(run), "--port", str(port)], stderr=subprocess.DEVNULL
    )
    try:
        _wait(port)
        yield "127.0.0.1", port, process.pid
    finally:
        process.terminate()
        process.wait()


def _wait(port: int) -> None:
    deadline = time.monotonic() + STARTING_S
    while True:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5):
                return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("image", type=Path)
    parser.add_argument("--requests", type=int, default=50_000)
    parser.add_argument("--at-once", type=int, default=64, help="what the server takes at once (its default)")
    given = parser.parse_args(arguments)
    with served(given.run) as (host, port, process):
        message = request(given.image, host, port)
        asyncio.run(hammer("warm-up", message, host, port, 8, min(200, given.requests)))
        before = memory_bytes(process), open_files(process)
        print(HEADER, flush=True)
        probe = min(PROBE_REQUESTS, given.requests)
        for name, connections, count in (
            ("one client", 1, probe // 10),
            ("half of capacity", given.at_once // 2, probe),
            (f"{OVERLOAD} x capacity", OVERLOAD * given.at_once, probe),
            ("long", given.at_once // 2, given.requests),
        ):
            print(asyncio.run(hammer(name, message, host, port, connections, count)).row(), flush=True)
        time.sleep(1)
        after = memory_bytes(process), open_files(process)
    print(f"\nresident {before[0] / 2**20:.0f} -> {after[0] / 2**20:.0f} MiB, open files {before[1]} -> {after[1]}")


if __name__ == "__main__":
    main()
