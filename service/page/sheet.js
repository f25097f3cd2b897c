/** Many maps on one canvas, for pictures that are looked at as a whole. */

import { el } from './elements.js'
import { layout } from './grid.js'
import { heatmap } from './heatmap.js'
import { channelOf } from './maps.js'

const GUTTER = 4 // a filter has so few values that it would run into its neighbour

/**
 * @param {import('./maps.js').Maps} maps
 * @param {(channel: number) => import('./colours.js').Range} rangeOf
 * @param {number} width the room in pixels
 * @param {string} label
 */
export function sheet(maps, rangeOf, width, label) {
  const { columns, magnification } = layout(maps, maps.count, width - GUTTER * Math.ceil(Math.sqrt(maps.count)))
  const [down, across] = [maps.height * magnification + GUTTER, maps.width * magnification + GUTTER]
  const canvas = el('canvas', {
    width: columns * across - GUTTER,
    height: Math.ceil(maps.count / columns) * down - GUTTER,
    class: 'sheet',
    role: 'img',
    'aria-label': label,
  })
  const brush = canvas.getContext('2d')
  if (!brush) return canvas
  brush.imageSmoothingEnabled = magnification < 1
  for (let channel = 0; channel < maps.count; channel += 1) {
    const one = heatmap(channelOf(maps, channel), maps.height, maps.width, rangeOf(channel), magnification)
    const [left, top] = [(channel % columns) * across, Math.floor(channel / columns) * down]
    brush.drawImage(one, left, top, across - GUTTER, down - GUTTER)
  }
  return canvas
}
