/** By how much a picture can be moved: further than it is large, nothing of it would be left. */

const FURTHEST = 16 // more costs passes and tells nothing new
const FIRST = 2

/**
 * @typedef {{dx: number, dy: number}} Step
 * @typedef {{dx: number, dy: number}} Reach the furthest step each way
 */

/**
 * @param {Pick<import('../context.js').Context, 'model'|'table'>} context
 * @returns {Reach}
 */
export function reachOf({ model, table }) {
  const shown = model.versions.find(({ version }) => version === table.version)
  const { width = Infinity, height = Infinity } = shown?.preprocessing ?? {}
  return { dx: Math.min(FURTHEST, width - 1), dy: Math.min(FURTHEST, height - 1) }
}

/**
 * The step that the state names, as far as it reaches; a short one to the right where it names none.
 * @param {Pick<import('../state.js').State, 'dx'|'dy'>} state
 * @param {Reach} reach
 * @returns {Step}
 */
export function startingStep({ dx, dy }, reach) {
  const unnamed = dx === null && dy === null
  return { dx: bounded(unnamed ? FIRST : (dx ?? 0), reach.dx), dy: bounded(dy ?? 0, reach.dy) }
}

/**
 * @param {number} pixels
 * @param {number} reach
 */
function bounded(pixels, reach) {
  return Math.max(-reach, Math.min(reach, pixels))
}
