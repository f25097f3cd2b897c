/** On which scale of colours maps are shown: what can be chosen, and the range that all layers share. */

import { json } from '../asking.js'
import { oneOf } from '../choices.js'
import { extremes } from '../colours.js'
import { note } from '../state.js'
import { ofNetwork } from './sections.js'

/**
 * @typedef {import('../context.js').Context} Context
 * @typedef {import('../answers.js').LayerStatistics} LayerStatistics
 * @typedef {import('../state.js').State['scale']} Scale
 */

/**
 * @param {Context} context
 * @param {(scale: Scale) => void} draw
 */
export function scaleChoice({ state, t }, draw) {
  const options = /** @type {Scale[]} */ (['layer', 'channel', 'shared']).map((value) => ({
    value,
    text: t(`panel.scale.${value}`),
  }))
  return oneOf(t('panel.scale'), options, state.scale, (scale) => {
    note({ scale })
    draw(scale)
  })
}

/**
 * From the smallest to the largest value of any layer.
 * @param {Context} context
 * @param {AbortSignal} signal
 */
export async function sharedRange(context, signal) {
  const seen = await json(context, 'feature-maps', {}, signal)
  /** @type {{id: string, statistics: LayerStatistics}[]} */
  const layers = ofNetwork(context, seen.results[0].layers)
  return extremes(layers.flatMap(({ statistics }) => [statistics.min ?? 0, statistics.max ?? 0, 0]))
}
