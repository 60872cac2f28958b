"""The report: one HTML page that needs no network, no server and no other file."""

from __future__ import annotations

import base64
import hashlib
import re
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from frostline.report.facts import RunFacts
from frostline.store.files import write_text
from frostline.terms.evidence import Evidence
from frostline.terms.settings import Settings
from frostline.terms.verdict import Verdict

if TYPE_CHECKING:
    from markupsafe import Markup

_PARTS = re.compile(r"[^._]*[._]+|[^._]+")
_MINUS = re.compile(r"(?<![\w.\-])-(?=[.\d])")


def write(path: Path, *, verdict: Verdict, evidence: Evidence, settings: Settings, facts: RunFacts) -> None:
    """Writes the page to `path`, at once: an earlier page stays whole until the new one is.

    Raises:
        DiskFull: there is no room for it.
    """
    write_text(path, render(verdict=verdict, evidence=evidence, settings=settings, facts=facts))


def render(*, verdict: Verdict, evidence: Evidence, settings: Settings, facts: RunFacts) -> str:
    """The page's text. The same values give the same text."""
    from markupsafe import Markup

    from frostline.report.view import page

    script = _asset("sort.js")
    return filled(
        "report.html.j2",
        page=page(verdict, evidence, settings, facts),
        script=Markup(script),
        script_hash=_digest(script),
    )


def filled(template: str, **values: Any) -> str:
    """The template's text with these values, and with the style that all pages share."""
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=PackageLoader("frostline.report"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["typeset"] = typeset
    environment.filters["breakable"] = breakable
    environment.filters["svg"] = Markup  # only for what figures.py drew: it escapes every text itself
    return environment.get_template(template).render(style=Markup(_asset("style.css")), **values)


def typeset(text: str) -> str:
    """`text` with true minus signs before numbers."""
    return _MINUS.sub("−", text)


def breakable(name: str) -> Markup:
    """A dotted name that may be broken behind its dots and underscores, and nowhere else if there is room."""
    from markupsafe import Markup

    return Markup("<wbr>").join(_PARTS.findall(name))


def _asset(name: str) -> str:
    return files("frostline.report").joinpath("templates", name).read_text(encoding="utf-8")


def _digest(script: str) -> str:
    """What the page's own policy names, so that no other script may run in it."""
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
