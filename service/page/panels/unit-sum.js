/** The sum written out, and whether the runtime computed the same. */

import { el } from '../elements.js'
import { figure, number } from '../numbers.js'

/**
 * @typedef {import('../context.js').Translate} Translate
 * @typedef {import('../answers.js').Rederived} Rederived
 * @typedef {import('../answers.js').Unit} Unit
 */

/**
 * @param {Unit} unit
 * @param {Translate} t
 */
export function sums(unit, t) {
  return el(
    'div',
    { class: 'sums' },
    el('p', { class: 'formula' }, el('code', {}, unit.text)),
    verdict(unit, t, 'verdict'),
    ...unit.followed_by.map((next) =>
      el(
        'div',
        { class: 'next' },
        el('p', {}, t('panel.unit.then', { layer: next.layer })),
        el('p', { class: 'formula' }, el('code', {}, next.text)),
        verdict(next, t, 'verdict small'),
      ),
    ),
  )
}

/**
 * @param {Rederived} rederived
 * @param {Translate} t
 * @param {string} kind
 */
function verdict({ value, runtime, agrees, relative_difference: off }, t, kind) {
  const words = agrees
    ? t('panel.unit.agrees', { off: off ? figure(off, 2) : '0' })
    : t('panel.unit.differs', { off: figure(off, 2) })
  return el(
    'p',
    { class: `${kind} ${agrees ? 'agrees' : 'differs'}` },
    el('span', { class: 'ours' }, t('panel.unit.ours'), ' ', number(value, 6)),
    el('span', { class: 'theirs' }, t('panel.unit.theirs'), ' ', number(runtime, 6)),
    el('span', { class: 'words' }, agrees ? '✓ ' : '✗ ', words),
  )
}
