"""What the probes choose, from injected timings; and on this machine, within their time."""

import os
import subprocess
import sys
from dataclasses import dataclass, field, replace

import pytest
import torch

from frostline import backbones
from frostline.backbones import StraightTaps
from frostline.compute import kernels as kernels_module
from frostline.compute.compiled import compiler, tap_with
from frostline.compute.kernels import (
    FORWARD_S,
    WORTH_COMPILING_S,
    Timing,
    candidates,
    compiled_if_it_pays,
    fastest,
    fastest_products,
    fewest_threads,
    first_timing,
    pays,
    probe_kernels,
    timed_again,
    try_compiled,
)
from frostline.compute.machine import core_of, cpu_quota, settings_restored, thread_counts
from frostline.store.values import build, plain
from frostline.terms.kernels import Kernels, Mode

PLAIN, HALF, CONTIGUOUS = Mode("fp32", True), Mode("bf16", True), Mode("fp32", False)
MODES = (PLAIN, HALF, CONTIGUOUS)


@dataclass
class Bench:
    """A machine on which an image takes as long as it is said to; its clock moves only when a probe runs.

    Attributes:
        shown: (mode, images) of every run.
    """

    seconds: dict[Mode, float]
    now: float = 0.0
    shown: list[tuple[Mode, int]] = field(default_factory=list)

    def prepare(self, mode: Mode):
        def probe(images: int) -> float:
            self.shown.append((mode, images))
            self.now += images * self.seconds[mode]
            return images * self.seconds[mode]

        return probe

    def fastest(self, limit_s: float = FORWARD_S) -> Timing:
        return fastest(MODES, self.prepare, limit_s, lambda: self.now)


def test_the_fastest_mode_is_chosen_with_its_seconds_an_image() -> None:
    found = Bench({PLAIN: 0.002, HALF: 0.0015, CONTIGUOUS: 0.001}).fastest()
    assert found.mode == CONTIGUOUS and found.seconds == pytest.approx(0.001)


def test_ties_within_a_few_per_cent_go_to_fp32() -> None:
    assert Bench({PLAIN: 0.002, HALF: 0.00195, CONTIGUOUS: 0.00195}).fastest().mode == PLAIN


def test_the_batch_of_training_is_timed_where_there_is_time_and_fewer_images_else() -> None:
    quick, slow = Bench(dict.fromkeys(MODES, 0.001)), Bench(dict.fromkeys(MODES, 0.04))
    quick.fastest(), slow.fastest()
    assert max(images for _, images in quick.shown) == 32
    assert {images for mode, images in slow.shown if mode == HALF} == {4}


def test_no_further_mode_is_tried_when_the_time_is_used_up_but_the_first_counts() -> None:
    bench = Bench({PLAIN: 10.0, HALF: 0.001, CONTIGUOUS: 0.001})
    found = bench.fastest()
    assert (found.mode, found.seconds) == (PLAIN, 10.0)
    assert bench.shown == [(PLAIN, 2)] * 3  # the first run, which also loads code, and two that count


def test_a_hopeless_mode_is_run_once() -> None:
    bench = Bench({PLAIN: 0.001, HALF: 0.01, CONTIGUOUS: 0.001})
    bench.fastest()
    assert sum(mode == HALF for mode, _ in bench.shown) == 1


def test_short_runs_are_repeated_until_one_was_not_held_up() -> None:
    bench = Bench({PLAIN: 1e-4, HALF: 1.0, CONTIGUOUS: 1.0})
    plain = bench.prepare(PLAIN)

    def held_up(images: int) -> float:  # as by another process, for the first five runs
        return plain(images) * (10 if len(bench.shown) < 5 else 1)

    _, taken = first_timing(held_up, 3, 1.0, lambda: bench.now)
    assert taken == pytest.approx(1e-4)


@pytest.mark.parametrize("slowness", [1e-4, 0.01, 0.05, 0.2])
def test_probes_overrun_by_one_run_at_most(slowness: float) -> None:
    bench = Bench(dict.fromkeys(MODES, slowness))
    bench.fastest(1.0)
    assert bench.now <= 1.0 + 8 * slowness + 0.2


def test_more_threads_that_bring_nothing_are_left_to_others() -> None:
    assert fewest_threads({4: 0.010, 2: 0.0102}) == 2
    assert fewest_threads({4: 0.010, 2: 0.018}) == 4
    assert fewest_threads({2: 0.010, 1: 0.004}) == 1


def test_compiled_code_must_pay_within_a_pass() -> None:
    assert pays(10_000, 0.004, 30.0) and not pays(1_000, 0.004, 30.0) and not pays(10_000, -0.001, 1.0)


def test_compiled_code_is_not_even_tried_for_a_short_pass() -> None:
    notes: list[str] = []
    eager, backbone = Timing(PLAIN, 0.01), backbones.load("timm/test_resnet", pretrained=False, size=64)
    assert compiled_if_it_pays(backbone, eager, "cpu", int(0.9 * WORTH_COMPILING_S / 0.01), notes) is eager
    assert not notes


# --- the machine ------------------------------------------------------------------------------------------------------


def test_threads_of_one_core_count_once_and_a_quota_is_rounded_up(tmp_path) -> None:
    for cpu, siblings in ((0, "0,2"), (2, "0,2"), (1, "1,3")):
        folder = tmp_path / f"cpu{cpu}/topology"
        folder.mkdir(parents=True)
        (folder / "thread_siblings_list").write_text(f"{siblings}\n")
    assert len({core_of(tmp_path, cpu) for cpu in (0, 1, 2)}) == 2
    assert core_of(tmp_path, 7) == "7"
    quota = tmp_path / "cpu.max"
    for text, expected in (("150000 100000", 2), ("max 100000", None), ("50000 100000", 1)):
        quota.write_text(text)
        assert cpu_quota(quota) == expected
    assert cpu_quota(tmp_path / "none") is None


def test_never_more_threads_than_the_user_allows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert thread_counts() == (1,)
    monkeypatch.delenv("OMP_NUM_THREADS")
    assert 1 <= max(thread_counts()) <= (os.cpu_count() or 1)


def test_torch_is_left_as_it_was() -> None:
    before = torch.get_num_threads()
    with settings_restored():
        torch.set_num_threads(before + 1)
    assert torch.get_num_threads() == before


def test_a_probe_here_records_what_it_chose() -> None:
    backbone = backbones.load("timm/test_resnet", pretrained=False, size=64)
    with settings_restored():
        found = probe_kernels(backbone, 2, "cpu", batch=16, threads=1)
        assert torch.get_num_threads() == 1
    assert (found.size, found.threads, found.batch) == (64, 1, 16)
    assert found.forward in candidates("cpu") and found.train in candidates("cpu")
    assert 0 < found.forward_s < found.train_s < 1
    assert build(Kernels, plain(found)) == found


@pytest.mark.parametrize("again", [False, True], ids=["at first", "again"])
def test_whoever_stops_waits_for_one_run_of_a_probe(again: bool) -> None:
    runs: list[int] = []

    def stop() -> None:
        runs.append(1)
        if len(runs) == 2:
            raise KeyboardInterrupt

    backbone = backbones.load("timm/test_resnet", pretrained=False, size=64)
    known = Kernels("timm/test_resnet", 64, "cpu", 1, 32, PLAIN, PLAIN, 0.001, 0.003)
    with settings_restored(), pytest.raises(KeyboardInterrupt):
        timed_again(backbone, 2, known, stop=stop) if again else probe_kernels(backbone, 2, "cpu", threads=1, stop=stop)
    assert len(runs) == 2


def test_what_was_measured_on_a_busy_machine_is_measured_again_in_the_same_modes() -> None:
    backbone = backbones.load("timm/test_resnet", pretrained=False, size=64)
    with settings_restored():
        found = probe_kernels(backbone, 2, "cpu", threads=1)
        busy = replace(found, forward_s=50 * found.forward_s, train_s=50 * found.train_s, product_flops=found.product_flops / 50)
        again = timed_again(backbone, 2, busy)
        assert torch.get_num_threads() == 1
    assert (
        again.forward_s < busy.forward_s / 5 and again.train_s < busy.train_s / 5 and again.product_flops > 5 * busy.product_flops
    )
    assert replace(again, forward_s=busy.forward_s, train_s=busy.train_s, product_flops=busy.product_flops) == busy


CHOICE = """
from frostline import backbones
from frostline.compute.kernels import candidates, probe_kernels
found = probe_kernels(backbones.load("timm/test_resnet", pretrained=False, size=64), 2, "cpu")
print(sorted({*(mode.dtype for mode in (*candidates("cpu"), found.forward, found.train)), found.heads}))
"""


def test_without_wide_vectors_only_fp32_is_chosen() -> None:
    environment = os.environ | {"ATEN_CPU_CAPABILITY": "avx2"}
    done = subprocess.run([sys.executable, "-c", CHOICE], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['fp32']"


@pytest.mark.parametrize(("half", "chosen"), [(0.5, "bf16"), (0.99, "fp32"), (2.0, "fp32")])
def test_small_networks_have_a_precision_of_their_own(half: float, chosen: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernels_module, "products_flops", {"fp32": 6e9, "bf16": 6e9 / half}.__getitem__)
    monkeypatch.setattr(kernels_module, "wide_vectors", lambda: True)
    dtype, flops = fastest_products()
    assert dtype == chosen
    assert flops == pytest.approx(6e9 / (half if chosen == "bf16" else 1.0))


# --- compiled code -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["timm/test_resnet", "timm/test_vit", "timm/test_efficientnet"])
def test_straight_taps_are_those_of_the_network(name: str) -> None:
    network = backbones.load(name, pretrained=False).network().eval()
    size = backbones.load(name, pretrained=False).input_size
    images, cuts = torch.rand(3, *size), list(network.layouts)
    straight = StraightTaps(network, cuts, cuts[1:2])
    with torch.no_grad():
        flat, whole = network.tap_pooled(images, cuts, cuts[1:2])
        pooled, maps = straight(images)
    assert set(straight.pooled) == set(flat) and straight.whole == tuple(whole)
    assert all(torch.equal(flat[cut], value) for cut, value in zip(straight.pooled, pooled, strict=True))
    assert torch.equal(whole[cuts[1]], maps[0])


def test_without_a_compiler_the_pass_runs_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    assert compiler() is None
    network = backbones.load("timm/test_resnet", pretrained=False, size=64).network().eval()
    images, cuts = torch.rand(2, 3, 64, 64), list(network.layouts)
    tap = tap_with(network, Mode("fp32", False, compiled=True), cuts, (), 8)
    assert all(torch.equal(value, network.tap_pooled(images, cuts)[0][cut]) for cut, value in tap(images)[0].items())
    assert tap.error == "no C++ compiler"


@pytest.mark.skipif(compiler() is None, reason="no C++ compiler")
@pytest.mark.parametrize("channels_last", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_compiled_and_plain_passes_agree(channels_last: bool) -> None:
    mode = Mode("fp32", channels_last)
    backbone = backbones.load("timm/test_resnet", pretrained=False, size=64)
    tried = try_compiled(backbone, mode, "cpu", batch=8)
    assert not tried.error and 0 < tried.difference < 1e-4  # not zero: the code really is another
    network = backbone.network().eval()
    cut = backbone.stages[0].cut.name
    tap = tap_with(network, Mode("fp32", False, compiled=True), [cut], [cut], 8)
    images = torch.rand(5, 3, 64, 64)  # not a full batch
    (flat, whole), (flat_too, whole_too) = tap(images), network.tap_pooled(images, [cut], [cut])
    assert not tap.error and flat[cut].shape == flat_too[cut].shape
    assert torch.allclose(flat[cut], flat_too[cut], rtol=1e-4, atol=1e-5)
    assert torch.allclose(whole[cut], whole_too[cut], rtol=1e-3, atol=1e-4)
