"""The public names, and which packages stay free of torch."""

from __future__ import annotations

import subprocess
import sys

import pytest

import frostline

TORCH_FREE = ("terms", "planning", "strategy", "stats", "report", "backends")
IMPORT_ALL = """
import importlib, pkgutil, sys
import frostline
for name in sys.argv[1:]:
    package = importlib.import_module(f"frostline.{name}")
    for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        importlib.import_module(module.name)
print(*sys.modules)
"""


@pytest.mark.parametrize("name", frostline.__all__)
def test_every_public_name_exists_and_is_documented(name: str) -> None:
    assert getattr(frostline, name).__doc__


def test_the_public_names_are_sorted_and_listed() -> None:
    assert frostline.__all__ == sorted(frostline.__all__)
    assert set(frostline.__all__) <= set(dir(frostline))


def test_an_unknown_name_says_which_there_are() -> None:
    with pytest.raises(AttributeError, match=r"'serch'; it has .*search"):
        frostline.serch  # noqa: B018


def test_packages_that_need_no_torch_load_none() -> None:
    done = subprocess.run([sys.executable, "-c", IMPORT_ALL, *TORCH_FREE], capture_output=True, text=True, check=True)
    assert not {"torch", "timm"} & set(done.stdout.split())
