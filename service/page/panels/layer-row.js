/** One row of the layer table, with its formulas filled in. */

import { el } from '../elements.js'
import { counted, sizes } from '../numbers.js'

/**
 * @typedef {import('../answers.js').LayerRow} LayerRow
 * @typedef {import('../context.js').Translate} Translate
 */

/**
 * @param {LayerRow} row
 * @param {Translate} t
 */
export function rowTable(row, t) {
  return el('table', { class: 'facts' }, el('tbody', {}, ...facts(row, t).map(([name, value]) => fact(name, value))))
}

/**
 * @param {LayerRow} row
 * @param {Translate} t
 * @returns {[string, string|Node|null|undefined][]} what a layer does not have is null
 */
function facts(row, t) {
  return [
    [t('panel.row.kind'), row.kind.replaceAll('_', ' ')],
    [t('panel.row.kernel'), row.kernel?.join(' × ')],
    [t('panel.row.stride'), row.stride?.join(' × ')],
    [t('panel.row.padding'), row.padding && padding(row.padding, t)],
    [t('panel.row.dilation'), row.dilation?.join(' × ')],
    [t('panel.row.groups'), row.groups === null ? null : String(row.groups)],
    [t('panel.row.input'), sizes(row.input_shape)],
    [t('panel.row.output'), row.output_shape ? sizes(row.output_shape) : row.reason],
    [t('panel.row.formula'), row.formula.length ? formula(...row.formula) : null],
    [t('panel.row.parameters'), costs(row.parameters, row.parameters_formula)],
    [t('panel.row.macs'), costs(row.macs, row.macs_formula)],
    [t('panel.row.field'), sight(row, t)],
  ]
}

/**
 * @param {string} name
 * @param {string|Node|null|undefined} value
 */
function fact(name, value) {
  if (value === null || value === undefined) return null
  return el('tr', {}, el('th', { scope: 'row' }, name), el('td', {}, value))
}

/**
 * [begin, end] of each axis in short, where they are the same.
 * @param {number[][]} sides
 * @param {Translate} t
 */
function padding(sides, t) {
  const all = sides.flat()
  if (all.every((side) => side === all[0])) return t('panel.row.padding.all', { pixels: all[0] })
  const [[top, bottom], [left, right] = [0, 0]] = sides
  return t('panel.row.padding.each', { top, bottom, left, right })
}

/** @param {...string} lines */
function formula(...lines) {
  return el('div', { class: 'formula' }, ...lines.map((line) => el('code', {}, line)))
}

/**
 * @param {number|null} count
 * @param {string|null} sum
 */
function costs(count, sum) {
  return sum ? formula(sum) : counted(count)
}

/**
 * @param {LayerRow} row
 * @param {Translate} t
 */
function sight({ receptive_field: field }, t) {
  if (!field?.size) return null
  if (field.status === 'whole_image') return t('panel.row.field.whole')
  const values = { size: field.size.join(' × '), jump: field.jump?.join(' × ') ?? '–' }
  return t(field.status === 'upper_bound' ? 'panel.row.field.bound' : 'panel.row.field.exact', values)
}
