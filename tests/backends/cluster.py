"""A Ray cluster of several nodes, all of them on this machine."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

SMALL = {"object_store_memory": 80 * 2**20, "include_dashboard": False}


@contextmanager
def cluster(*cpus: int, **head: Any) -> Iterator[Any]:
    """A head without cores, which outlives them, and a node with each number of cores."""
    import frostline.backends.ray  # before Ray, to have it quiet
    from ray.cluster_utils import Cluster  # isort: skip

    assert frostline.backends.ray

    before = signal.getsignal(signal.SIGTERM)
    made = Cluster(
        initialize_head=True, head_node_args={"num_cpus": 0, "_system_config": {"worker_niceness": 0}, **SMALL, **head}
    )
    for count in cpus:
        made.add_node(num_cpus=count, **SMALL)
    try:
        yield made
    finally:
        made.shutdown()
        signal.signal(signal.SIGTERM, before)


def tasks() -> dict[int, str]:
    """Workers of Ray that are carrying out a task of ours, with the title under which they run.

    They have gone to the directory of the search: tests of another checkout may run beside these.
    """
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            title = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
            ours = (folder / "cwd").readlink() == Path.cwd()
        except OSError:
            continue
        if title.startswith("ray::_work") and ours:
            found[int(folder.name)] = title
    return found
