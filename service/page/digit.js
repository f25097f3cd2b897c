/**
 * A drawing made into what MNIST's digits are: light ink on black, 20 x 20 inside 28 x 28, centred by its mass.
 *
 * Pure functions over arrays; knows no canvas. The networks that were trained on such digits know nothing else: the
 * same drawing left where and as large as the hand put it is a different picture to them.
 */

import { distances } from './distances.js'

/**
 * @typedef {{width: number, height: number, values: Float32Array}} Grey row by row from the top
 * @typedef {{left: number, top: number, right: number, bottom: number}} Box `right` and `bottom` are the first outside
 * @typedef {{pixels: Grey, inverted: boolean, box: Box, pen: number, thickened: number, scale: number,
 *   shift: {x: number, y: number}}} Digit
 *   `pixels` in 0..255; `pen`, the width of the stroke, and `thickened`, what was added to it, in the drawing's pixels;
 *   `shift` is how far the mass was moved to lie in the middle, in the digit's pixels
 */

// Above the noise of a photograph, below the grey edge of a pencil's line.
const INK = 0.25
// Paper that differs from itself by less, of 255, has nothing on it.
const FAINT = 16
// The strokes of MNIST's digits are about 2.5 pixels wide where the digit is 20 high.
const PEN_SHARE = 0.12

/**
 * The digit in a drawing, or null where nothing is drawn.
 * @param {Grey} grey 0 is black
 * @param {number} side of the digit's picture: 28 for MNIST
 * @returns {Digit|null}
 */
export function asDigit(grey, side = 28) {
  const { ink, inverted } = inkOf(grey)
  const box = boxOf(ink)
  if (!box) return null
  const cut = cropped(ink, box, 1 + Math.ceil(Math.max(box.right - box.left, box.bottom - box.top) * PEN_SHARE))
  const pen = penWidth(cut)
  const thickened = missingWidth(pen, box)
  const even = thickened === 0 ? cut : withPen(cut, thickened)
  const evenBox = boxOf(even) ?? { left: 0, top: 0, right: cut.width, bottom: cut.height }
  const scale = frameSide(side) / Math.max(evenBox.right - evenBox.left, evenBox.bottom - evenBox.top)
  const { pixels, shift } = centred(shrunk(even, evenBox, scale), side)
  return { pixels, inverted, box, pen, thickened, scale, shift }
}

/**
 * How much ink each pixel has, in 0..1: its distance from the paper, whichever of the two is lighter. The paper is what
 * most of the border is.
 * @param {Grey} grey
 */
export function inkOf({ width, height, values }) {
  const paper = median(border(width, height).map((index) => values[index] ?? 0))
  let most = FAINT
  for (const value of values) most = Math.max(most, Math.abs(value - paper))
  const ink = values.map((value) => Math.abs(value - paper) / most)
  return { ink: { width, height, values: most === FAINT ? ink.fill(0) : ink }, inverted: paper > 127 }
}

/**
 * The smallest box around all ink, or null.
 * @param {Grey} ink
 * @returns {Box|null}
 */
export function boxOf({ width, height, values }) {
  const box = { left: width, top: height, right: 0, bottom: 0 }
  for (let y = 0; y < height; y++) {
    const row = values.subarray(y * width, (y + 1) * width)
    const first = row.findIndex(isInk)
    if (first < 0) continue
    box.left = Math.min(box.left, first)
    box.right = Math.max(box.right, row.findLastIndex(isInk) + 1)
    box.top = Math.min(box.top, y)
    box.bottom = y + 1
  }
  return box.right > box.left ? box : null
}

/** @param {number} value */
function isInk(value) {
  return value >= INK
}

/**
 * The width of the stroke: a line of length l and width w has the area lw, and each of its pixels is w/4 from its edge
 * on the average.
 * @param {Grey} ink
 */
export function penWidth(ink) {
  const inside = distances(mask(ink, false), ink.width, ink.height)
  let [sum, count] = [0, 0]
  for (const distance of inside) {
    if (distance === 0) continue
    sum += distance - 0.5 // from the pixel's centre to the edge, not to the next pixel's centre
    count += 1
  }
  return count ? (4 * sum) / count : 0
}

/**
 * What the pen lacks of MNIST's (negative: what it has too much), in the drawing's pixels.
 * @param {number} pen
 * @param {Box} box
 */
function missingWidth(pen, box) {
  const size = Math.max(box.right - box.left, box.bottom - box.top)
  const wanted = (size - pen) * PEN_SHARE / (1 - PEN_SHARE) // the box grows with the pen
  if (pen < wanted * 0.8) return wanted - pen
  if (pen > wanted * 1.5) return wanted * 1.5 - pen
  return 0
}

/**
 * The ink as a pen wider by `more` would have left it.
 * @param {Grey} ink
 * @param {number} more negative for a narrower one
 * @returns {Grey}
 */
function withPen(ink, more) {
  const wider = more > 0
  const away = distances(mask(ink, wider), ink.width, ink.height)
  const reach = Math.abs(more) / 2
  // The edge is one pixel soft, as that of a drawn line.
  const values = away.map((distance) => clamp(wider ? reach + 0.5 - distance : distance - reach, 0, 1))
  return { ...ink, values }
}

/**
 * What is in the box, with a margin around it.
 * @param {Grey} ink
 * @param {Box} box
 * @param {number} margin
 * @returns {Grey}
 */
function cropped({ width, values }, { left, top, right, bottom }, margin) {
  const wide = right - left + 2 * margin
  const high = bottom - top + 2 * margin
  const cut = new Float32Array(wide * high)
  for (let y = top; y < bottom; y++) {
    cut.set(values.subarray(y * width + left, y * width + right), (y - top + margin) * wide + margin)
  }
  return { width: wide, height: high, values: cut }
}

/**
 * Inside `box`, `scale` times the size: each new pixel is the average of the area that it covers.
 * @param {Grey} ink
 * @param {Box} box
 * @param {number} scale
 * @returns {Grey}
 */
export function shrunk(ink, box, scale) {
  const width = Math.max(1, Math.round((box.right - box.left) * scale))
  const height = Math.max(1, Math.round((box.bottom - box.top) * scale))
  const across = shares(box.left, box.right, width)
  const down = shares(box.top, box.bottom, height)
  const values = new Float32Array(width * height)
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) values[y * width + x] = averaged(ink, across[x] ?? [], down[y] ?? [])
  }
  return { width, height, values }
}

/**
 * On black, `side` x `side`, with its centre of mass in the middle; as bright as MNIST's.
 * @param {Grey} small
 * @param {number} side
 */
export function centred({ width, height, values }, side) {
  const mass = centreOfMass({ width, height, values })
  const left = clamp(Math.round(side / 2 - mass.x), 0, side - width)
  const top = clamp(Math.round(side / 2 - mass.y), 0, side - height)
  const brightest = values.reduce((a, b) => Math.max(a, b), 0) || 1
  const pixels = new Float32Array(side * side)
  values.forEach((value, index) => {
    const [x, y] = [left + (index % width), top + Math.floor(index / width)]
    pixels[y * side + x] = Math.round((255 * value) / brightest)
  })
  const shift = { x: left - (side - width) / 2, y: top - (side - height) / 2 }
  return { pixels: { width: side, height: side, values: pixels }, shift }
}

/**
 * How much of `side` a digit fills: 20 of 28 as in MNIST; all of it where there are too few pixels for a margin.
 * @param {number} side
 */
function frameSide(side) {
  return side < 20 ? side : Math.round((side * 20) / 28)
}

/** @param {Grey} grey */
function centreOfMass({ width, values }) {
  let [mass, x, y] = [0, 0, 0]
  values.forEach((value, index) => {
    mass += value
    x += value * ((index % width) + 0.5)
    y += value * (Math.floor(index / width) + 0.5)
  })
  return { x: x / mass, y: y / mass }
}

/**
 * For each of `count` equal parts of `from`..`to`: which pixels it covers, and how much of each.
 * @param {number} from
 * @param {number} to
 * @param {number} count
 * @returns {{index: number, share: number}[][]}
 */
function shares(from, to, count) {
  const step = (to - from) / count
  return Array.from({ length: count }, (_, part) => {
    const [start, end] = [from + part * step, from + (part + 1) * step]
    const first = Math.floor(start)
    return Array.from({ length: Math.max(1, Math.ceil(end - 1e-9) - first) }, (_, offset) => {
      const index = first + offset
      return { index, share: (Math.min(end, index + 1) - Math.max(start, index)) / step }
    })
  })
}

/**
 * @param {Grey} grey
 * @param {{index: number, share: number}[]} across
 * @param {{index: number, share: number}[]} down
 */
function averaged({ width, values }, across, down) {
  let sum = 0
  for (const row of down) {
    for (const column of across) sum += row.share * column.share * (values[row.index * width + column.index] ?? 0)
  }
  return sum
}

/**
 * @param {number} width
 * @param {number} height
 */
function border(width, height) {
  const indices = []
  for (let x = 0; x < width; x++) indices.push(x, (height - 1) * width + x)
  for (let y = 0; y < height; y++) indices.push(y * width, y * width + width - 1)
  return indices
}

/**
 * Which pixels are ink; or which are not.
 * @param {Grey} grey
 * @param {boolean} wanted
 */
function mask({ values }, wanted) {
  const set = new Uint8Array(values.length)
  for (let index = 0; index < set.length; index++) set[index] = Number(isInk(/** @type {number} */ (values[index])) === wanted)
  return set
}

/** @param {number[]} numbers */
function median(numbers) {
  return numbers.sort((a, b) => a - b)[numbers.length >> 1] ?? 0
}

/**
 * @param {number} value
 * @param {number} low
 * @param {number} high
 */
function clamp(value, low, high) {
  return Math.min(high, Math.max(low, value))
}
