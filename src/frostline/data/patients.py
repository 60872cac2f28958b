"""Patients of DICOM files: by default no split parts the images of one, and nobody's name leaves the header."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from frostline.data import dicom
from frostline.data.entries import Entry, listed
from frostline.errors import DataError


def grouped_by_patient(root: Path, entries: Sequence[Entry]) -> tuple[list[Entry], list[str]]:
    """The entries, DICOM files grouped by a hash of their patient's id where nothing else groups any image; and notes.

    Raises:
        DataError: there are DICOM files, and the extra that reads them is not installed.
    """
    paths = ((entry.path, root / entry.path) for entry in entries)
    files = [name for name, path in paths if dicom.is_named_so(path) or dicom.is_unnamed(path)]
    if not files:
        return list(entries), []
    if not dicom.can_be_read():
        raise DataError(
            f"{root} holds {len(files):,} DICOM files ({listed(files, 3)}), which need the extra [dicom]: {dicom.INSTALL}"
        )
    if any(entry.group is not None for entry in entries):
        return list(entries), []
    patients = {path: dicom.patient_of(root / path) for path in files}
    known = {patient for patient in patients.values() if patient is not None}
    nameless = sum(patient is None for patient in patients.values())
    notes = [f"Grouped by the patient's id in the DICOM headers (hashed): {len(known):,} patients."] if known else []
    if nameless:
        notes.append(f"{nameless:,} DICOM files name no patient; each is taken to stand for itself.")
    return [replace(entry, group=patients.get(entry.path)) for entry in entries], notes
