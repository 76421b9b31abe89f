"""A report in a real browser: it asks nobody for anything, fits a phone, and can be used by everyone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.cli.hostile import invoke
from tests.reporting import chromium
from tests.reporting.made_up_run import full_run

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytest.importorskip("vl_convert")
pytest.importorskip("jinja2")

PHONE, DESK = 375, 1280


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Close the browser with this module: other tests have event loops of their own."""
    with chromium.browser() as started:
        yield started


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The report of a run with everything, and the same run beside another one."""
    folder = tmp_path_factory.mktemp("reports")
    one, other = full_run(folder / "a"), full_run(folder / "b")
    both = folder / "both.html"
    assert invoke("report", str(one)).code == 0
    assert invoke("report", str(one), str(other), "--out", str(both)).code == 0
    return {"one": one / "report.html", "both": both}


@pytest.fixture(scope="module")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    return chromium.axe(tmp_path_factory.mktemp("axe"))


class Seen:
    """A page, what it wrote to the console, and whom it asked for something."""

    def __init__(self, browser: Browser, path: Path, **context: Any) -> None:
        self.context = browser.new_context(**context)
        self.page: Page = self.context.new_page()
        self.complaints: list[str] = []
        self.asked: list[str] = []
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.goto(path.as_uri())


def test_it_asks_nobody_and_complains_of_nothing(browser: Browser, reports: dict[str, Path]) -> None:
    for path in reports.values():
        seen = Seen(browser, path, viewport={"width": DESK, "height": 900})
        assert [url for url in seen.asked if not url.startswith("data:image/jpeg")] == [path.as_uri()]
        assert seen.complaints == []
        broken = "[...document.images].filter(image => !image.naturalWidth).length"
        assert (seen.page.locator("img").count() > 0, seen.page.evaluate(broken)) == (True, 0)
        seen.context.close()


@pytest.mark.parametrize("width", [PHONE, 320, DESK])
def test_no_screen_must_be_moved_sideways_and_every_chart_is_drawn(
    browser: Browser, reports: dict[str, Path], width: int
) -> None:
    for path in reports.values():
        seen = Seen(browser, path, viewport={"width": width, "height": 800})
        assert seen.page.evaluate("document.documentElement.scrollWidth") <= width
        charts = seen.page.locator(".chart svg:visible")
        assert charts.count() == seen.page.locator("figure.chart").count() > 2
        for index in range(charts.count()):
            chart = charts.nth(index)
            box = chart.bounding_box()
            assert box is not None
            assert 0 <= box["x"] < box["x"] + box["width"] <= width
            assert chart.locator("path, line, text").count() > 20
        letters = "Math.min(...[...document.querySelectorAll('.chart svg')].filter(e => e.clientWidth)"
        assert seen.page.evaluate(f"{letters}.map(e => e.clientWidth / e.viewBox.baseVal.width))") > 0.8, (
            "letters stay legible"
        )
        seen.context.close()


@pytest.mark.parametrize(("report", "scheme"), [("one", "light"), ("both", "dark")])
def test_axe_finds_nothing(browser: Browser, reports: dict[str, Path], axe: str, report: str, scheme: Any) -> None:
    seen = Seen(browser, reports[report], viewport={"width": DESK, "height": 900}, color_scheme=scheme, bypass_csp=True)
    seen.page.evaluate("document.querySelectorAll('details').forEach(each => { each.open = true })")
    seen.page.evaluate(axe)
    found = seen.page.evaluate("axe.run({resultTypes: ['violations', 'incomplete']})")
    told = [(each["id"], each["help"], [node["html"] for node in each["nodes"]][:3]) for each in found["violations"]]
    assert told == []
    assert len(found["passes"]) > 20
    seen.context.close()


def test_dark_is_dark_and_print_is_not(browser: Browser, reports: dict[str, Path]) -> None:
    seen = Seen(browser, reports["one"], color_scheme="dark")
    colour = "getComputedStyle(document.body).backgroundColor"
    ink = "getComputedStyle(document.querySelector('.chart svg text')).fill"
    dark, letters = seen.page.evaluate(colour), seen.page.evaluate(ink)
    seen.page.emulate_media(media="print")
    assert seen.page.evaluate(colour) == "rgb(255, 255, 255)"
    assert max(_rgb(dark)) < 60
    assert min(_rgb(letters)) > 120, "a chart's letters are light where the page is dark"
    assert max(_rgb(seen.page.evaluate(ink))) < 130
    assert seen.page.pdf(prefer_css_page_size=True).startswith(b"%PDF")
    seen.context.close()


def _rgb(colour: str) -> list[int]:
    return [int(part) for part in colour.removeprefix("rgb(").removesuffix(")").split(",")]
