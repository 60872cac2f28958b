"""How many trials at a time, and what becomes of those whose workers die."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
import torch
from joblib import cpu_count

import frostline as fl
from frostline.backends import Node, Process
from frostline.compute.machine import threads
from frostline.compute.passes import BATCH, FillShard, Shard
from frostline.errors import AllTrialsFailed, OptionError
from frostline.session.frozen import _share_out
from frostline.session.work import Work
from frostline.session.workers import THREADS, Machine, Staff, choose_staff, hire, problems, shares, whole_shares
from tests.equivalence.test_backends import workers


@pytest.mark.parametrize(
    ("backend", "asked", "machine", "expected"),
    [
        ("auto", None, Machine("cpu", 1), Staff("serial", 1, 1)),
        ("auto", None, Machine("cpu", 7), Staff("serial", 1, 7)),
        ("auto", None, Machine("cpu", 8), Staff("process", 2, 4, 2.0)),
        ("auto", None, Machine("cpu", 64), Staff("process", 8, 8, 8.0)),
        ("auto", 1, Machine("cpu", 64), Staff("serial", 1, 64)),
        ("auto", 3, Machine("cpu", 6), Staff("process", 3, 2, 3.0)),
        ("serial", None, Machine("cpu", 64), Staff("serial", 1, 64)),
        ("process", None, Machine("cpu", 2), Staff("process", 2, 1, 2.0)),
        ("process", 2, Machine("cpu", 1), Staff("process", 2, 1)),
        ("auto", None, Machine("cuda", 16, 1), Staff("serial", 1, 16)),
        ("auto", None, Machine("cuda", 16, 4), Staff("process", 4, 4)),
        ("process", None, Machine("cuda", 16, 1), Staff("process", 1, 16)),
        ("auto", None, Machine("mps", 12), Staff("serial", 1, 12)),
    ],
)
def test_staff_suits_the_machine(backend: str, asked: int | None, machine: Machine, expected: Staff) -> None:
    assert choose_staff(backend, asked, ("timm/a",), machine) == expected


def test_a_short_search_is_serial_unless_it_was_asked_for_otherwise() -> None:
    machine = Machine("cpu", 64)
    found = [
        choose_staff(*asked, ("timm/a",), machine, 60.0).workers for asked in (("auto", None), ("auto", 3), ("process", None))
    ]
    assert found == [1, 3, 8]
    assert choose_staff("auto", None, ("timm/a",), machine, 600.0).workers == 8


@pytest.mark.parametrize(
    ("nodes", "workers", "gpu", "expected"),
    [
        ([Node(2)], None, False, (1, 0.0, 2)),
        ([Node(64)], None, False, (4, 0.0, 16)),
        ([Node(0), Node(2), Node(2), Node(2)], None, False, (2, 0.0, 3)),
        ([Node(8), Node(4)], 5, False, (2, 0.0, 5)),
        ([Node(8), Node(4)], 12, False, (1, 0.0, 12)),
        ([Node(8), Node(4)], 13, False, (0, 0.0, 13)),
        ([], None, False, (0, 0.0, 1)),
        ([Node(16, 4), Node(8)], None, True, (4, 1.0, 4)),
        ([Node(16, 4)], 6, True, (2, 0.5, 6)),
        ([Node(16, 2)], 6, True, (2, 0.3333, 6)),
        ([Node(16, 1)], 9, True, (0, 0.0, 9)),
        ([Node(16)], None, True, (0, 0.0, 1)),
    ],
)
def test_trials_have_their_share_of_a_cluster(
    nodes: list[Node], workers: int | None, gpu: bool, expected: tuple[int, float, int]
) -> None:
    assert shares(nodes, workers, gpu) == expected


@pytest.mark.parametrize(
    ("nodes", "workers", "gpu", "expected"),
    [
        ([Node(16, 4), Node(16, 2), Node(8)], None, True, (8, 2.0, 3)),
        ([Node(16, 3), Node(16, 3)], None, True, (16, 2.0, 2)),  # the two that are left are not on one machine
        ([Node(16, 1), Node(16, 1)], None, True, (0, 2.0, 1)),
        ([Node(16, 4)], 3, True, (0, 2.0, 3)),
        ([Node(2)], None, False, (2, 0.0, 1)),
        ([Node(1), Node(1)], None, False, (0, 0.0, 1)),
        ([Node(8), Node(4)], None, False, (4, 0.0, 3)),
    ],
)
def test_a_trial_on_two_devices_has_them_on_one_machine(
    nodes: list[Node], workers: int | None, gpu: bool, expected: tuple[int, float, int]
) -> None:
    assert whole_shares(nodes, workers, gpu, 2) == expected


def test_fewer_workers_where_each_has_several_devices() -> None:
    machine = Machine("cuda", 16, 4)
    assert choose_staff("auto", None, (), machine, devices=2) == Staff("process", 2, 8, devices=2)
    assert choose_staff("auto", None, (), machine, devices=4) == Staff("serial", 1, 16, devices=4)
    with pytest.raises(OptionError, match="--devices-per-trial 5: this machine has 4 GPUs"):
        choose_staff("auto", None, (), machine, devices=5)
    with pytest.raises(OptionError, match="this machine has 1 GPU"):
        choose_staff("auto", None, (), Machine("mps", 8), devices=2)
    assert "a module of its own, or use one device" in problems("serial", None, ("__main__:small",), devices=2)[0]


def test_a_cluster_that_is_started_here_has_room_for_what_was_asked_for() -> None:
    pytest.importorskip("ray")
    assert choose_staff("auto", 2, (), Machine("cpu", 1), None, "local") == Staff("ray", 2, 1, address="local")
    assert choose_staff("ray", None, (), Machine("cpu", 16), 60.0, "local") == Staff("ray", 4, 4, 4.0, address="local")


def test_an_address_is_for_ray_alone() -> None:
    assert "leave out one" in problems("process", None, ("timm/a",), "auto")[0]
    assert not problems("auto", 10_000, ("timm/a",), "auto")


def test_without_its_extra_ray_says_what_to_install() -> None:
    code = """
import sys
sys.modules["ray"] = None
from frostline.errors import InputError
from frostline.session.workers import Machine, choose_staff
try:
    choose_staff("ray", None, (), Machine("cpu", 2))
except InputError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "pip install 'frostline[ray]'" in done.stdout


def test_a_network_of_the_running_script_is_carried_out_in_it() -> None:
    assert choose_staff("auto", None, ("__main__:small",), Machine("cpu", 64)).backend == "serial"
    assert "a module of its own" in problems("process", None, ("__main__:small",))[0]


@pytest.mark.parametrize(
    ("backend", "asked", "words"),
    [
        ("proces", None, ("'proces'", "auto, serial, process, ray", "Nearest: process")),
        ("process", 0, ("workers 0", "between 1 and")),
        ("process", 10_000, ("workers 10000", f"between 1 and {os.cpu_count()}")),
        ("serial", 2, ("'serial'", "not 2")),
    ],
)
def test_a_choice_that_cannot_be_is_refused(backend: str, asked: int | None, words: tuple[str, ...], tmp_path: Path) -> None:
    with pytest.raises(OptionError) as caught:
        fl.search(tmp_path, "timm/test_resnet", out=tmp_path / "run", backend=backend, workers=asked)
    assert all(word in str(caught.value) for word in words)


@pytest.mark.parametrize("given", [{"address": "127.0.0.1:1"}, {"backend": "ray"}])
def test_a_cluster_that_does_not_answer_is_refused_before_anything_is_read(
    given: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The images are not even there, and nothing says so."""
    pytest.importorskip("ray")
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
    with pytest.raises(OptionError, match=r"no Ray cluster at address '127\.0\.0\.1:1'"):
        fl.search(tmp_path / "nowhere", "timm/test_resnet", out=tmp_path / "run", **given)


@dataclass(frozen=True)
class FillOrDie:
    """As `FillShard`, but the first shard kills every process but one."""

    survivor: int
    file: Path

    def __call__(self, shard: Shard, watch: object) -> int:
        if shard.start == 0 and os.getpid() != self.survivor:
            os.kill(os.getpid(), signal.SIGKILL)
        with self.file.open("r+b") as file:
            file.seek(shard.start)
            file.write(b"x" * (shard.stop - shard.start))
        return shard.stop - shard.start


def test_a_slice_of_a_pass_that_kills_its_workers_is_run_here(tmp_path: Path) -> None:
    file, images, told = tmp_path / "rows", 10 * BATCH + 1, []
    file.write_bytes(bytes(images))
    with closing(Process([{}, {}])) as backend:
        work = SimpleNamespace(backend=backend, check=lambda: None)
        _share_out(
            cast(Work, work), lambda done, of: told.append((done, of)), cast(FillShard, FillOrDie(os.getpid(), file)), images
        )
    assert file.read_bytes() == b"x" * images and told[-1] == (images, images)


def found_there(item: int, watch: object) -> tuple[int, int, bool]:
    """Threads of torch, and of forests; whether a GPU may round fp32."""
    return threads(), cpu_count(), torch.backends.cudnn.allow_tf32


def test_workers_have_their_share_of_the_threads_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in THREADS:
        monkeypatch.delenv(name, raising=False)
    backend = hire(Staff("process", 2, 1), Machine("cpu", 2))
    items = [1, 2]
    found = [result for _, result in backend.run(found_there, lambda: items.pop() if items else None, lambda: None)]
    backend.close()
    assert found == [(1, 1, False)] * 2


def test_each_worker_has_a_gpu_of_those_that_this_process_may_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,5")
    backend = hire(Staff("process", 4, 1), Machine("cuda", 4, 2))
    assert isinstance(backend, Process)
    assert [one["CUDA_VISIBLE_DEVICES"] for one in backend.environments] == ["3", "5", "3", "5"]


def test_each_worker_has_as_many_gpus_as_a_trial(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,5,6,7")
    backend = hire(Staff("process", 2, 1, devices=2), Machine("cuda", 4, 4))
    assert isinstance(backend, Process)
    assert [one["CUDA_VISIBLE_DEVICES"] for one in backend.environments] == ["3,5", "6,7"]


def test_trials_whose_workers_always_die_have_failed_and_are_tried_again_by_the_next_start(
    textures: Path, backbone_name: str, tmp_path: Path
) -> None:
    over = threading.Event()

    def kill_all() -> None:
        while not over.wait(0.05):
            for pid in workers():
                os.kill(pid, signal.SIGKILL)

    killer = threading.Thread(target=kill_all)
    killer.start()
    options = {"out": tmp_path / "run", "recipe": "all: freeze | head: linear", "size": 64, "limit": 60}
    try:
        with pytest.raises(AllTrialsFailed, match=r"did not come back: 3 processes died.*SIGKILL"):
            fl.search(textures, backbone_name, backend="process", workers=2, **options)
    finally:
        over.set()
        killer.join()
    assert not list((tmp_path / "run" / "results").glob("*.npz"))
    assert fl.search(textures, backbone_name, backend="serial", **options).verdict.chosen.status == "chosen"
