"""The page in a real browser: silent, offline, sortable, and inside its window in light, dark and on a phone."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from frostline.report.html import write
from frostline.report.tables import SHOWN_ROWS
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


@pytest.mark.parametrize("name", ["detailed", "hostile"])
def test_all_pictures_are_there_and_have_words(browser: Any, pages: dict[str, Path], name: str) -> None:
    page, _, _ = opened(browser, pages[name])
    images = page.evaluate("[...document.images].map(one => [one.complete && one.naturalWidth > 0, one.alt])")
    assert images and all(whole and words for whole, words in images)
    drawn = page.evaluate(
        "[...document.querySelectorAll('svg[role=img]')].map(one => [one.getAttribute('aria-label'), one.childElementCount])"
    )
    assert len(drawn) > 20 and all(words and shapes for words, shapes in drawn)
    shown = page.evaluate("[...document.querySelectorAll('figure svg')].filter(one => one.checkVisibility()).length")
    assert shown * 2 == page.evaluate("document.querySelectorAll('figure svg').length"), "each at one width only"


def test_a_long_table_begins_short_and_shows_all_on_request(browser: Any, pages: dict[str, Path]) -> None:
    page, _, _ = opened(browser, pages["two"])
    visible = "[...document.querySelectorAll('#ranked tbody tr')].filter(row => row.checkVisibility()).length"
    total = page.evaluate("document.querySelectorAll('#ranked tbody tr').length")
    assert page.evaluate(visible) == SHOWN_ROWS < total
    page.locator("#all").focus()
    page.keyboard.press("Enter")
    assert page.evaluate(visible) == total
    page.emulate_media(media="print")
    assert page.evaluate(visible) == total


def test_nothing_is_hidden_on_paper(browser: Any, pages: dict[str, Path]) -> None:
    page, _, _ = opened(browser, pages["two"])
    page.emulate_media(media="print")
    hidden = "[...document.querySelectorAll('#ranked tbody tr')].filter(row => !row.checkVisibility()).length"
    assert page.evaluate(hidden) == 0
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.evaluate("[...document.querySelectorAll('details')].every(one => one.open)")
    assert len(page.pdf(format="A4")) > 20_000


def test_words_stand_out_from_what_is_behind_them(browser: Any, pages: dict[str, Path]) -> None:
    """WCAG 2.1, 1.4.3: a ratio of 4.5 for text, in light and in dark, of the colours that texts are set in."""
    pairs = [
        ("ink", "page"),
        ("muted", "page"),
        ("muted", "paper"),
        ("frost", "page"),
        ("good", "good-soft"),
        ("ember", "ember-soft"),
    ]
    pairs += [("frost", "ice"), ("ink", "ice"), ("muted", "ice"), ("ink", "line")]
    for scheme in ("light", "dark"):
        page, _, _ = opened(browser, pages["two"], scheme=scheme)
        names = {name for pair in pairs for name in pair}
        value = "name => getComputedStyle(document.documentElement).getPropertyValue('--' + name).trim()"
        colours = {name: page.evaluate(value, name) for name in names}
        for front, behind in pairs:
            assert contrast(colours[front], colours[behind]) >= 4.5, (scheme, front, behind)


def contrast(first: str, second: str) -> float:
    """Of two colours as #rrggbb or #rgb (WCAG 2.1, relative luminance)."""
    bright = sorted((luminance(one) for one in (first, second)), reverse=True)
    return (bright[0] + 0.05) / (bright[1] + 0.05)


def luminance(colour: str) -> float:
    digits = colour.lstrip("#")
    digits = "".join(one * 2 for one in digits) if len(digits) == 3 else digits
    parts = [int(digits[place : place + 2], 16) / 255 for place in (0, 2, 4)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_every_way_in_the_contents_leads_somewhere_by_keyboard(browser: Any, pages: dict[str, Path]) -> None:
    page, _, _ = opened(browser, pages["detailed"])
    targets = page.evaluate("[...document.querySelectorAll('.contents a')].map(one => one.getAttribute('href'))")
    assert len(targets) > 10 and all(page.locator(target).count() == 1 for target in targets)
    page.locator(".contents a").first.focus()
    page.keyboard.press("Enter")
    assert page.evaluate("location.hash") == targets[0]


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

    page.locator("#all").click()
    button = page.locator("#ranked th button", has_text="score")
    button.click()
    assert scores() == sorted(scores(), reverse=True)
    button.focus()
    page.keyboard.press("Enter")
    assert scores() == sorted(scores())
    assert page.locator("#ranked th[aria-sort]").evaluate("head => head.getAttribute('aria-sort')") == "ascending"
