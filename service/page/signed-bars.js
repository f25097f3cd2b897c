/** Amounts below each other, those below zero to the left of a common middle. */

import { el } from './elements.js'
import { number, percent } from './numbers.js'

/**
 * @typedef {{label: string, value: number, choose?: (() => void)|null, chosen?: boolean}} Amount `chosen`: where one of them is
 * @param {Amount[]} amounts
 * @param {{share?: boolean, full?: number|null}} [drawn] `share`: written in per cent; `full`: the value of a whole bar,
 *   the largest unless it is given
 */
export function signedBars(amounts, { share = false, full = null } = {}) {
  const reach = full ?? Math.max(...amounts.map(({ value }) => Math.abs(value)), Number.MIN_VALUE)
  const signed = amounts.some(({ value }) => value < 0)
  return el(
    'ul',
    { class: signed ? 'amounts signed' : 'amounts' },
    ...amounts.map((amount) => row(amount, reach, share)),
  )
}

/**
 * @param {Amount} amount
 * @param {number} reach
 * @param {boolean} share
 */
function row({ label, value, choose, chosen }, reach, share) {
  const length = `${Math.min(100, (100 * Math.abs(value)) / reach)}%`
  const name = choose
    ? el(
        'button',
        {
          type: 'button',
          class: 'link',
          'data-key': label,
          'aria-pressed': chosen === undefined ? null : String(chosen),
          onclick: choose,
        },
        label,
      )
    : el('span', {}, label)
  const amount = el('span', { class: value < 0 ? 'amount below' : 'amount', style: { '--length': length } })
  return el(
    'li',
    {},
    name,
    el('span', { class: 'track', 'aria-hidden': 'true' }, amount),
    share ? el('data', { value, class: 'number' }, percent(value)) : number(value),
  )
}
