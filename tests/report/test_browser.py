"""The page in a real browser: silent, offline, sortable, and inside its window in light, dark and on a phone."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from frostline.report.html import write
from tests.report import examples

pytestmark = pytest.mark.browser

ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        pytest.skip("no chromium is installed")
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with playwright.sync_playwright() as started:
        opened = started.chromium.launch(executable_path=program, args=ARGUMENTS)
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("pages")
    values = {
        "two": (examples.TWO, examples.TWO_EVIDENCE, examples.SETTINGS, examples.TWO_FACTS),
        "detailed": (examples.DETAILED, examples.EVIDENCE, examples.SETTINGS, examples.FACTS),
        "hostile": (examples.HOSTILE_DETAILED, examples.HOSTILE_EVIDENCE, examples.HOSTILE_SETTINGS, examples.HOSTILE_FACTS),
    }
    for name, (verdict, evidence, settings, facts) in values.items():
        write(folder / f"{name}.html", verdict=verdict, evidence=evidence, settings=settings, facts=facts)
    return {name: folder / f"{name}.html" for name in values}


def opened(browser: Any, path: Path, width: int = 1100, scheme: str = "light") -> tuple[Any, list[str], list[str]]:
    """The page, what its console said, and what it requested."""
    page = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme).new_page()
    said: list[str] = []
    asked: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("dialog", lambda dialog: (said.append(dialog.message), dialog.dismiss()))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(path.as_uri())
    return page, said, asked


@pytest.mark.parametrize("name", ["two", "detailed", "hostile"])
@pytest.mark.parametrize(("width", "scheme"), [(1100, "light"), (1100, "dark"), (390, "light"), (390, "dark")])
def test_silent_offline_and_no_wider_than_its_window(
    browser: Any, pages: dict[str, Path], name: str, width: int, scheme: str, tmp_path: Path
) -> None:
    page, said, asked = opened(browser, pages[name], width, scheme)
    assert said == []
    assert asked == [pages[name].as_uri()]
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.screenshot(path=str(tmp_path / f"{name}.png"), full_page=True)
    assert (tmp_path / f"{name}.png").stat().st_size > 50_000


def test_dark_and_light_have_other_colours(browser: Any, pages: dict[str, Path]) -> None:
    colour = "getComputedStyle(document.querySelector('.wide svg text')).fill + getComputedStyle(document.body).backgroundColor"
    found = {scheme: opened(browser, pages["two"], scheme=scheme)[0].evaluate(colour) for scheme in ("light", "dark")}
    assert found["light"] != found["dark"]


def test_headings_sort_by_mouse_and_by_keyboard(browser: Any, pages: dict[str, Path]) -> None:
    page, _, _ = opened(browser, pages["two"])

    def scores() -> list[float]:
        keys = "[...document.querySelectorAll('#ranked tbody tr')].map(row => row.cells[2].dataset.key)"
        found: list[str] = page.evaluate(keys)
        assert found[-3:] == ["", "", ""], "what has no score stays last"
        return [float(key) for key in found if key]

    button = page.locator("#ranked th button", has_text="score")
    button.click()
    assert scores() == sorted(scores(), reverse=True)
    button.focus()
    page.keyboard.press("Enter")
    assert scores() == sorted(scores())
    assert page.locator("#ranked th[aria-sort]").evaluate("head => head.getAttribute('aria-sort')") == "ascending"
