/**
 * What the page shows, as the URL's hash says it: parsed, written, and told to who listens. Knows no element.
 *
 * Only what differs from the defaults is written, so that `#model=mnist` is a whole URL.
 */

/**
 * @typedef {typeof METHODS[number]} Method
 * @typedef {'strip'|'layer'|'channel'|'compare'|'shift'|'activation'|'depth'} Panel
 * @typedef {{model: string, version: number|null, picture: string|null, panel: Panel, layer: string|null,
 *   channel: number|null, y: number|null, x: number|null, other: string|null, dx: number|null, dy: number|null,
 *   klass: number|null, method: Method, target: string|null, scale: 'layer'|'channel'|'shared', language: 'en'|'ko'}} State
 *   `target` is the layer whose evidence is shown, null the best one; `picture` is `sample:NAME`, `drawing`, `own`, or null where there is none yet; `version` null is the default one.
 */

export const PANELS = /** @type {const} */ (['strip', 'layer', 'channel', 'compare', 'shift', 'activation', 'depth'])
export const METHODS = /** @type {const} */ (['auto', 'cam', 'grad-cam', 'ablation', 'eigen', 'occlusion'])
const SCALES = /** @type {const} */ (['layer', 'channel', 'shared'])
const LANGUAGES = /** @type {const} */ (['en', 'ko'])

/**
 * The state that a hash names. What it leaves out, or says wrongly, is the default: an old link still opens.
 * @param {string} hash with or without its `#`
 * @returns {State}
 */
export function parse(hash) {
  const words = new URLSearchParams(hash.replace(/^#/, ''))
  return {
    model: words.get('model') ?? '',
    version: natural(words.get('version')),
    picture: words.get('picture'),
    panel: oneOf(PANELS, words.get('panel')) ?? 'strip',
    layer: words.get('layer'),
    channel: natural(words.get('channel')),
    y: natural(words.get('y')),
    x: natural(words.get('x')),
    other: words.get('other'),
    dx: integer(words.get('dx')),
    dy: integer(words.get('dy')),
    klass: natural(words.get('klass')),
    method: oneOf(METHODS, words.get('method')) ?? 'auto',
    target: words.get('target'),
    scale: oneOf(SCALES, words.get('scale')) ?? 'layer',
    language: oneOf(LANGUAGES, words.get('language')) ?? preferredLanguage(),
  }
}

/**
 * The hash of a state, with its `#`.
 * @param {State} state
 */
export function format(state) {
  const defaults = /** @type {Record<string, unknown>} */ (parse(''))
  const words = Object.entries(state).filter(([key, value]) => value !== null && value !== defaults[key])
  return `#${new URLSearchParams(words.map(([key, value]) => [key, String(value)])).toString().replaceAll('%3A', ':')}`
}

/** @type {Set<(state: State, before: State) => void>} */
const listeners = new Set()
let state = parse(globalThis.location?.hash ?? '')

/** @returns {Readonly<State>} */
export function current() {
  return state
}

/**
 * Changes the state, and with it the URL: a step that the browser's back button takes back, unless it replaces.
 * @param {Partial<State>} change
 */
export function go(change, { replace = false } = {}) {
  const hash = format({ ...state, ...change })
  if (hash === format(state)) return
  history[replace ? 'replaceState' : 'pushState'](null, '', hash)
  follow()
}

/**
 * Writes a change into the URL and tells nobody: for who shows it already, such as a slider while it is moved.
 * @param {Partial<State>} change
 */
export function note(change) {
  state = { ...state, ...change }
  history.replaceState(null, '', format(state))
}

/**
 * Has `listener` told of every later change. The answer ends that.
 * @param {(state: State, before: State) => void} listener
 */
export function onChange(listener) {
  listeners.add(listener)
  return () => listeners.delete(listener)
}

/** The URL has changed: by us, by a link, or by the back button. */
function follow() {
  const before = state
  state = parse(location.hash)
  if (format(before) !== format(state)) for (const listener of listeners) listener(state, before)
}

globalThis.addEventListener?.('hashchange', follow)
globalThis.addEventListener?.('popstate', follow)

/** @returns {'en'|'ko'} */
function preferredLanguage() {
  return globalThis.navigator?.language?.startsWith('ko') ? 'ko' : 'en'
}

/** @param {string|null} word */
function natural(word) {
  return word !== null && /^\d{1,9}$/.test(word) ? Number(word) : null
}

/** @param {string|null} word */
function integer(word) {
  return word !== null && /^-?\d{1,9}$/.test(word) ? Number(word) : null
}

/**
 * @template {string} Word
 * @param {readonly Word[]} words
 * @param {string|null} word
 */
function oneOf(words, word) {
  return words.find((known) => known === word) ?? null
}
