"""DICOM: made files whose pixels are known, and the real ones that pydicom's authors collected."""

from __future__ import annotations

import importlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from frostline.data import dicom
from frostline.data.decoding import Geometry, decode, look_at
from frostline.data.images import load
from frostline.data.reading import read
from frostline.data.splits import plan_splits
from frostline.errors import DataError
from frostline.store.records import splits_text
from frostline.terms.look import Scale
from tests.data.files import dicom_file
from tests.data.pictures import noise

pydicom = pytest.importorskip("pydicom")

SIDE = 32
SQUARE = Geometry(SIDE, SIDE)
NO_PICTURE = "without a picture"
REFUSED = {  # pydicom's own damaged files, and those that its plug-ins cannot decode
    "JPEG-lossy.dcm": "cannot be decoded",
    "JPEG2000-embedded-sequence-delimiter.dcm": "cannot be decoded",
    "MR_truncated.dcm": "cannot be decoded",
    "SC_rgb_jpeg.dcm": "cannot be decoded",
    "badVR.dcm": "header is damaged",
    "image_dfl.dcm": "deflated",
}


def ramp(low: int = 0, high: int = 4095, dtype: str = "uint16") -> np.ndarray:
    return np.tile(np.linspace(low, high, SIDE), (SIDE, 1)).astype(dtype)


def shown(path: Path) -> np.ndarray:
    return decode(path, SQUARE)[..., 0].astype(int)


def test_without_a_window_the_own_range_counts(tmp_path: Path) -> None:
    path = dicom_file(tmp_path / "x.dcm", ramp(1000, 5000))
    assert np.abs(shown(path)[0] - np.linspace(0, 255, SIDE)).max() <= 1
    assert look_at(path, 8)[1].scale is Scale.OWN_RANGE


def test_slope_and_window_are_applied(tmp_path: Path) -> None:
    """Stored 0..4095 is -1024..3071 Hounsfield units; the window is 0..399."""
    path = dicom_file(tmp_path / "x.dcm", ramp(), RescaleSlope=1, RescaleIntercept=-1024, WindowCenter=200, WindowWidth=400)
    units = ramp()[0].astype(float) - 1024
    assert np.abs(shown(path)[0] - np.clip((units - 199.5) / 399 + 0.5, 0, 1) * 255).max() <= 1
    assert look_at(path, 8)[1].scale is Scale.WINDOW


def test_the_first_of_several_windows_and_none_of_no_width(tmp_path: Path) -> None:
    one = dicom_file(tmp_path / "x.dcm", ramp(), WindowCenter=1000, WindowWidth=500)
    several = dicom_file(tmp_path / "y.dcm", ramp(), WindowCenter=[1000, 3000], WindowWidth=[500, 100])
    assert np.array_equal(shown(one), shown(several))
    without, empty = (dicom_file(tmp_path / f"{width}.dcm", ramp(), WindowCenter=9, WindowWidth=width) for width in (0, None))
    assert look_at(without, 8)[1].scale is look_at(empty, 8)[1].scale is Scale.OWN_RANGE


def test_a_table_of_values_of_interest_goes_before_the_window(tmp_path: Path) -> None:
    table = pydicom.Dataset()
    table.LUTDescriptor, table.LUTData = [256, 0, 16], [65535 - 257 * i for i in range(256)]
    table["LUTData"].VR = "US"
    path = dicom_file(tmp_path / "x.dcm", ramp(0, 255, "uint8"), VOILUTSequence=[table], WindowCenter=10, WindowWidth=5)
    assert np.abs(shown(path) - (255 - ramp(0, 255, "uint8"))).max() <= 1


def test_monochrome1_is_turned_over_and_padding_does_not_count(tmp_path: Path) -> None:
    path = dicom_file(tmp_path / "x.dcm", ramp(), PhotometricInterpretation="MONOCHROME1")
    assert np.abs(shown(path)[0] - np.linspace(255, 0, SIDE)).max() <= 1
    values = ramp(0, 1000, "int16")
    values[0] = -2000
    padded = shown(dicom_file(tmp_path / "y.dcm", values, PixelPaddingValue=-2000))
    assert np.abs(padded[1] - np.linspace(0, 255, SIDE)).max() <= 1 and padded[0].max() == 0


def test_colours(tmp_path: Path) -> None:
    from pydicom.pixels import convert_color_space

    colours = np.asarray(noise(1, SIDE, SIDE))
    assert np.array_equal(decode(dicom_file(tmp_path / "x.dcm", colours), SQUARE), colours)
    other = convert_color_space(colours, "RGB", "YBR_FULL")
    path = dicom_file(tmp_path / "y.dcm", other, PhotometricInterpretation="YBR_FULL")
    assert np.abs(decode(path, SQUARE).astype(int) - colours).max() <= 3


@pytest.mark.parametrize("syntax", ["RLELossless", "JPEG2000Lossless", "JPEGLSLossless"])
def test_compressed_pixels_are_those_of_the_plain_file(tmp_path: Path, syntax: str) -> None:
    path = dicom_file(tmp_path / "x.dcm", ramp())
    found = pydicom.dcmread(path)
    try:
        found.compress(getattr(pydicom.uid, syntax))
    except (NotImplementedError, RuntimeError):
        pytest.skip("no encoder is installed")
    found.save_as(tmp_path / "y.dcm")
    assert np.array_equal(shown(tmp_path / "y.dcm"), shown(path))


def test_the_same_picture_as_dicom_deep_png_and_jpeg(tmp_path: Path) -> None:
    """Pixels within a few gray levels, and what a network makes of them within what JPEG itself costs."""
    import torch

    from frostline import backbones
    from frostline.data import normalise

    smooth = np.asarray(Image.fromarray(noise(3, 90, 90, 1)).convert("F"))
    deep = np.rint((smooth - smooth.min()) / np.ptp(smooth) * 4095).astype(np.uint16)
    dicom_file(tmp_path / "x.dcm", deep, BitsStored=12, HighBit=11)
    dicom_file(tmp_path / "w.dcm", deep, BitsStored=12, HighBit=11, WindowCenter=2048, WindowWidth=4096)
    Image.fromarray(deep * 16).save(tmp_path / "x.png")
    Image.fromarray(np.rint(deep / 4095 * 255).astype(np.uint8)).save(tmp_path / "x.jpg", quality=95)
    backbone = backbones.load("timm/test_resnet", pretrained=False, size=64)
    files = [tmp_path / name for name in ("x.dcm", "w.dcm", "x.png", "x.jpg")]
    pixels = load(files, Geometry.of(backbone.spec))
    assert (pixels[0].int() - pixels[1:3].int()).abs().max() <= 1
    with torch.no_grad():
        features = backbone.network().eval()(normalise(pixels, backbone.spec)).flatten(1)
    apart = torch.linalg.norm(features - features[0], dim=1) / torch.linalg.norm(features[0])
    assert apart[1] < 0.005 and apart[2] < 0.005 and apart[3] < 0.05


def patients(root: Path, names: tuple[str, ...] = ("MRN-1", "MRN-1", "MRN-2", "MRN-3", "MRN-4")) -> Path:
    for number, patient in enumerate(names):
        for label in ("ill", "well"):
            seed = 2 * number + (label == "ill")
            values = np.asarray(noise(seed, SIDE, SIDE, 1)).astype(np.uint16)
            fields = {"PatientID": patient, "PatientBirthDate": "19700101", "InstitutionName": "St. Elsewhere"}
            dicom_file(root / label / f"{number}.dcm", values, **fields)
    return root


def test_patients_are_groups_and_nothing_of_them_is_written(tmp_path: Path) -> None:
    data = read(patients(tmp_path))
    groups = {sample.path: sample.group for sample in data.samples}
    assert groups["ill/0.dcm"] == groups["well/1.dcm"] != groups["ill/2.dcm"] and len(set(groups.values())) == 4
    assert any("patient's id in the DICOM headers (hashed): 4 patients" in note for note in data.notes)
    written = repr(data) + splits_text(data, plan_splits(data, 0))
    for word in ("MRN", "Doe", "Jane", "1970", "Elsewhere"):
        assert word not in written
    issued = dicom.patient_of(dicom_file(tmp_path / "x.dcm", ramp(), PatientID="MRN-1", IssuerOfPatientID="another clinic"))
    assert issued is not None and issued not in groups.values()
    assert dicom.patient_of(dicom_file(tmp_path / "y.dcm", ramp(), PatientID="")) is None


def test_only_fields_of_the_pixels_and_the_patients_id_are_parsed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = dicom_file(tmp_path / "x.dcm", ramp(), PatientBirthDate="19700101", InstitutionName="St. Elsewhere")
    read_in: set[str] = set()
    plain = pydicom.dataset.Dataset.__setitem__

    def noted(self: object, key: object, element: object) -> None:
        read_in.add(str(key))
        plain(self, key, element)  # type: ignore[arg-type]

    monkeypatch.setattr(pydicom.dataset.Dataset, "__setitem__", noted)
    header = dicom.read_header(path)
    dicom.read_values(path)
    assert (header.width, header.height, header.bits) == (SIDE, SIDE, 16)
    assert not any(tag.startswith(("(0010", "(0008,0080")) for tag in read_in)


def test_files_without_a_suffix_are_found_by_their_beginning(tmp_path: Path) -> None:
    root = patients(tmp_path)
    for number, path in enumerate(sorted(root.rglob("*.dcm"))):
        path.rename(path.with_suffix("") if number % 2 else path.with_name(f"1.2.840.{number}"))
    (root / "ill" / "README").write_text("not a picture")
    assert len(read(root).samples) == 10


def test_a_table_may_name_files_without_a_suffix(tmp_path: Path) -> None:
    names = ["IM0001", "IM0002", "1.3.6.7", "x.dcm"]
    for number, name in enumerate(names):
        dicom_file(tmp_path / name, ramp() + np.uint16(number))
    rows = "".join(f"{name},{'ab'[number % 2]}\n" for number, name in enumerate(names))
    (tmp_path / "index.csv").write_text("path,label\n" + rows)
    assert {sample.path for sample in read(tmp_path).samples} == set(names)
    (tmp_path / "notes").write_text("no picture")
    (tmp_path / "index.csv").write_text(f"path,label\n{rows}notes,a\n")
    with pytest.raises(DataError, match=r"no images by their names .*notes.* expected .bmp, .dcm"):
        read(tmp_path)


def test_without_the_extra_one_line_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = patients(tmp_path)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(DataError, match=r"10 DICOM files.*pip install 'frostline\[dicom\]'"):
        read(root)


def test_a_bomb_of_rows_and_columns_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    path = dicom_file(tmp_path / "x.dcm", ramp(), NumberOfFrames=1)
    found = pydicom.dcmread(path)
    found.Rows = found.Columns = 65000
    found.save_as(path)
    with pytest.raises(DataError, match="too large"):
        decode(path, SQUARE)


# Real files ----------------------------------------------------------------------------------------------------------


def collected() -> list[Path]:
    store = pytest.importorskip("data_store")
    roots = (Path(pydicom.__file__).parent / "data", Path(store.__file__).parent / "data")
    return sorted(path for root in roots for path in root.rglob("*.dcm"))


def test_every_collected_file_is_read_or_refused_in_one_line() -> None:
    read_, refused = [], {}
    for path in collected():
        try:
            look = look_at(path, 64)[1]
            assert look.width > 0 and look.channels in (1, 3)
            read_.append(path.name)
        except DataError as error:
            assert "\n" not in str(error) and len(str(error)) < 600
            refused[path.name] = str(error)
    assert len(read_) > 130
    without = {name for name, why in refused.items() if NO_PICTURE in why}
    assert {name: why for name, why in refused.items() if name not in without}.keys() == REFUSED.keys()
    assert all(REFUSED[name] in refused[name] for name in REFUSED)
    for name in without:
        path = next(path for path in collected() if path.name == name)
        assert not all(field in pydicom.dcmread(path, force=True) for field in ("Rows", "PixelData")), name


def test_compressed_and_plain_twins_of_real_files_look_alike() -> None:
    found = {path.name: path for path in collected()}
    twins = [(name, name.replace("J2K", "UNC")) for name in found if "J2K" in name and name.replace("J2K", "UNC") in found]
    twins += [("MR_small.dcm", f"MR_small_{kind}.dcm") for kind in ("RLE", "bigendian", "jp2klossless", "jpeg_ls_lossless")]
    twins += [("emri_small.dcm", f"emri_small_{kind}.dcm") for kind in ("RLE", "big_endian", "jpeg_2k_lossless")]
    twins += [("OBXXXX1A.dcm", f"OBXXXX1A_{kind}.dcm") for kind in ("expb", "rle")]
    assert len(twins) >= 15
    for one, other in twins:
        first, second = (look_at(found[name], 64)[0].astype(int) for name in (one, other))
        assert np.abs(first - second).max() <= 3, (one, other)
