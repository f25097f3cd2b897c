/** What a pen leaves on a square of paper: lists of points, painted on a canvas. */

import { asDigit } from './digit.js'

/**
 * @typedef {{pen: number, points: [number, number][]}} Stroke in shares of the paper's side
 * @typedef {{strokes: Stroke[], chalk: boolean}} Drawing `chalk` is white on black
 */

export const PAPER = 280 // pixels a side: ten for each of MNIST's

/**
 * @param {Drawing} drawing
 * @param {CanvasRenderingContext2D} paper
 */
export function paint({ strokes, chalk }, paper) {
  paper.fillStyle = chalk ? '#000' : '#fff'
  paper.fillRect(0, 0, PAPER, PAPER)
  paper.strokeStyle = chalk ? '#fff' : '#000'
  paper.lineCap = paper.lineJoin = 'round'
  for (const { pen, points } of strokes) line(paper, pen, points)
}

/**
 * The drawing as a network for digits wants it, and what was done to it; null where nothing is drawn.
 * @param {CanvasRenderingContext2D} paper
 * @param {number} side
 */
export function digitOn(paper, side) {
  const { data } = paper.getImageData(0, 0, PAPER, PAPER)
  const values = new Float32Array(PAPER * PAPER)
  for (let index = 0; index < values.length; index++) values[index] = /** @type {number} */ (data[4 * index])
  return asDigit({ width: PAPER, height: PAPER, values }, side)
}

/**
 * A grey picture on a canvas of its own size.
 * @param {import('./digit.js').Grey} grey
 */
export function canvasOf({ width, height, values }) {
  const canvas = Object.assign(document.createElement('canvas'), { width, height })
  const image = new ImageData(width, height)
  values.forEach((value, index) => image.data.set([value, value, value, 255], 4 * index))
  canvas.getContext('2d')?.putImageData(image, 0, 0)
  return canvas
}

/**
 * @param {HTMLCanvasElement} canvas
 * @returns {Promise<Blob>}
 */
export function png(canvas) {
  return new Promise((resolve, reject) => {
    canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Error('the browser made no PNG of the drawing'))))
  })
}

/**
 * @param {CanvasRenderingContext2D} paper
 * @param {number} pen
 * @param {[number, number][]} points
 */
function line(paper, pen, points) {
  const [first, ...rest] = points
  if (!first) return
  paper.lineWidth = pen * PAPER
  paper.beginPath()
  paper.moveTo(first[0] * PAPER, first[1] * PAPER)
  if (!rest.length) paper.lineTo(first[0] * PAPER, first[1] * PAPER) // a dot
  for (const [x, y] of rest) paper.lineTo(x * PAPER, y * PAPER)
  paper.stroke()
}
