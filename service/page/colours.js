/**
 * Values to colours, exactly as the service's pictures have them (service/images/colours.py): where a range reaches
 * below zero, colours diverge from white at zero and the range is symmetric; else they go from dark to light.
 */

/** @typedef {{low: number, high: number}} Range */
/** @typedef {ArrayLike<number> & Iterable<number>} Values */

const SEQUENTIAL = [
  [24, 10, 58],
  [54, 50, 124],
  [36, 104, 142],
  [28, 152, 134],
  [110, 198, 92],
  [252, 232, 60],
]
const DIVERGING = [
  [12, 44, 110],
  [74, 132, 200],
  [255, 255, 255],
  [222, 120, 76],
  [120, 14, 34],
]
const LEVELS = 251 // odd, so that one level is exactly the middle: white is zero and nothing else
const NOT_A_NUMBER = [255, 0, 255]
const SHARE_IN_RANGE = 0.995

/**
 * The range that holds 99.5 % of the values other than zero: one glaring unit must not darken the rest.
 * @param {Values} values of a whole layer
 * @returns {Range}
 */
export function layerRange(values) {
  const magnitudes = Float64Array.from(values, Math.abs)
    .filter((size) => size > 0 && Number.isFinite(size))
    .sort()
  const reach = magnitudes.length ? magnitudes[Math.ceil(SHARE_IN_RANGE * (magnitudes.length - 1))] : 0
  return { low: extremes(values).low < 0 ? -reach : 0, high: reach }
}

/**
 * From the smallest to the largest value; symmetric where any is below zero.
 * @param {Values} values of one channel
 * @returns {Range}
 */
export function channelRange(values) {
  return symmetric(extremes(values))
}

/**
 * @param {Range} range
 * @returns {Range}
 */
export function symmetric({ low, high }) {
  if (low >= 0) return { low, high }
  const reach = Math.max(-low, high)
  return { low: -reach, high: reach }
}

/**
 * The smallest and largest finite value; 0 and 0 where there is none.
 * @param {Values} values
 * @returns {Range}
 */
export function extremes(values) {
  let low = Infinity
  let high = -Infinity
  for (const value of values) {
    if (!Number.isFinite(value)) continue
    if (value < low) low = value
    if (value > high) high = value
  }
  return low <= high ? { low, high } : { low: 0, high: 0 }
}

/**
 * The share of the values beyond the ends of the range, which are drawn as the ends.
 * @param {Values} values
 * @param {Range} range
 */
export function clippedShare(values, { low, high }) {
  let beyond = 0
  for (const value of values) if (value < low || value > high) beyond += 1
  return values.length ? beyond / values.length : 0
}

/** @param {Range} range */
export function diverges({ low }) {
  return low < 0
}

/**
 * @param {number} value
 * @param {Range} range
 * @returns {number[]} red, green, blue
 */
export function colourOf(value, range) {
  if (!Number.isFinite(value)) return NOT_A_NUMBER
  const span = range.high > range.low ? range.high - range.low : 1
  const part = Math.min(1, Math.max(0, (value - range.low) / span))
  return PALETTES[diverges(range) ? 'diverging' : 'sequential'][halfToEven(part * (LEVELS - 1))]
}

/**
 * Black or white, whichever can be read on that colour (relative luminance, WCAG 2).
 * @param {number[]} colour
 */
export function inkOn(colour) {
  const [red, green, blue] = colour.map((part) => ((part / 255 + 0.055) / 1.055) ** 2.4)
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue > 0.18 ? 'black' : 'white'
}

/**
 * As NumPy rounds: a half to the even neighbour.
 * @param {number} value
 */
function halfToEven(value) {
  const up = Math.round(value)
  return up - value === 0.5 && up % 2 ? up - 1 : up
}

/** @param {number[][]} anchors */
function palette(anchors) {
  return Array.from({ length: LEVELS }, (_, level) => {
    const place = (level / (LEVELS - 1)) * (anchors.length - 1)
    const left = Math.min(Math.floor(place), anchors.length - 2)
    return anchors[left].map((from, part) => halfToEven(from + (place - left) * (anchors[left + 1][part] - from)))
  })
}

const PALETTES = { sequential: palette(SEQUENTIAL), diverging: palette(DIVERGING) }
