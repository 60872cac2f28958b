"""Images of many requests through the network together: batches form while it is busy with those before them."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass

import torch
from torch import Tensor

from frostline.export.serve.guard import Refused
from frostline.export.serve.limits import Limits
from frostline.export.serve.metrics import Metrics

Rows = list[list[float]]


@dataclass(frozen=True, eq=False)
class _Job:
    pixels: Tensor  # (n, channels, size, size)
    answer: asyncio.Future[Rows]


class Batcher:
    """Call `submit` from any request while `run` runs as a task."""

    def __init__(self, network: Callable[[Tensor], Rows], worker: Executor, limits: Limits, metrics: Metrics) -> None:
        self._network, self._worker, self._limits, self._metrics = network, worker, limits, metrics
        self._jobs: deque[_Job] = deque()
        self._come = asyncio.Event()
        self._waiting = 0

    def room_for(self, count: int) -> None:
        """Nothing, if so many images more may wait.

        Raises:
            Refused: 503, the queue is full.
        """
        if self._waiting + count > self._limits.queue:
            raise Refused(503, f"{self._waiting} images are waiting already; try again in a moment.")

    async def submit(self, pixels: Tensor) -> Rows:
        """(n, classes) probabilities of uint8 (n, channels, size, size).

        Raises:
            Refused: 503, the queue is full.
        """
        self.room_for(len(pixels))
        job = _Job(pixels, asyncio.get_running_loop().create_future())
        self._jobs.append(job)
        self._count(len(pixels))
        self._come.set()
        return await job.answer

    async def run(self) -> None:
        while True:
            await self._come.wait()
            jobs = self._next()
            if not jobs:
                self._come.clear()
                continue
            await self._answer(jobs)

    def _next(self) -> list[_Job]:
        """Whole requests, up to a batch; those that nobody waits for any more are left out."""
        found: list[_Job] = []
        total = 0
        while self._jobs and (not found or total + len(self._jobs[0].pixels) <= self._limits.batch):
            job = self._jobs.popleft()
            self._count(-len(job.pixels))
            if not job.answer.done():
                found.append(job)
                total += len(job.pixels)
        return found

    async def _answer(self, jobs: list[_Job]) -> None:
        pixels = torch.cat([job.pixels for job in jobs])
        self._metrics.batch(len(pixels))
        try:
            rows = await asyncio.get_running_loop().run_in_executor(self._worker, self._network, pixels)
        except Exception as error:  # one poisoned batch must not end the server: each of its requests fails
            for job in jobs:
                if not job.answer.done():
                    job.answer.set_exception(error)
            return
        start = 0
        for job in jobs:
            if not job.answer.done():
                job.answer.set_result(rows[start : start + len(job.pixels)])
            start += len(job.pixels)

    def _count(self, change: int) -> None:
        self._waiting += change
        self._metrics.waiting(self._waiting)
