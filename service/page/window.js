/** Where a sliding window stands on its layer's input. */

/**
 * @typedef {import('./answers.js').LayerRow} LayerRow
 * @typedef {{y: number, x: number}} Cell below 0, or beyond the map, in the padding
 */

/**
 * The cells of the input that meet the kernel for one output: several apart where it is dilated. A layer without a
 * window that keeps its input's size reads the value at the same place.
 * @param {LayerRow} row
 * @param {number} y
 * @param {number} x
 * @returns {Cell[]|null} null for what reads otherwise, such as a transposed convolution
 */
export function windowCells(
  { kernel, stride, padding, dilation, kind, input_shape: input, output_shape: output },
  y,
  x,
) {
  if (kind === 'transposed_conv') return null
  if (!kernel) return input?.length === 4 && String(input.slice(2)) === String(output?.slice(2)) ? [{ y, x }] : null
  if (kernel.length !== 2) return null
  const [down, across] = [y, x].map((place, axis) => {
    const start = place * (stride?.[axis] ?? 1) - (padding?.[axis][0] ?? 0)
    return Array.from({ length: kernel[axis] }, (_, tap) => start + tap * (dilation?.[axis] ?? 1))
  })
  return down.flatMap((row) => across.map((column) => ({ y: row, x: column })))
}

/**
 * The same as the service told it, without the padding.
 * @param {(number|null)[][]} reads the rows and the columns
 * @returns {Cell[]}
 */
export function cellsRead([rows, columns = [0]]) {
  const there = (/** @type {number|null} */ place) => place !== null
  return rows.filter(there).flatMap((y) => columns.filter(there).map((x) => ({ y: Number(y), x: Number(x) })))
}
