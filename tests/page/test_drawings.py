"""However a digit is drawn, it is the digit that was drawn: the page's own preparation, on the model that ships."""

import json
from pathlib import Path

from playwright.sync_api import Page

DRAWINGS = json.loads(Path("tests/page/drawings.json").read_text())

# Exactly what the page does with a drawing, over all of them in one go.
CLASSIFIED = """async (drawings) => {
  const { PAPER, canvasOf, digitOn, paint, png } = await import('./page/strokes.js')
  const client = await import('./page/client.js')
  const canvas = Object.assign(document.createElement('canvas'), { width: PAPER, height: PAPER })
  const paper = canvas.getContext('2d', { willReadFrequently: true })
  const answers = []
  for (const drawing of drawings) {
    paint(drawing, paper)
    const body = await png(canvasOf(digitOn(paper, 28).pixels))
    const { results } = await client.json('v1/models/mnist/classify', { body, query: { top: 1 } })
    answers.push(results[0].predictions[0].label)
  }
  return answers
}"""


def test_of_all_drawings_at_least_95_in_100_are_right(page: Page) -> None:
    assert len(DRAWINGS) >= 60
    page.goto("#model=mnist")
    answers = page.evaluate(CLASSIFIED, DRAWINGS)
    wrong = [
        f"{one['digit']} ({one['style']}) as {answer}"
        for one, answer in zip(DRAWINGS, answers, strict=True)
        if str(one["digit"]) != answer
    ]
    assert len(wrong) <= 0.05 * len(DRAWINGS), f"wrong: {', '.join(wrong)}"


def test_a_drawing_lies_in_the_middle_as_large_as_a_digit_of_mnist(page: Page) -> None:
    page.goto("#model=mnist")
    digits = page.evaluate(
        """async (drawings) => {
          const { PAPER, digitOn, paint } = await import('./page/strokes.js')
          const canvas = Object.assign(document.createElement('canvas'), { width: PAPER, height: PAPER })
          const paper = canvas.getContext('2d', { willReadFrequently: true })
          return drawings.map((drawing) => (paint(drawing, paper), [...digitOn(paper, 28).pixels.values]))
        }""",
        DRAWINGS[::7],
    )
    for values in digits:
        inked = [divmod(place, 28) for place, value in enumerate(values) if value > 0]
        rows, columns = zip(*inked, strict=True)
        assert max(max(rows) - min(rows), max(columns) - min(columns)) + 1 == 20
        mass = sum(values)
        assert abs(sum(value * (place // 28) for place, value in enumerate(values)) / mass - 13.5) <= 1
        assert abs(sum(value * (place % 28) for place, value in enumerate(values)) / mass - 13.5) <= 1
        assert max(values) == 255


def test_an_empty_paper_is_no_digit(page: Page) -> None:
    page.goto("#model=mnist")
    nothing = """async () => {
      const { asDigit } = await import('./page/digit.js')
      return asDigit({ width: 9, height: 9, values: new Float32Array(81).fill(250) })
    }"""
    assert page.evaluate(nothing) is None
