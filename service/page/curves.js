/** Several curves over the same whole numbers, each named where it ends. */

import { el, svg } from './elements.js'
import { percent } from './numbers.js'

const [WIDTH, HEIGHT] = [640, 280]
const [LEFT, TOP, RIGHT, BOTTOM] = [52, 12, 150, 36]
const LABEL = 15 // between two names, so that none covers another

/**
 * @typedef {{name: string, values: (number|null)[]}} Curve
 * @param {number[]} steps
 * @param {Curve[]} curves of shares, 0 and up
 * @param {{caption: string, across: string}} words
 */
export function curvesOf(steps, curves, { caption, across }) {
  const top = Math.max(...curves.flatMap(({ values }) => values.map((value) => value ?? 0)), 0.01)
  const x = (/** @type {number} */ index) => LEFT + (index / Math.max(steps.length - 1, 1)) * (WIDTH - LEFT - RIGHT)
  const y = (/** @type {number} */ value) => HEIGHT - BOTTOM - (value / top) * (HEIGHT - TOP - BOTTOM)
  const names = spread(curves.map(({ values }) => y(values.at(-1) ?? 0)))
  return el(
    'figure',
    { class: 'curves' },
    svg(
      'svg',
      { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: 'img', 'aria-label': caption },
      ...[0, top / 2, top].flatMap((value) => [
        svg('line', { class: 'rule', x1: LEFT, x2: WIDTH - RIGHT, y1: y(value), y2: y(value) }),
        svg('text', { class: 'tick', x: LEFT - 6, y: y(value) + 4, 'text-anchor': 'end' }, percent(value)),
      ]),
      ...steps.map((step, index) =>
        svg('text', { class: 'tick', x: x(index), y: HEIGHT - 18, 'text-anchor': 'middle' }, step),
      ),
      svg('text', { class: 'tick', x: (LEFT + WIDTH - RIGHT) / 2, y: HEIGHT - 3, 'text-anchor': 'middle' }, across),
      ...curves.flatMap(({ name, values }, index) => [
        svg('polyline', {
          class: `curve hue-${index % 6}`,
          points: values.map((value, at) => `${x(at)},${y(value ?? 0)}`).join(' '),
        }),
        svg('text', { class: `name hue-${index % 6}`, x: WIDTH - RIGHT + 8, y: names[index] + 4 }, name),
      ]),
    ),
    el('figcaption', {}, caption),
  )
}

/**
 * Heights moved apart where they are too close, in the order of their values.
 * @param {number[]} heights
 */
function spread(heights) {
  const placed = [...heights]
  const order = heights.map((_, index) => index).sort((one, other) => heights[other] - heights[one])
  let lowest = HEIGHT - BOTTOM
  for (const index of order) {
    placed[index] = Math.min(placed[index], lowest)
    lowest = placed[index] - LABEL
  }
  return placed
}
