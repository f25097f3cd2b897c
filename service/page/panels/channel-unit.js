/** How the value that is looked at comes about, asked for anew wherever one looks. */

import { json } from '../asking.js'
import { el } from '../elements.js'
import { keepingFocus } from '../focus.js'
import { latest } from '../latest.js'
import { isAbort, problemBox } from '../problem.js'
import { sums } from './unit-sum.js'
import { inputShown, workShown } from './unit-work.js'

/**
 * @typedef {import('../context.js').Context} Context
 * @typedef {import('../answers.js').Unit} Unit
 * @typedef {{channel: number, y?: number, x?: number}} Question
 */

/**
 * @param {Context} context
 * @param {string} layer
 * @param {(unit: Unit, input: number|null) => void} see is told each answer, and which channel of the input is looked at
 */
export function derivation(context, layer, see) {
  const { t, signal } = context
  const element = el('div', { class: 'arithmetic' }, el('p', { class: 'hint' }, t('busy')))
  /** @type {number|null} */
  let input = null

  const derive = latest(async (/** @type {Question} */ question) => {
    element.setAttribute('aria-busy', 'true')
    try {
      tell(await json(context, `layers/${encodeURIComponent(layer)}/unit`, question, signal))
    } catch (error) {
      if (!isAbort(error)) element.replaceChildren(problemBox(error, () => void derive(question)))
    } finally {
      element.removeAttribute('aria-busy')
    }
  })

  /** @param {Unit} unit */
  function tell(unit) {
    const chooseInput = (/** @type {number} */ channel) => {
      input = channel
      tell(unit)
    }
    see(unit, inputShown(unit.work, input))
    const parts = [...workShown(unit.work, { t, input, chooseInput }), sums(unit, t)]
    keepingFocus(element, () => element.replaceChildren(...parts))
  }

  return { element, derive }
}
