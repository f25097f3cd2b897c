/** Boot: what the URL asks for is fetched and shown; every change of it is followed. */

import { say } from './announcing.js'
import * as client from './client.js'
import { showHeader } from './header.js'
import { inputRow } from './input.js'
import { t } from './language.js'
import { showPanel, showPanelLinks } from './panel.js'
import { isAbort, problemBox } from './problem.js'
import { current, go, onChange } from './state.js'
import { markChosen, showStrip } from './strip.js'

/**
 * @typedef {import('./answers.js').Model} Model
 * @typedef {import('./answers.js').LayerTable} LayerTable
 * @typedef {import('./state.js').State} State
 */

const FIRST_PICTURE = 'sample:seven'
const [header, input, strip, links, panel] = ['header', 'input', 'strip', 'panels', 'panel'].map(
  (id) => /** @type {HTMLElement} */ (document.getElementById(id)),
)
const modelSignal = renewed()
const pictureSignal = renewed()
const panelSignal = renewed()

/** @type {{model: Model, row: ReturnType<typeof inputRow>}|null} what the URL's model is */
let shown = null
/** @type {LayerTable|null} its layers, which come later than its first answer */
let table = null
/** @type {Blob|null} */
let picture = null
/** @type {string|null} */
let pictureUrl = null

/** Another model, version or language: everything is made anew. */
async function showModel() {
  const signal = modelSignal()
  pictureSignal()
  panelSignal()
  shown = table = null
  document.documentElement.lang = current().language
  need(links).setAttribute('aria-label', t('panels.label'))
  for (const part of [strip, links, panel]) need(part).replaceChildren()
  await shownOr(need(input), showModel, async () => {
    const names = await readyModels(signal)
    if (!names.length) throw new Error(t('models.none'))
    if (!current().model) return go({ model: firstOf(names), picture: current().picture ?? FIRST_PICTURE }, { replace: true })
    showHeader(need(header), names, null)
    const model = await client.json(`v1/models/${encodeURIComponent(current().model)}`, { signal })
    showHeader(need(header), names, model)
    requireReady(model, current().version)
    const row = inputRow(model, showPicture)
    need(input).replaceChildren(...row.element)
    shown = { model, row }
    await Promise.all([showPicture(), showTable(signal)])
  })
}

/**
 * The layers of the model, once it is known how they are.
 * @param {AbortSignal} signal
 */
async function showTable(signal) {
  await shownOr(need(strip), () => showTable(signal), async () => {
    table = await client.json(`${client.modelPath(current())}/layer-shapes`, { signal })
    await showLayers(pictureSignal.current())
  })
}

/**
 * Does what shows something in `root`; where it fails, says there why and offers to do it `again`.
 * @param {HTMLElement} root
 * @param {() => void} again
 * @param {() => Promise<void>} showing
 */
async function shownOr(root, again, showing) {
  try {
    await showing()
  } catch (error) {
    if (!isAbort(error)) root.replaceChildren(problemBox(error, again))
  }
}

/** @param {AbortSignal} signal */
async function readyModels(signal) {
  /** @type {{models: {name: string, state: string}[]}} */
  const { models } = await client.json('v1/models', { signal })
  return models.filter(({ state }) => state === 'ready').map(({ name }) => name)
}

/**
 * What is said instead of a version that cannot answer.
 * @param {Model} model
 * @param {number|null} asked
 */
function requireReady({ name, versions }, asked) {
  const found = versions.find(({ version, default: answers }) => (asked === null ? answers : version === asked))
  if (!found || found.state === 'ready') return
  const { version, state, reason } = found
  throw new Error(t(`models.${state}`, { name, version }) + (reason ? ` ${reason}` : ''))
}

/** Another picture for the same model. */
async function showPicture() {
  if (!shown) return
  const { row } = shown
  const signal = pictureSignal()
  const chosen = await row.picture(signal)
  if (signal.aborted) return
  picture = chosen
  if (pictureUrl) URL.revokeObjectURL(pictureUrl)
  pictureUrl = picture && URL.createObjectURL(picture)
  row.show(picture, signal)
  await showLayers(signal)
}

/**
 * What the layers saw of the picture.
 * @param {AbortSignal} signal
 */
async function showLayers(signal) {
  if (!shown || !table) return
  showStrip(need(strip), context(shown.model, table, signal))
  await showState()
}

/** Another panel, layer, channel or place for the same picture. */
async function showState() {
  if (!shown || !table) return
  const now = context(shown.model, table, panelSignal())
  markChosen(need(strip), now.state.layer)
  showPanelLinks(need(links), now)
  await showPanel(need(panel), now, { cancel: panelSignal, again: showState })
}

/**
 * @param {Model} model
 * @param {LayerTable} layers
 * @param {AbortSignal} signal
 */
function context(model, layers, signal) {
  return { state: current(), picture, pictureUrl, table: layers, model, t, signal, say }
}

/**
 * @param {State} now
 * @param {State} before
 */
function follow(now, before) {
  const differs = /** @param {(keyof State)[]} keys */ (...keys) => keys.some((key) => now[key] !== before[key])
  if (differs('model', 'version', 'language')) showModel()
  else if (differs('picture')) showPicture()
  else showState()
}

/** The next signal; asking for it aborts the one before. `current` is the one that was asked for last. */
function renewed() {
  let controller = new AbortController()
  const next = () => {
    controller.abort()
    controller = new AbortController()
    return controller.signal
  }
  return Object.assign(next, { current: () => controller.signal })
}

/** @param {string[]} names */
function firstOf(names) {
  return names.includes('mnist') ? 'mnist' : (names[0] ?? '')
}

/**
 * @template Thing
 * @param {Thing|undefined} thing
 */
function need(thing) {
  if (thing === undefined) throw new Error('index.html lacks an element')
  return thing
}

onChange(follow)
showModel()
