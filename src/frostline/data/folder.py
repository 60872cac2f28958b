"""Folders as data sets: a folder a class, alone or inside `train`, `val` and `test`."""

from __future__ import annotations

from pathlib import Path

from frostline.data.entries import PARTS, Entry, Found, find_images, images_directly_in, listed, subfolders
from frostline.errors import DataError, nearest

_OTHER_PART_NAMES = frozenset({"training", "trainset", "testing", "testset", "eval", "evaluation", "dev", "holdout"})
_LAYOUTS = "a folder a class (DATA/class/image.png), train/val/test folders of these, or an index.csv"


def existing_folder(path: Path) -> Path:
    """`path` itself.

    Raises:
        DataError: it is not there, or is not a folder.
    """
    if path.is_dir():
        return path
    if path.exists():
        raise DataError(f"{path} is a file; expected {_LAYOUTS}. Give the folder that holds the class folders: {path.parent}")
    parent = path.parent
    if not parent.is_dir():
        raise DataError(f"{path} is not there, and neither is {parent}; check the path.")
    here = [folder.name for folder in subfolders(parent)]
    near = nearest(path.name, here) or (f" Folders there: {listed(here)}." if here else "")
    raise DataError(f"{path} is not there; expected a folder of labelled images.{near} Check the path.")


def read_folder(root: Path) -> tuple[list[Entry], list[str]]:
    """The images of a folder layout, and notes about what was left out.

    Raises:
        DataError: no images, parts without `train`, or other folders with images beside the parts.
    """
    folders = subfolders(root)
    parts = [folder for folder in folders if folder.name.lower() in PARTS and _holds_classes(folder)]
    if parts:
        return _read_parts(root, folders, parts)
    _refuse_parts_in_disguise(root, folders)
    entries, notes = _read_classes(root, root, None)
    if not entries:
        raise DataError(_no_images(root))
    return entries, notes


def _holds_classes(folder: Path) -> bool:
    return not images_directly_in(folder) and any(find_images(child, folder).images for child in subfolders(folder))


def _read_parts(root: Path, folders: list[Path], parts: list[Path]) -> tuple[list[Entry], list[str]]:
    by_part: dict[str, Path] = {}
    for folder in parts:
        part = PARTS[folder.name.lower()]
        if part in by_part:
            raise DataError(f"{root} holds both {by_part[part].name}/ and {folder.name}/; both mean '{part}'. Keep one of them.")
        by_part[part] = folder
    if "train" not in by_part:
        raise DataError(
            f"{root} holds {listed(folder.name + '/' for folder in parts)} but no train/ with a folder a class."
            f"{nearest('train', [folder.name for folder in folders if folder not in parts])}"
            " Add train/, or give one of these folders itself to use all its images."
        )
    notes = _check_beside_parts(root, [folder for folder in folders if folder not in parts])
    entries: list[Entry] = []
    for part, folder in sorted(by_part.items()):
        found, said = _read_classes(root, folder, part)
        entries += found
        notes += said
    return entries, notes


def _check_beside_parts(root: Path, others: list[Path]) -> list[str]:
    with_images = [folder.name for folder in others if find_images(folder, root).images]
    if with_images:
        raise DataError(
            f"{root} holds train/val/test folders and also {listed(with_images)} with images; it is not clear what these"
            " are. Expected only train, val (or valid, validation) and test. Move the others away, or into train/."
        )
    return [f"The folder {folder.name} holds no images and was left out." for folder in others]


def _read_classes(root: Path, folder: Path, part: str | None) -> tuple[list[Entry], list[str]]:
    entries: list[Entry] = []
    notes: list[str] = []
    for child in subfolders(folder):
        found = find_images(child, root)
        entries += [Entry(path, child.name, part=part) for path in found.images]
        if not found.images:
            name = child.relative_to(root).as_posix()
            notes.append(f"The folder {name} holds no images ({found.describe_others()}) and was left out.")
    loose = images_directly_in(folder)
    if loose and entries:
        where = folder.relative_to(root).as_posix() if folder != root else "the data folder"
        notes.append(f"{len(loose):,} images lie directly in {where}, in no class folder, and were left out.")
    return entries, notes


def _refuse_parts_in_disguise(root: Path, folders: list[Path]) -> None:
    filled = [folder for folder in folders if find_images(folder, root).images]
    names = {folder.name.lower() for folder in filled}
    if filled and names <= set(PARTS):
        raise DataError(
            f"{root} holds images directly in {listed(folder.name + '/' for folder in filled)}; expected a folder a class"
            f" inside, such as {filled[0].name}/healthy and {filled[0].name}/sick. Sort the images into class folders,"
            " or describe them in an index.csv with the columns path, label and split."
        )
    odd = [folder.name for folder in filled if folder.name.lower() in _OTHER_PART_NAMES and _holds_classes(folder)]
    if odd:
        raise DataError(
            f"{root} holds {listed(odd)}, which looks like a part of the data and not like a class."
            " Expected the names train, val and test. Rename the folders."
        )


def _no_images(root: Path) -> str:
    found: Found = find_images(root, root)
    if found.images:
        return (
            f"{root} holds {len(found.images):,} images but no class folders; expected {_LAYOUTS}."
            " Sort the images into a folder a class, or add an index.csv with the columns path and label."
        )
    return (
        f"{root} holds no images: found {found.describe_others()}; expected {_LAYOUTS},"
        " with images in jpg, png, webp, bmp, tif, gif or dcm. Check the path."
    )
