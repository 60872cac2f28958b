"""A pass that is shared out writes the very bytes of one that is not."""

from __future__ import annotations

import errno
import itertools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from frostline import backbones, data
from frostline.backends import Process, Serial
from frostline.backends.backend import Backend
from frostline.compute import passes
from frostline.compute.materialise import Taps, tapped_pass
from frostline.compute.passes import BATCH, FillShard, Shard, shards
from frostline.compute.sources import PixelSource
from frostline.store.activations import ActivationStore
from frostline.terms.kernels import Mode
from frostline.terms.recipe import Weights

SIZE = 64


@pytest.mark.parametrize(("count", "parts"), [(1, 4), (32, 4), (33, 4), (100, 3), (5000, 4), (320, 1)])
def test_shards_are_whole_batches_and_hold_every_row_once(count: int, parts: int) -> None:
    found = shards(count, parts)
    assert [row for one in found for row in range(one.start, one.stop)] == list(range(count))
    assert all(one.start % BATCH == 0 and one.stop - one.start <= 32 * BATCH for one in found)
    assert len(found) <= max(parts, -(-count // (32 * BATCH)))


def carried_out(backend: Backend, told: list[Shard]) -> Callable[[FillShard, int], None]:
    def spread(fill: FillShard, images: int) -> None:
        waiting = shards(images, 2)
        for shard, rows in backend.run(fill, lambda: waiting.pop() if waiting else None, lambda: None):
            assert rows == shard.stop - shard.start
            told.append(shard)

    return spread


@pytest.mark.parametrize("make", [Serial, lambda: Process([{}, {}])])
@pytest.mark.parametrize("dtype", ["fp32", "bf16"])
def test_slices_of_a_pass_are_its_bytes(
    stripes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: Callable[[], Backend], dtype: str
) -> None:
    backbone, mode = backbones.load("timm/test_resnet", pretrained=False, size=SIZE), Mode(dtype, True)
    dataset, store = data.build_store(data.read(stripes), data.Geometry.of(backbone.spec), tmp_path)
    source, rows = PixelSource(store, backbone.spec, mode), np.arange(47)
    keep = [backbone.stages[1].cut.name, backbone.stages[-1].cut.name]

    def run(name: str, spread: Callable[[FillShard, int], None] | None) -> Taps:
        activations = ActivationStore(tmp_path / name)
        return tapped_pass(backbone, Weights.RANDOM, 0, source, rows, dataset.fingerprint, activations, mode, keep, spread=spread)

    backend, told = make(), []
    with monkeypatch.context() as patched:
        patched.setattr(FillShard, "of", lambda *_: None)  # as where nothing can be sent: by assignment to the arrays
        whole = run("whole", None)
    shared = run("shared", carried_out(backend, told))
    backend.close()
    assert sorted((one.start, one.stop) for one in told) == [(0, 32), (32, 47)]
    for one, other in ((whole.pooled, shared.pooled), (whole.maps, shared.maps)):
        assert one.keys() == other.keys() and len(one) > 1
        assert all(np.array_equal(one[name], other[name]) and np.any(one[name]) for name in one)


@pytest.mark.parametrize("make", [None, Serial, lambda: Process([{}, {}])])
def test_rows_that_are_known_are_copied_and_the_others_run(
    stripes: Path, tmp_path: Path, make: Callable[[], Backend] | None
) -> None:
    """The same as one pass over all rows; the known ones are marked, so that one that was run again would show."""
    backbone, mode = backbones.load("timm/test_resnet", pretrained=False, size=SIZE), Mode("fp32", True)
    dataset, store = data.build_store(data.read(stripes), data.Geometry.of(backbone.spec), tmp_path)
    source, rows, first = PixelSource(store, backbone.spec, mode), np.arange(47), np.array([1, 2, 3, 11, 20, 33, 34, 46])
    keep = [backbone.stages[1].cut.name, backbone.stages[-1].cut.name]
    activations, told = ActivationStore(tmp_path / "store"), []

    def run(over: np.ndarray, kept: list[str], known: Taps | None = None, spread: object = None, name: str = "store") -> Taps:
        target = activations if name == "store" else ActivationStore(tmp_path / name)
        return tapped_pass(
            backbone, Weights.RANDOM, 0, source, over, dataset.fingerprint, target, mode, kept, known=known, spread=spread
        )

    whole, part = run(rows, keep, name="whole"), run(first, keep)
    marked = replace(
        part,
        pooled={name: values + 5 for name, values in part.pooled.items()},
        maps={name: values + 5 for name, values in part.maps.items()},
    )
    backend = make() if make else None
    found = run(rows, keep, marked, carried_out(backend, told) if backend else None)
    if backend:
        backend.close()
        assert sum(one.stop - one.start for one in told) == len(rows) - len(first)
    mark = np.where(np.isin(rows, first), 5.0, 0.0)
    for one, other in ((whole.pooled, found.pooled), (whole.maps, found.maps)):
        assert one.keys() == other.keys() and len(one) > 1
        for name in one:
            assert np.allclose(other[name] - mark.reshape(-1, *[1] * (one[name].ndim - 1)), one[name], rtol=1e-5, atol=1e-5)
    activations.discard(part.keys)
    assert not any(key in activations for key in part.keys) and all(key in activations for key in found.keys)
    lacking = run(rows, keep, run(first, keep[:1], name="fewer"), name="again")
    assert np.array_equal(lacking.maps[keep[1]], whole.maps[keep[1]]), "a map that was not kept of them is run for all"


def a_pass(stripes: Path, folder: Path, **more: object) -> Callable[[], Taps]:
    """47 images, two maps kept."""
    backbone, mode = backbones.load("timm/test_resnet", pretrained=False, size=SIZE), Mode("fp32", True)
    dataset, store = data.build_store(data.read(stripes), data.Geometry.of(backbone.spec), folder)
    source, rows = PixelSource(store, backbone.spec, mode), np.arange(47)
    keep = [backbone.stages[1].cut.name, backbone.stages[-1].cut.name]
    activations = ActivationStore(folder / "store")
    return lambda: tapped_pass(backbone, Weights.RANDOM, 0, source, rows, dataset.fingerprint, activations, mode, keep, **more)


def failing(monkeypatch: pytest.MonkeyPatch, at: int, error: OSError) -> None:
    """The write with this number, from 0, fails: a batch is three of them."""
    numbers, write = itertools.count(), passes._write

    def written(*arguments: object) -> None:
        if next(numbers) == at:
            raise error
        write(*arguments)

    monkeypatch.setattr(passes, "_write", written)


@pytest.mark.parametrize("at", [1, 5], ids=["first batch", "last batch"])
def test_a_write_that_fails_ends_the_pass_and_publishes_nothing(
    stripes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    run = a_pass(stripes, tmp_path)
    failing(monkeypatch, at, OSError(errno.EIO, "broken disk"))
    with pytest.raises(OSError, match="broken disk"):
        run()
    assert not list((tmp_path / "store").iterdir())


@pytest.mark.parametrize("at", [1, 5], ids=["first batch", "last batch"])
def test_where_the_disk_refuses_what_it_promised_the_pass_is_run_into_memory(
    stripes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    whole = a_pass(stripes, tmp_path / "whole")()
    run = a_pass(stripes, tmp_path / "full")
    failing(monkeypatch, at, OSError(errno.ENOSPC, "no space left"))
    found = run()
    assert found.pooled.keys() == whole.pooled.keys() and len(whole.pooled) > 1 and not found.maps and whole.maps
    assert all(np.array_equal(found.pooled[name], values) for name, values in whole.pooled.items())
    assert not list((tmp_path / "full/store").iterdir())


@pytest.mark.parametrize("weights", list(Weights))
def test_a_pass_of_other_weights_is_another_entry(stripes: Path, tmp_path: Path, weights: Weights) -> None:
    """Matched weights depend on the transferred ones, and two networks may differ in nothing that the graph's code says."""
    keys = set()
    for digest in ("one", "another"):
        backbone = backbones.load("timm/test_resnet", pretrained=False, size=SIZE)
        dataset, store = data.build_store(data.read(stripes), data.Geometry.of(backbone.spec), tmp_path)
        source, mode = PixelSource(store, backbone.spec, Mode()), Mode()
        other = replace(backbone, description=replace(backbone.description, digest=digest))
        keys.add(passes.Pass(other, weights, 0, source, np.arange(4), dataset.fingerprint, mode, backbone.cuts).key("stem", True))
    assert len(keys) == 2


def test_a_pass_tells_how_far_it_is(stripes: Path, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    a_pass(stripes, tmp_path, progress=lambda done, total: told.append((done, total)))()
    assert told == [(32, 47), (47, 47)]


def test_a_pass_that_is_stopped_publishes_nothing(stripes: Path, tmp_path: Path) -> None:
    def stop(done: int, total: int) -> None:
        if done == total:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        a_pass(stripes, tmp_path, progress=stop)()
    assert not list((tmp_path / "store").iterdir())


def test_arrays_in_memory_cannot_be_filled_in_by_others() -> None:
    assert FillShard.of(None, np.zeros((2, 2), np.float32), {}) is None  # type: ignore[arg-type]
