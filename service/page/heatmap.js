/**
 * One map as a picture: a square of whole pixels for every value, so that a 7 x 7 map looks like 49 squares, and what
 * is drawn over it in the map's own coordinates.
 */

import { colourOf } from './colours.js'
import { el, svg } from './elements.js'
import { isDead } from './maps.js'

/** @typedef {import('./colours.js').Range} Range */

/**
 * @param {ArrayLike<number>} values by rows
 * @param {number} height
 * @param {number} width
 * @param {Range} range
 * @param {number} magnification pixels a value; below 1 the map is made smaller
 */
export function heatmap(values, height, width, range, magnification) {
  const canvas = el('canvas', {
    width,
    height,
    class: magnification < 1 ? 'heatmap reduced' : 'heatmap',
    style: { width: `${width * magnification}px`, height: `${height * magnification}px` },
  })
  if (isDead(values))
    canvas.classList.add('dead') // the hatching is the stylesheet's
  else paint(canvas, values, range)
  return canvas
}

/**
 * @param {HTMLCanvasElement} canvas of one pixel a value
 * @param {ArrayLike<number>} values
 * @param {Range} range
 */
export function paint(canvas, values, range) {
  const brush = canvas.getContext('2d')
  if (!brush || !canvas.width || !canvas.height) return
  const pixels = brush.createImageData(canvas.width, canvas.height)
  for (let index = 0; index < values.length; index += 1) {
    const [red, green, blue] = colourOf(values[index], range)
    pixels.data[4 * index] = red
    pixels.data[4 * index + 1] = green
    pixels.data[4 * index + 2] = blue
    pixels.data[4 * index + 3] = 255
  }
  brush.putImageData(pixels, 0, 0)
}

/**
 * A picture as it is, its pixels as large squares.
 * @param {ImageBitmap} pixels
 * @param {number} room
 */
export function pictureCanvas(pixels, room) {
  const { height, width } = pixels
  const magnification = magnificationFor(Math.max(width, height), room)
  const style = { width: `${width * magnification}px`, height: `${height * magnification}px` }
  const canvas = el('canvas', { width, height, class: 'heatmap', style })
  canvas.getContext('2d')?.drawImage(pixels, 0, 0)
  return { canvas, size: { height, width, magnification } }
}

/**
 * A picture with a drawing over it; the hatched margin is padding.
 * @param {HTMLCanvasElement|HTMLImageElement} picture
 * @param {{height: number, width: number, magnification: number, padding?: number[][]|null}} size in cells; `padding`
 *   is [begin, end] down and across
 */
export function framed(picture, { height, width, magnification, padding }) {
  const [[top, bottom], [left, right]] = padding ?? [
    [0, 0],
    [0, 0],
  ]
  const drawing = svg('svg', {
    viewBox: `${-left} ${-top} ${left + width + right} ${top + height + bottom}`,
    'aria-hidden': 'true',
    class: 'over',
  })
  const margins = [top, right, bottom, left].map((cells) => `${cells * magnification}px`).join(' ')
  return { frame: el('div', { class: 'framed', style: { padding: margins } }, picture, drawing), drawing }
}

/**
 * The largest whole magnification that keeps a map within so many pixels; a fraction where it is larger than these.
 * @param {number} cells
 * @param {number} pixels
 */
export function magnificationFor(cells, pixels) {
  return cells <= pixels ? Math.min(Math.floor(pixels / cells), 64) : pixels / cells
}
