/**
 * Arrays as NumPy writes them: one in a `.npy`, several by name in a `.npz` as the service packs it (not compressed).
 * Knows no layer and no picture. Formats: numpy.lib.format 1.0 to 3.0; PKWARE APPNOTE 4.3.7 and 4.3.12.
 */

/** @typedef {{shape: number[], data: Float64Array | Float32Array | Int32Array | Int8Array | Uint8Array}} NDArray */

/** @type {Record<string, (bytes: ArrayBuffer) => NDArray['data']>} */
const NUMBERS = {
  '<f8': (bytes) => new Float64Array(bytes),
  '<f4': (bytes) => new Float32Array(bytes),
  '<f2': (bytes) => Float32Array.from(new Uint16Array(bytes), half),
  '<i4': (bytes) => new Int32Array(bytes),
  '|i1': (bytes) => new Int8Array(bytes),
  '|u1': (bytes) => new Uint8Array(bytes),
}

/**
 * @param {ArrayBuffer} file
 * @returns {NDArray}
 */
export function readNpy(file) {
  const view = new DataView(file)
  const wide = view.getUint8(6) > 1 // the header's length has four bytes from version 2 on
  const start = wide ? 12 : 10
  const end = start + (wide ? view.getUint32(8, true) : view.getUint16(8, true))
  const header = new TextDecoder('latin1').decode(new Uint8Array(file, start, end - start))
  const type = /'descr': *'([^']+)'/.exec(header)?.[1] ?? ''
  const shape = (/'shape': *\(([^)]*)\)/.exec(header)?.[1] ?? '')
    .split(',')
    .filter((size) => size.trim())
    .map(Number)
  const numbers = NUMBERS[type]
  if (!numbers) throw new TypeError(`numbers of type ${type || 'unknown'} cannot be shown here: download them as npy`)
  return { shape, data: numbers(file.slice(end)) }
}

/**
 * @param {ArrayBuffer} file
 * @returns {Map<string, NDArray>} by name, without `.npy`
 */
export function readNpz(file) {
  const view = new DataView(file)
  const arrays = new Map()
  const ending = endOfDirectory(view)
  let entry = view.getUint32(ending + 16, true)
  for (let left = view.getUint16(ending + 10, true); left > 0; left -= 1) {
    const nameLength = view.getUint16(entry + 28, true)
    const name = new TextDecoder().decode(new Uint8Array(file, entry + 46, nameLength))
    arrays.set(name.replace(/\.npy$/, ''), readNpy(stored(file, view, entry)))
    entry += 46 + nameLength + view.getUint16(entry + 30, true) + view.getUint16(entry + 32, true)
  }
  return arrays
}

/**
 * @param {DataView} view
 * @returns {number} where the end-of-central-directory record begins: it is the last one, a comment may follow
 */
function endOfDirectory(view) {
  for (let at = view.byteLength - 22; at >= 0; at -= 1) {
    if (view.getUint32(at, true) === 0x06054b50) return at
  }
  throw new TypeError('not an npz file')
}

/**
 * @param {ArrayBuffer} file
 * @param {DataView} view
 * @param {number} entry of the central directory
 */
function stored(file, view, entry) {
  if (view.getUint16(entry + 10, true) !== 0) throw new TypeError('a compressed npz cannot be shown here: download it')
  const local = view.getUint32(entry + 42, true)
  const begin = local + 30 + view.getUint16(local + 26, true) + view.getUint16(local + 28, true)
  return file.slice(begin, begin + view.getUint32(entry + 24, true))
}

/** @param {number} bits of an IEEE 754 half */
function half(bits) {
  const sign = bits & 0x8000 ? -1 : 1
  const exponent = (bits >> 10) & 0x1f
  const fraction = (bits & 0x3ff) / 1024
  if (exponent === 31) return fraction ? NaN : sign * Infinity
  return sign * (exponent ? 2 ** (exponent - 15) * (1 + fraction) : 2 ** -14 * fraction)
}
