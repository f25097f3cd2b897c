/** One of a few: radio buttons that look like one control, a list, a slider. */

import { el } from './elements.js'

let groups = 0 // radio buttons belong together by name

/**
 * @template {string} Value
 * @param {string} label
 * @param {{value: Value, text: string}[]} options
 * @param {Value} chosen
 * @param {(value: Value) => void} choose
 */
export function oneOf(label, options, chosen, choose) {
  groups += 1
  const name = `choice-${groups}`
  return el(
    'fieldset',
    { class: 'choice' },
    el('legend', {}, label),
    ...options.map(({ value, text }) =>
      el(
        'label',
        {},
        el('input', { type: 'radio', name, value, checked: value === chosen, onchange: () => choose(value) }),
        el('span', {}, text),
      ),
    ),
  )
}

/**
 * @param {string} label
 * @param {{value: string, text: string, disabled?: boolean}[]} options
 * @param {string} chosen
 * @param {(value: string) => void} choose
 */
export function listOf(label, options, chosen, choose) {
  const list = el('select', { onchange: () => choose(list.value) })
  for (const { value, text, disabled } of options) {
    list.append(el('option', { value, selected: value === chosen, disabled: Boolean(disabled) }, text))
  }
  return el('label', { class: 'field' }, el('span', {}, label), list)
}

/**
 * @param {string} label
 * @param {{min: number, max: number, step?: number, value: number}} range
 * @param {(value: number) => string} told the value in words
 * @param {(value: number) => void} slide called while it is moved
 */
export function slider(label, { min, max, step = 1, value }, told, slide) {
  const output = el('output', {}, told(value))
  const input = el('input', { type: 'range', min, max, step, value, 'aria-valuetext': told(value) })
  input.addEventListener('input', () => {
    output.textContent = told(input.valueAsNumber)
    input.setAttribute('aria-valuetext', told(input.valueAsNumber))
    slide(input.valueAsNumber)
  })
  return el('label', { class: 'field slider' }, el('span', {}, label), input, output)
}

/**
 * @param {string} label
 * @param {{min: number, max: number, value: number}} range
 * @param {(value: number) => void} choose called for a whole number within the range
 */
export function wholeNumber(label, { min, max, value }, choose) {
  const input = el('input', { type: 'number', min, max, step: 1, value, inputmode: 'numeric' })
  input.addEventListener('change', () => {
    if (input.validity.valid && input.value !== '') choose(input.valueAsNumber)
    else input.reportValidity()
  })
  return { field: el('label', { class: 'field' }, el('span', {}, label), input), input }
}
