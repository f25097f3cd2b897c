/**
 * How far each pixel is from the nearest one that is set: exactly, in time linear in the pixels.
 *
 * Felzenszwalb and Huttenlocher, Distance Transforms of Sampled Functions, 2012: the squared distance is the lower
 * envelope of parabolas, first down each column, then along each row.
 */

const FAR = 1e12

/**
 * @param {Uint8Array} set row by row; what is outside the picture is not set
 * @param {number} width
 * @param {number} height
 */
export function distances(set, width, height) {
  const squared = new Float64Array(set.length)
  for (let index = 0; index < set.length; index++) squared[index] = set[index] ? 0 : FAR
  for (let x = 0; x < width; x++) along(squared, x, width, height)
  for (let y = 0; y < height; y++) along(squared, y * width, 1, width)
  return new Float32Array(squared.map(Math.sqrt))
}

/**
 * One line of `count` values in place: value[q] becomes min over p of value[p] + (q - p)^2.
 * @param {Float64Array} values
 * @param {number} start
 * @param {number} step
 * @param {number} count
 */
function along(values, start, step, count) {
  const line = new Float64Array(count)
  for (let q = 0; q < count; q++) line[q] = /** @type {number} */ (values[start + q * step])
  const { vertices, borders } = envelope(line)
  for (let q = 0, k = 0; q < count; q++) {
    while (/** @type {number} */ (borders[k + 1]) < q) k++
    const p = /** @type {number} */ (vertices[k])
    values[start + q * step] = /** @type {number} */ (line[p]) + (q - p) ** 2
  }
}

/**
 * Which parabolas form the lower envelope, and where each takes over from the one before.
 * @param {Float64Array} line
 */
function envelope(line) {
  const vertices = new Int32Array(line.length)
  const borders = new Float64Array(line.length + 1).fill(Infinity)
  borders[0] = -Infinity
  let k = 0
  for (let q = 1; q < line.length; q++) {
    let border = crossing(line, q, /** @type {number} */ (vertices[k]))
    while (border <= /** @type {number} */ (borders[k])) border = crossing(line, q, /** @type {number} */ (vertices[--k]))
    vertices[++k] = q
    borders[k] = border
    borders[k + 1] = Infinity
  }
  return { vertices, borders }
}

/**
 * Where the parabolas of `q` and `p` cross.
 * @param {Float64Array} line
 * @param {number} q
 * @param {number} p
 */
function crossing(line, q, p) {
  const [atQ, atP] = [/** @type {number} */ (line[q]), /** @type {number} */ (line[p])]
  return (atQ + q * q - atP - p * p) / (2 * (q - p))
}
