"""What a server counts, in the form of Prometheus."""

from __future__ import annotations

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest

PATHS = ("/", "/predict", "/health", "/metrics", "/openapi.json", "/docs")


class Metrics:
    """Counters of one server.

    Attributes:
        content_type: of `text`.
    """

    content_type = CONTENT_TYPE_LATEST

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter("frostline_requests_total", "Answered requests.", ["path", "status"], registry=self._registry)
        self._seconds = Histogram("frostline_request_seconds", "From a request to its answer.", ["path"], registry=self._registry)
        self._images = Counter("frostline_images_total", "Images by what became of them.", ["outcome"], registry=self._registry)
        self._batches = Histogram(
            "frostline_batch_images", "Images the network took at once.", buckets=(1, 2, 4, 8, 16, 32), registry=self._registry
        )
        self._waiting = Gauge("frostline_queue_images", "Images that wait for the network.", registry=self._registry)

    def answered(self, path: str, status: int, seconds: float) -> None:
        known = path if path in PATHS else "other"  # what strangers ask for must not grow the table
        self._requests.labels(known, str(status)).inc()
        self._seconds.labels(known).observe(seconds)

    def images(self, outcome: str, count: int = 1) -> None:
        self._images.labels(outcome).inc(count)

    def batch(self, count: int) -> None:
        self._batches.observe(count)

    def waiting(self, count: int) -> None:
        self._waiting.set(count)

    def text(self) -> bytes:
        return generate_latest(self._registry)
