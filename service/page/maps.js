/** What a layer saw of one picture, as the panels hold it: its maps, one range of colours or many. */

import { channelRange, extremes, layerRange, symmetric } from './colours.js'

/**
 * @typedef {import('./npy.js').NDArray} NDArray
 * @typedef {import('./colours.js').Range} Range
 * @typedef {{count: number, height: number, width: number, values: NDArray['data']}} Maps
 *   by channel, row and column; a dense layer is as many maps of one value
 */

/**
 * @param {NDArray} array of one image: [1, channels, height, width], [1, units], or [1, rows, columns] of tokens, which
 *   are one map as in the service's pictures
 * @returns {Maps}
 */
export function toMaps({ shape, data }) {
  const [, count = 1, height = 1, width = 1] = shape.length === 3 ? [1, 1, ...shape.slice(1)] : shape
  return { count, height, width, values: data }
}

/**
 * The network's input, where the layer before is the picture itself: its channels come last.
 * @param {NDArray} array [1, height, width, channels] of a received picture
 * @returns {Maps}
 */
export function fromPixels({ shape, data }) {
  const [height, width, count] = shape.slice(-3)
  const values = new Float32Array(data.length)
  for (let pixel = 0; pixel < height * width; pixel += 1) {
    for (let channel = 0; channel < count; channel += 1)
      values[channel * height * width + pixel] = data[pixel * count + channel]
  }
  return { count, height, width, values }
}

/**
 * @param {Maps} maps
 * @param {number} channel
 */
export function channelOf({ height, width, values }, channel) {
  return values.subarray(channel * height * width, (channel + 1) * height * width)
}

/**
 * The range of each channel's colours on a scale.
 * @param {Maps} maps
 * @param {'layer'|'channel'|'shared'} scale
 * @param {Range|null} [shared] that of all layers
 * @returns {(channel: number) => Range}
 */
export function ranges(maps, scale, shared = null) {
  if (scale === 'channel') return channelRanges(maps)
  const range = scale === 'shared' && shared ? symmetric(shared) : layerRange(maps.values)
  return () => range
}

/**
 * Each channel its own; where any is below zero all diverge from white, so that one colour bar can say what is zero.
 * @param {Maps} maps
 * @returns {(channel: number) => Range}
 */
function channelRanges(maps) {
  const signed = extremes(maps.values).low < 0
  return (channel) => {
    const range = channelRange(channelOf(maps, channel))
    if (!signed || range.low < 0) return range
    return { low: -(range.high || 1), high: range.high || 1 }
  }
}

/** @param {ArrayLike<number>} values */
export function isDead(values) {
  for (let index = 0; index < values.length; index += 1) if (values[index] !== 0) return false
  return true
}
