/** A layer's output as a block in perspective: as high as its maps, as deep as its channels are many. */

import { svg } from './elements.js'

const [WIDTH, HEIGHT] = [124, 78]

/**
 * @param {number[]} shape channels, height, width; or the units of a dense layer
 */
export function block(shape) {
  const [channels = 1, height = 1, width = 1] = shape
  const flat = shape.length < 2
  // Logarithms: 224 pixels and 7, 3 channels and 2048 have to be seen beside each other.
  const high = flat ? lengthOf(channels, 2048, 60) : lengthOf(height, 256, 56)
  const deep = flat ? 8 : lengthOf(channels, 2048, 64)
  const skew = flat ? 4 : lengthOf(width, 256, 20)
  const left = (WIDTH - deep - skew) / 2
  const top = (HEIGHT - high - skew) / 2 + skew
  return svg('svg', { class: 'block', viewBox: `0 0 ${WIDTH} ${HEIGHT}`, 'aria-hidden': 'true' },
    svg('path', { class: 'top', d: `M ${left} ${top} l ${skew} ${-skew} h ${deep} l ${-skew} ${skew} z` }),
    svg('path', { class: 'side', d: `M ${left + deep} ${top} l ${skew} ${-skew} v ${high} l ${-skew} ${skew} z` }),
    svg('rect', { class: 'front', x: left, y: top, width: deep, height: high }),
  )
}

/**
 * @param {number} size
 * @param {number} largest the size that has the `longest` length
 * @param {number} longest
 */
function lengthOf(size, largest, longest) {
  return Math.max(3, Math.min(1, Math.log2(1 + size) / Math.log2(1 + largest)) * longest)
}
