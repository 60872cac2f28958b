"""Cells of tables that people open in a spreadsheet."""

from __future__ import annotations

import re
from typing import Any

_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?")


_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def cell(value: Any) -> str:
    """A spreadsheet takes a cell that begins with = + - @ for a formula: a quote in front makes it text, unless a number."""
    text = "" if value is None else str(value)
    if text.startswith(_FORMULA) and _NUMBER.fullmatch(text) is None:
        return "'" + text
    return text


def content(text: str) -> str:
    """What `cell` was given, as text."""
    return text[1:] if text.startswith("'") and text[1:].startswith(_FORMULA) else text
