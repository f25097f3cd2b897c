/** One layer of both sides, and their difference: a and b on one scale. */

import { channelRange, extremes, layerRange, symmetric } from '../colours.js'
import { el } from '../elements.js'
import { grid } from '../grid.js'
import { legend } from '../legend.js'
import { channelOf, toMaps } from '../maps.js'
import { figure } from '../numbers.js'

/**
 * @typedef {import('../context.js').Context} Context
 * @typedef {import('../maps.js').Maps} Maps
 * @typedef {import('../colours.js').Range} Range
 * @typedef {import('../npy.js').NDArray} NDArray
 */

/**
 * @param {Context} context
 * @param {Map<string, NDArray>} arrays
 * @param {string} layer
 * @param {{a: string, b: string}} names
 * @param {'shared'|'channel'} scale
 * @param {number} width
 * @param {(channel: number) => void} choose
 */
export function comparedMaps({ t }, arrays, layer, names, scale, width, choose) {
  const [a, b, difference] = ['a', 'b', 'difference'].map((side) =>
    toMaps(/** @type {NDArray} */ (arrays.get(`${layer}/${side}`))),
  )
  const rangeOf = scale === 'shared' ? sharedBy(a, b) : channelsOf(a, b)
  const apart = layerRange(difference.values)
  const apartOf = () => (apart.low < 0 ? apart : symmetric({ low: -apart.high, high: apart.high }))
  const room = width >= 720 ? Math.floor((width - 48) / 3) : width
  const side = (
    /** @type {string} */ name,
    /** @type {Maps} */ maps,
    /** @type {(channel: number) => Range} */ range,
  ) =>
    el(
      'figure',
      { class: 'side' },
      el('figcaption', {}, name),
      grid({ maps, rangeOf: range, name: tileName(t, name, maps), choose, width: room }, t),
    )
  const words = t(`panel.compare.scale.${scale}.words`)
  const ends =
    rangeOf(0).low < 0
      ? ['panel.scale.minus', '0', 'panel.scale.largest']
      : ['panel.scale.smallest', 'panel.scale.largest']
  return el(
    'div',
    {},
    el(
      'div',
      { class: 'three' },
      side(names.a, a, rangeOf),
      side(names.b, b, rangeOf),
      side(t('panel.compare.difference'), difference, apartOf),
    ),
    el(
      'div',
      { class: 'legends' },
      scale === 'shared'
        ? legend(rangeOf(0), words)
        : legend(
            rangeOf(0),
            words,
            ends.map((end) => t(end)),
          ),
      legend(apartOf(), t('panel.compare.difference.words')),
    ),
  )
}

/**
 * It reaches as far as that side alone whose range reaches further.
 * @param {Maps} a
 * @param {Maps} b
 */
function sharedBy(a, b) {
  const range = outermost(layerRange(a.values), layerRange(b.values))
  return () => range
}

/**
 * @param {Maps} a
 * @param {Maps} b
 */
function channelsOf(a, b) {
  const signed = extremes(a.values).low < 0 || extremes(b.values).low < 0
  return (/** @type {number} */ channel) => {
    const range = outermost(channelRange(channelOf(a, channel)), channelRange(channelOf(b, channel)))
    return signed && range.low >= 0 ? symmetric({ low: -(range.high || 1), high: range.high || 1 }) : range
  }
}

/**
 * @param {Range} one
 * @param {Range} other
 */
function outermost(one, other) {
  return symmetric({ low: Math.min(one.low, other.low), high: Math.max(one.high, other.high) })
}

/**
 * @param {import('../context.js').Translate} t
 * @param {string} side
 * @param {Maps} maps
 */
function tileName(t, side, maps) {
  return (/** @type {number} */ channel) => {
    const { low, high } = extremes(channelOf(maps, channel))
    return t('panel.compare.tile', { side, channel, min: figure(low, 3), max: figure(high, 3) })
  }
}
