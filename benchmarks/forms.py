"""A model's forms side by side: bytes and milliseconds an image of its own recipe, of its whole backbone, of every truncation of
it and of all its layers; and how close `predict` on files comes to the bare forward pass, with what decoding alone takes.

python -m benchmarks.forms RUN DATA
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

import frostline as fl
from frostline.backbones import LoadedBackbone
from frostline.compute.build import build
from frostline.export.bundle import Classifier, model_folder, rebuilt_backbone
from frostline.export.graphs import ONNX, PROGRAM, write_onnx, write_program
from frostline.export.inputs import find_inputs
from frostline.export.predict import BATCH, decode_ahead, fast, predict_files
from frostline.terms.recipe import Recipe

REPEATS = 7
HEADER = (
    "| network | parameters | model.onnx, bytes | onnxruntime, ms | torch, ms | of the whole: bytes | onnxruntime | torch |\n"
    "|---|---:|---:|---:|---:|---:|---:|---:|"
)


@dataclass(frozen=True, eq=False)
class Form:
    """One network as it is exported.

    Attributes:
        size: bytes of model.onnx; runs: way of running -> a batch through it.
    """

    name: str
    parameters: int
    size: int
    runs: dict[str, Callable[[], object]]


def seconds_an_image(runs: Sequence[Callable[[], object]], images: int) -> list[float]:
    """Of each the least of several rounds; each round goes through all of them: other work on the machine hits them alike."""
    for run in runs:
        run()
    found = []
    for _ in range(REPEATS):
        for run in runs:
            begun = time.perf_counter()
            run()
            found.append(time.perf_counter() - begun)
    return [min(found[place :: len(runs)]) / images for place in range(len(runs))]


def recipes(backbone: LoadedBackbone) -> Iterator[str]:
    """The whole backbone first, all of its layers, then every truncation."""
    yield "all: freeze | head: linear"
    yield "all: freeze | head: all-layer"
    names = backbone.stage_names
    for kept in range(len(names) - 1, 0, -1):
        yield f"{names[0]} .. {names[kept - 1]}: freeze | {names[kept]} .. {names[-1]}: drop | head: linear"


def built(line: str, backbone: LoadedBackbone, like: Classifier) -> Classifier:
    """The recipe with random weights, at the size and for the classes of `like`."""
    network = build(Recipe.parse(line), backbone, len(like.classes))
    return Classifier(network, like.spec, like.classes, like.geometry).eval()


def exported(name: str, model: Classifier) -> Form:
    """In both forms, ready to run."""
    import onnxruntime

    batch = np.random.default_rng(0).integers(0, 256, (BATCH, *model.spec.size), np.uint8)
    with tempfile.TemporaryDirectory() as folder:
        write_onnx(fast(model), Path(folder))
        write_program(fast(model), Path(folder))
        size = (Path(folder) / ONNX).stat().st_size
        session = onnxruntime.InferenceSession(Path(folder) / ONNX, session_options(), providers=["CPUExecutionProvider"])
        program = torch.export.load(Path(folder) / PROGRAM).module()
    pixels = torch.from_numpy(batch)
    runs = {"onnxruntime": lambda: session.run(None, {"pixels": batch}), "torch": torch.inference_mode()(lambda: program(pixels))}
    return Form(name.replace("|", "\\|"), sum(p.numel() for p in model.parameters()), size, runs)


def session_options() -> Any:
    """As many threads as torch has."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    return options


def print_forms(source: Path, model: Classifier) -> None:
    description = json.loads((model_folder(source) / "model.json").read_text())
    backbone = rebuilt_backbone(description)
    forms = [exported(line, built(line, backbone, model)) for line in recipes(backbone)]
    forms.append(exported(f"as trained: {description['recipe']}", model))
    taken = {way: seconds_an_image([form.runs[way] for form in forms], BATCH) for way in forms[0].runs}
    print(f"{HEADER}")
    for place, form in enumerate(forms):
        own = [f"{form.parameters:,}", f"{form.size:,}", *(f"{1000 * times[place]:.2f}" for times in taken.values())]
        shares = [form.size / forms[0].size, *(times[place] / times[0] for times in taken.values())]
        print(f"| {form.name} | {' | '.join([*own, *(f'{share:.2f}' for share in shares)])} |")


def print_throughput(model: Classifier, data: Path, most: int) -> None:
    files = list(find_inputs([data]).paths)[:most]
    files = files[: len(files) // BATCH * BATCH]
    quick, batch = fast(model), torch.randint(0, 256, (BATCH, *model.spec.size), dtype=torch.uint8)

    @torch.inference_mode()
    def bare() -> None:
        for _ in range(len(files) // BATCH):
            quick(batch)

    def decode() -> None:
        with decode_ahead(iter(files), model) as waiting:
            while found := waiting.take():
                for _, decoded in found:
                    decoded.result()

    runs = {"decode alone": decode, "predict": lambda: list(predict_files(model, files))}
    count = len(files)
    bare_s, *each = seconds_an_image([bare, *runs.values()], count)
    found = dict(zip(runs, each, strict=True))
    bare_cpu, decode_cpu = cpu_seconds(bare) / count, cpu_seconds(decode) / count
    limit = max(bare_s, found["decode alone"], (bare_cpu + decode_cpu) / (os.cpu_count() or 1))
    print(f"\n{len(files)} files; milliseconds an image: bare forward pass {1000 * bare_s:.2f}", end="")
    print("".join(f", {name} {1000 * taken:.2f} ({taken / bare_s:.2f} x)" for name, taken in found.items()))
    print(
        f"processor time of an image: {1000 * decode_cpu:.2f} ms to decode it, {1000 * bare_cpu:.2f} ms in the network; so"
        f" {os.cpu_count()} cores cannot be faster than {1000 * limit:.2f} ms ({limit / bare_s:.2f} x)"
    )


def cpu_seconds(run: Callable[[], object]) -> float:
    begun = time.process_time()
    run()
    return time.process_time() - begun


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--images", type=int, default=512)
    parser.add_argument("--only", choices=("forms", "throughput"))
    given = parser.parse_args(arguments)
    model = fl.load(given.run)
    if given.only != "throughput":
        print_forms(given.run, model)
    if given.only != "forms":
        print_throughput(model, given.data, given.images)


if __name__ == "__main__":
    main()
