/** What panels are built of: a heading with what belongs under it, and the layer that the state names. */

import { el } from '../elements.js'
import { sizes } from '../numbers.js'

/**
 * @typedef {import('../context.js').Context} Context
 * @typedef {import('../answers.js').LayerRow} LayerRow
 * @typedef {import('../elements.js').Child} Child
 */

/**
 * @param {string} title
 * @param {...Child} children
 */
export function section(title, ...children) {
  return el('section', { class: 'part' }, el('h3', {}, title), ...children)
}

/** @param {LayerRow} row */
export function layerTitle({ id, kind, output_shape: shape }) {
  return el('h2', {}, id, ' ', el('small', {}, `${kind.replaceAll('_', ' ')}, ${sizes(shape)}`))
}

/**
 * The row of the layer that the state names, by id or alias.
 * @param {Context} context
 * @returns {LayerRow|undefined}
 */
export function namedLayer({ state, table }) {
  const name = state.layer ?? ''
  return table.layers.find(({ id, aliases }) => id === name || aliases.includes(name))
}

/**
 * The layers proper: not the arithmetic on the picture before them, nor what only moves numbers.
 * @param {Context} context
 */
export function networkLayers({ table }) {
  return table.layers.filter(({ stage }) => stage === 'network')
}

/**
 * What an answer says of the layers proper. All are asked for: the names of a deep network's would fill no URL.
 * @template {{id: string}} Told
 * @param {Context} context
 * @param {Told[]} told
 */
export function ofNetwork(context, told) {
  const ids = new Set(networkLayers(context).map(({ id }) => id))
  return told.filter(({ id }) => ids.has(id))
}

/**
 * What is missing, in place of a panel.
 * @param {string} text
 */
export function hint(text) {
  return el('p', { class: 'hint' }, text)
}

/**
 * Where a layer has to be chosen first.
 * @param {Context} context
 */
export function layerHint({ state, t }) {
  return hint(state.layer ? t('panel.layer.unknown', { layer: state.layer }) : t('panel.layer.choose'))
}
