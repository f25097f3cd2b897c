/** The colour bar: which value has which colour, and what is beyond its ends. */

import { diverges } from './colours.js'
import { el } from './elements.js'
import { figure } from './numbers.js'
import { paint } from './heatmap.js'

/** @typedef {import('./colours.js').Range} Range */

const STEPS = 251

/**
 * @param {Range} range
 * @param {string} words on how the range was found, and what is clipped
 * @param {string[]} [ends] what stands at the bar where no one range holds for all that is shown
 */
export function legend(range, words, ends) {
  const bar = el('canvas', { width: STEPS, height: 1, class: 'bar', 'aria-hidden': 'true' })
  paint(
    bar,
    Array.from({ length: STEPS }, (_, step) => range.low + (step / (STEPS - 1)) * (range.high - range.low)),
    range,
  )
  const marks = diverges(range) ? [range.low, 0, range.high] : [range.low, range.high]
  return el(
    'figure',
    { class: 'legend' },
    bar,
    el('div', { class: 'marks' }, ...(ends ? ends.map((end) => el('span', {}, end)) : marks.map(marked))),
    el('figcaption', {}, words),
  )
}

/** @param {number} value */
function marked(value) {
  return el('data', { value }, figure(value, 3))
}
