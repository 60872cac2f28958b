"""What a server takes upon itself, and no more."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Bounds of one server; what exceeds them is refused with the status that says so.

    Attributes:
        file_bytes: of one image; request_bytes: of a whole request; files: in one request; pixels: of one image (413).
        requests: that are read or answered at a time; queue: images that wait for the network (503).
        reading_s: for the body of a request to come in (408); patience_s: for the answer (503).
        batch: images that the network takes at once.
    """

    file_bytes: int = 20 * 2**20
    request_bytes: int = 64 * 2**20
    files: int = 64
    pixels: int = 50_000_000
    requests: int = 64
    queue: int = 256
    reading_s: float = 20.0
    patience_s: float = 30.0
    batch: int = 32
