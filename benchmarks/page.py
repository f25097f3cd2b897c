"""What a person waits for on the page, in a real Chromium: the first paint, and the bars after the pen has moved.

    python -m benchmarks.page [--loads 10] [--strokes 60]

The service is a process of its own with the models that ship. A stroke's time is from the pointer's movement, by the
browser's clock, to the frame that shows the changed bars, one movement after the other. Needs Chromium.
"""

import argparse
import shutil
import statistics
import sys

from playwright.sync_api import Browser, Page, expect, sync_playwright

from benchmarks import machine, systems
from benchmarks.environments import ROOT
from benchmarks.report import table
from benchmarks.server import running

# Resolves with the milliseconds from the pointer's next movement to the frame after the bars changed.
_NEXT_STROKE = """() => {
  globalThis.bars = new Promise((resolve) => addEventListener('pointermove', ({ timeStamp }) => {
    const seen = new MutationObserver(() => {
      seen.disconnect()
      requestAnimationFrame(() => resolve(performance.now() - timeStamp))
    })
    const all = { subtree: true, childList: true, characterData: true, attributes: true }
    seen.observe(document.querySelector('.bars'), all)
  }, { once: true, capture: true }))
}"""
_FIRST_PAINT = "performance.getEntriesByName('first-contentful-paint')[0].startTime"


def main() -> None:
    options = _options()
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        sys.exit("there is no Chromium here: tests/page/install.sh installs it where it may")
    system = systems.service(ROOT / "models", systems.SERVICE_SETTINGS)
    with running(system) as server, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        address = f"http://127.0.0.1:{server.port}/#model=mnist"
        rows = [
            _row("first contentful paint, nothing cached", [_paint(browser, address) for _ in range(options.loads)]),
            _row("a stroke to its bars, mnist", _strokes(browser, address, options.strokes)),
        ]
        browser.close()
    print(f"{machine.processors()}\n\n{table(('what', 'least ms', 'median', 'p90', 'most'), rows)}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--loads", type=int, default=10)
    parser.add_argument("--strokes", type=int, default=60)
    return parser.parse_args()


def _paint(browser: Browser, address: str) -> float:
    page = browser.new_page()  # with a context of its own, so nothing is cached
    page.goto(address)
    page.locator("#paper").wait_for()
    milliseconds = float(page.evaluate(_FIRST_PAINT))
    page.close()
    return milliseconds


def _strokes(browser: Browser, address: str, count: int) -> list[float]:
    """A zigzag down the paper; the first movement, which begins the line, is not counted."""
    page = browser.new_page()
    page.goto(f"{address}&picture=drawing")
    paper = page.locator("#paper")
    expect(paper).to_be_visible()
    box = paper.bounding_box()
    assert box is not None
    places = [
        (box["x"] + box["width"] * (0.3 + 0.4 * (step % 2)), box["y"] + box["height"] * (0.2 + 0.6 * step / count))
        for step in range(count + 1)
    ]
    page.mouse.move(*places[0])
    page.mouse.down()
    return [_stroke(page, place) for place in places[1:]][1:]


def _stroke(page: Page, place: tuple[float, float]) -> float:
    page.evaluate(_NEXT_STROKE)
    page.mouse.move(*place)
    milliseconds = float(page.evaluate("globalThis.bars"))
    page.wait_for_timeout(50)  # what else the page fetches for a drawing, such as the maps, is not part of the next
    return milliseconds


def _row(what: str, milliseconds: list[float]) -> list[str]:
    p90 = statistics.quantiles(milliseconds, n=10, method="inclusive")[-1]
    return [
        what,
        *(f"{value:.0f}" for value in (min(milliseconds), statistics.median(milliseconds), p90, max(milliseconds))),
    ]


if __name__ == "__main__":
    main()
