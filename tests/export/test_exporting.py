"""Every form gives frostline's own answers on real files, without frostline; what does not is not handed out."""

import copy
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

import frostline as fl
from frostline import cli
from frostline.compute import train
from frostline.data import decode
from frostline.errors import DataError, ExportFailed, InputError, OptionError
from frostline.export import code
from frostline.export.bundle import WEIGHTS, load
from frostline.export.exporting import export
from frostline.export.graphs import FROM_IMAGES, ONNX
from frostline.export.parity import LIMIT
from frostline.export.standalone import preparation, program
from frostline.store.run_folder import RunFolder
from frostline.terms.recipe import Recipe


@pytest.fixture(scope="module")
def onnx(run: fl.Run) -> Path:
    made = fl.export_model(run.path, "onnx")
    assert made.parity.holds and made.parity.files == 32 and made.parity.largest < LIMIT
    return made.folder


def probabilities(file: Path, name: str, batch: np.ndarray) -> np.ndarray:
    import onnxruntime

    return onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"]).run(None, {name: batch})[0]


def test_onnx_takes_any_number_of_pixels_that_are_resized_and_cut(run: fl.Run, onnx: Path) -> None:
    for count in (1, 3, 40):
        pixels = torch.randint(0, 256, (count, 3, 64, 64), dtype=torch.uint8)
        assert np.abs(probabilities(onnx / ONNX, "pixels", pixels.numpy()) - run.model(pixels).detach().numpy()).max() < 1e-5


@pytest.mark.parametrize("shape", [(64, 64), (73, 97), (74, 90), (301, 65)])
def test_onnx_cuts_resized_images_of_any_shape_where_frostline_does(run: fl.Run, onnx: Path, shape: tuple[int, int]) -> None:
    images = np.random.default_rng(0).integers(0, 256, (2, *shape, 3), np.uint8)
    top, left = (round((extent - 64) / 2) for extent in shape)
    pixels = torch.from_numpy(images[:, top : top + 64, left : left + 64]).permute(0, 3, 1, 2)
    assert np.abs(probabilities(onnx / FROM_IMAGES, "images", images) - run.model(pixels).detach().numpy()).max() < 1e-5


def test_a_truncated_recipe_is_exported_without_what_was_dropped(run: fl.Run, onnx: Path) -> None:
    assert "drop" in run.verdict.chosen.recipe
    whole = sum(t.numel() for t in fl.load_backbone("timm/test_resnet", pretrained=False).network().state_dict().values())
    assert (onnx / ONNX).stat().st_size < 2 * whole  # bytes; the whole network would have four a number


@pytest.mark.slow
def test_torch_program_gives_the_same_answers(run: fl.Run, tmp_path: Path) -> None:
    made = fl.export_model(run.path, "torch", tmp_path / "out")
    assert made.parity.holds
    pixels = torch.randint(0, 256, (5, 3, 64, 64), dtype=torch.uint8)
    assert torch.allclose(torch.export.load(made.folder / "model.pt2").module()(pixels), run.model(pixels), atol=1e-5)


def test_a_whole_network_is_exported_for_timm_and_said_so(
    make_model, stripes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = make_model("all: tune | head: linear")
    words = ["export", str(folder), "--to", "timm", "-o", str(tmp_path / "out"), "--check", str(stripes / "across")]
    assert cli.run(words) == 0
    out = capsys.readouterr().out
    assert "model.safetensors" in out and "parity on 24 real files" in out and "no changed label" in out
    assert json.loads((tmp_path / "out" / "export.json").read_text())["parity"]["files"] == 24


@pytest.fixture(scope="module")
def plain(run: fl.Run) -> Path:
    made = fl.export_model(run.path, "code")
    assert made.parity.holds
    return made.folder


def test_the_plain_program_retrains_the_recipe_to_the_same_score(run: fl.Run, plain: Path, stripes: Path) -> None:
    text = (plain / "train.py").read_text()
    assert "import frostline" not in text and "from frostline" not in text
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [sys.executable, str(plain / "train.py"), "fit", str(stripes)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    found, score = json.loads(done.stdout.splitlines()[-1]), run.verdict.score
    assert score.interval.low <= found["cross-validation"] <= score.interval.high
    again = load_file(plain / WEIGHTS)
    assert torch.equal(again["trunk.conv1.0.weight"], run.model.network.trunk.original_state()["conv1.0.weight"])


def test_the_plain_program_takes_every_default_from_where_the_search_takes_it(run: fl.Run, plain: Path) -> None:
    folder, recipe = RunFolder.open(run.path), Recipe.parse("all: tune | head: linear | train: wd=0.2 opt=sgd")
    found = code._training(recipe, {"configuration": "lr=0.02 epochs=7", "seed": 3}, folder)
    how = train.Schedule.of({"lr": "0.02", "epochs": "7", "wd": "0.2", "opt": "sgd"})
    assert (found["LR"], found["EPOCHS"], found["WEIGHT_DECAY"], found["OPTIMIZER"]) == (how.lr, how.epochs, how.wd, how.opt)
    assert (found["CLIP"], found["SETTLED_ON"], found["RATES"]) == (train.CLIP, train.SETTLED_ON, train.Schedule().rates)
    used = set(re.findall(r"\b[A-Z][A-Z0-9_]{2,}\b", program("train", {})))
    given = set(re.findall(r"^([A-Z][A-Z0-9_]+) = ", (plain / "train.py").read_text(), re.M))
    assert set(found) - used == {"L2", "LR"}  # names of two letters
    assert used - given <= {"DATA", "IMAGE", "JSON", "PIL", "SGD", "LBFGS", "RGB", "RGBA"}  # no constant is missing


def shown_by_program(run: fl.Run, **constants: object) -> Callable[[torch.Tensor, int], torch.Tensor]:
    space: dict[str, object] = {"__file__": str(run.path / "x.py"), "__name__": "x"}
    exec(compile(program("train", constants), "train.py", "exec"), space)
    return space["shown"]  # type: ignore[return-value]


def test_the_plain_program_shows_an_image_in_other_views_as_the_search_does(run: fl.Run) -> None:
    shown = shown_by_program(run, SIZE=64, SMALLEST_CROP=0.75, FLIP=True)
    images = torch.linspace(0, 1, 64).expand(4, 3, 64, 64)  # brighter to the right
    assert shown(images, 0) is images
    for view in range(1, 8):
        made = shown(images, view)
        assert made.shape == images.shape and made.std() < images.std()  # a part of it, enlarged
        assert bool(made[0, 0, 0, 0] > made[0, 0, 0, -1]) == (view % 2 == 1)  # mirrored


def test_another_answer_is_found_and_nothing_is_written(run: fl.Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from frostline.export import exporting

    def damaged(model: object) -> object:
        quick = copy.deepcopy(real(model))
        with torch.no_grad():
            quick.network.head.body.bias.add_(torch.tensor([0.5, 0.0]))
        return quick

    real = exporting.fast
    monkeypatch.setattr(exporting, "fast", damaged)
    with pytest.raises(ExportFailed, match="does not give frostline's answers"):
        fl.export_model(run.path, "torch", tmp_path / "out")
    assert not list(tmp_path.iterdir())


def test_what_cannot_be_exported_says_what_to_do(run: fl.Run, make_model, stripes: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--to onnx"):
        fl.export_model(run.path, "timm")
    with pytest.raises(OptionError, match="Nearest: onnx"):
        fl.export_model(run.path, "onxx")
    with pytest.raises(DataError, match="--check"):
        fl.export_model(make_model("all: freeze | head: linear"), "torch", tmp_path / "a")
    with pytest.raises(InputError, match="needs the run"):
        fl.export_model(run.path / "model", "code", tmp_path / "a", check=stripes)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("x")
    with pytest.raises(InputError, match="holds something else"):
        fl.export_model(run.path, "torch", tmp_path / "mine")
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["thesis.txt"]


@pytest.mark.slow
@pytest.mark.parametrize("form", ["onnx", "torch"])
@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("timm/test_vit", "all: tune | head: linear"),
        ("timm/test_resnet", "all: freeze | head: all-layer"),
        ("timm/test_convnext", "all: freeze | head: mlp(8)"),
        ("timm/test_efficientnet", "all: freeze | head: conv(8)x2"),
        ("timm/swin_tiny_patch4_window7_224", "all: freeze | head: linear"),
        ("torchvision/squeezenet1_1", "all: freeze | head: conv(8)x2"),
        ("torchvision/mobilenet_v3_small", "all: freeze | head: linear"),
    ],
)
def test_networks_of_all_kinds_are_exported(make_model, stripes: Path, tmp_path: Path, name: str, line: str, form: str) -> None:
    assert export(make_model(line, name), form, tmp_path / "out", [stripes / "along"]).parity.holds


def pictures(folder: Path) -> list[Path]:
    """Files of every kind: colour, gray, palette, alpha, deep, turned JPEGs, a strip."""
    random = np.random.default_rng(0)
    rgb = Image.fromarray(random.integers(0, 256, (150, 211, 3), np.uint8)).resize((423, 301))
    rgb.save(folder / "rgb.png")
    for turn in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = turn
        rgb.save(folder / f"turned{turn}.jpg", exif=exif)
    rgb.convert("L").save(folder / "gray.jpg")
    rgb.convert("P").save(folder / "palette.png")
    alpha = rgb.convert("RGBA")
    alpha.putalpha(rgb.convert("L"))
    alpha.save(folder / "alpha.png")
    Image.fromarray(random.integers(100, 4000, (90, 80), np.uint16)).save(folder / "deep.png")
    Image.fromarray(random.integers(0, 256, (3, 900, 3), np.uint8)).save(folder / "strip.png")
    return sorted(folder.iterdir())


def test_the_programs_decode_every_kind_of_file_as_frostline_does(make_model, tmp_path: Path) -> None:
    model = load(make_model("all: freeze | head: linear"))
    space: dict[str, object] = {"__file__": str(tmp_path / "x.py"), "__name__": "x"}
    text = program("predict_torch", preparation(model))
    text = "\n".join(line for line in text.splitlines() if not line.startswith("MODEL ="))
    exec(compile(text, "predict.py", "exec"), space)
    (tmp_path / "images").mkdir()
    start, geometry = model.geometry.offset, model.geometry
    for path in pictures(tmp_path / "images"):
        ours = decode(path, geometry)[start : start + geometry.size, start : start + geometry.size].transpose(2, 0, 1)
        theirs = space["prepare"](path)  # type: ignore[operator]
        assert theirs.shape == (3, geometry.size, geometry.size) and theirs.dtype == np.uint8
        assert np.array_equal(np.broadcast_to(ours, theirs.shape), theirs), path.name


def test_weights_of_a_code_export_must_still_be_there(run: fl.Run, tmp_path: Path) -> None:
    import shutil

    shutil.copytree(run.path, tmp_path / "run")
    config = (tmp_path / "run" / "config.yaml").read_text()
    name = next(line for line in config.splitlines() if "test_resnet=" in line)
    moved = tmp_path / "other.safetensors"
    state = load_file(name.partition("=")[2])
    save_file({key: tensor + 1 if tensor.is_floating_point() else tensor for key, tensor in state.items()}, moved)
    lines = [f"  - timm/test_resnet={moved}" if line == name else line for line in config.splitlines()]
    lines = [line for line in lines if not line.startswith("checksum")]
    (tmp_path / "run" / "config.yaml").write_text("\n".join(lines))
    with pytest.raises(InputError, match="not where they were"):
        fl.export_model(tmp_path / "run", "code", tmp_path / "out")
