/** Numbers as people read them; the exact one stays with them, for whoever reads the page by machine. */

import { el } from './elements.js'

/**
 * @param {number|null|undefined} value null where it is not finite
 * @param {number} [digits]
 */
export function figure(value, digits = 4) {
  if (value === null || value === undefined || !Number.isFinite(value)) return '–'
  const size = Math.abs(value)
  const text = size !== 0 && (size < 1e-4 || size >= 1e7) ? scientific(value, digits) : plain(value, digits)
  return text.replaceAll('-', '−')
}

/** @param {number|null|undefined} part 0..1 */
export function percent(part) {
  if (part === null || part === undefined) return '–'
  const hundredths = 100 * part
  if (hundredths !== 0 && Math.abs(hundredths) < 0.01) return '< 0.01 %'
  return `${figure(hundredths, hundredths >= 99 && hundredths < 100 ? 5 : 3)} %`
}

/**
 * Rows first, as every shape of the page: channels x height x width, the batch left out.
 * @param {(number|null)[]|null} shape batch first
 */
export function sizes(shape) {
  return shape
    ? shape
        .slice(1)
        .map((size) => size ?? '?')
        .join(' × ')
    : '?'
}

/** @param {number|null|undefined} count */
export function counted(count) {
  return count === null || count === undefined ? '–' : count.toLocaleString('en')
}

/**
 * @param {number|null|undefined} value
 * @param {number} [digits]
 */
export function number(value, digits = 4) {
  return el('data', { value: value ?? '', class: 'number' }, figure(value, digits))
}

/**
 * @param {number} value
 * @param {number} digits
 */
function plain(value, digits) {
  const whole = Math.abs(value) >= 10 ** digits
  return whole ? String(Math.round(value)) : String(Number(value.toPrecision(digits)))
}

/**
 * @param {number} value
 * @param {number} digits
 */
function scientific(value, digits) {
  const [mantissa, exponent] = value.toExponential(Math.min(digits, 3) - 1).split('e')
  const raised = exponent.replace('+', '').replace(/[-\d]/g, (sign) => '⁻⁰¹²³⁴⁵⁶⁷⁸⁹'['-0123456789'.indexOf(sign)])
  return `${Number(mantissa)}·10${raised}`
}
