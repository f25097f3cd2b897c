/** A few numbers as a table, each on the colour it has in the map. */

import { colourOf, inkOn } from '../colours.js'
import { el } from '../elements.js'
import { figure } from '../numbers.js'

/**
 * @typedef {import('../answers.js').Matrix} Matrix
 * @typedef {import('../colours.js').Range} Range
 * @param {string} caption
 * @param {Matrix} rows
 * @param {Range} range
 * @param {{padding: string, marked?: (row: number, column: number) => boolean}} words what an empty cell is
 */
export function matrix(caption, rows, range, { padding, marked = () => false }) {
  const cell = (/** @type {number|null} */ value, /** @type {number} */ row, /** @type {number} */ column) =>
    value === null
      ? el('td', { class: 'pad', title: padding, 'aria-label': padding })
      : numbered(value, range, marked(row, column))
  return el(
    'table',
    { class: 'matrix' },
    el('caption', {}, caption),
    el(
      'tbody',
      {},
      ...rows.map((values, row) => el('tr', {}, ...values.map((value, column) => cell(value, row, column)))),
    ),
  )
}

/**
 * @param {number} value
 * @param {Range} range
 * @param {boolean} marked
 */
function numbered(value, range, marked) {
  const colour = colourOf(value, range)
  const style = { 'background-color': `rgb(${colour.join(' ')})`, color: inkOn(colour) }
  return el('td', { style, class: marked ? 'marked' : null, 'data-value': value }, figure(value, 2))
}
