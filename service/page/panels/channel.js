/** One channel, and one value of it: what it saw, how it comes about, and that the runtime computed the same. */

import { forms, mapsOf, npy, received } from '../asking.js'
import { el } from '../elements.js'
import { job } from '../job.js'
import { fromPixels } from '../maps.js'
import { figure } from '../numbers.js'
import { go, note } from '../state.js'
import { channelControls } from './channel-controls.js'
import { derivation } from './channel-unit.js'
import { views } from './channel-views.js'
import { hint, layerHint, layerTitle, namedLayer, section } from './sections.js'

/**
 * @typedef {import('../context.js').Context} Context
 * @typedef {import('../answers.js').LayerRow} LayerRow
 * @typedef {import('../maps.js').Maps} Maps
 * @typedef {{maps: Maps, input: Maps|null, picture: ImageBitmap}} Seen `input`: what the layer reads, where it is maps
 * @typedef {{channel: number, y: number, x: number}} Place
 */

/** @type {import('../context.js').PanelModule['show']} */
export async function show(root, context) {
  const { t, picture } = context
  const row = namedLayer(context)
  if (!row) return root.replaceChildren(layerHint(context))
  const body = el('div', { class: 'channel' })
  const back = el(
    'button',
    { type: 'button', class: 'quiet', onclick: () => go({ panel: 'layer' }) },
    t('panel.channel.all'),
  )
  root.replaceChildren(
    el('div', { class: 'title' }, layerTitle(row), back),
    picture ? body : hint(t('panel.picture.choose')),
  )
  if (!picture) return
  void job(body, context, async (signal) => {
    const [maps, input, pixels] = await Promise.all([
      mapsOf(context, row.id, signal),
      inputMaps(context, row, signal),
      received(context, signal),
    ])
    return explorer(context, row, { maps, input, picture: pixels }, Math.min(body.clientWidth, 336))
  })
}

/**
 * @param {Context} context
 * @param {LayerRow} row
 * @param {AbortSignal} signal
 * @returns {Promise<Maps|null>}
 */
async function inputMaps(context, row, signal) {
  if (row.input_shape?.length !== 4) return null
  const [before] = row.inputs
  if (context.table.layers.some(({ id }) => id === before)) return mapsOf(context, before, signal)
  return fromPixels(await npy(context, 'received', {}, signal))
}

/**
 * @param {Context} context
 * @param {LayerRow} row
 * @param {Seen} seen
 * @param {number} width of each picture
 */
function explorer(context, row, seen, width) {
  const { t, say } = context
  const place = startingPlace(context, seen.maps)
  const shown = views(context, row, seen, width)
  const { element, derive } = derivation(context, row.id, shown.see)
  const takings = el('div')
  const move = (/** @type {Partial<Place>} */ change, /** @type {{spoken?: boolean}} */ { spoken = false } = {}) => {
    Object.assign(place, change)
    note(place)
    if (change.channel !== undefined) takings.replaceChildren(channelForms(context, row, place.channel))
    shown.point(place)
    controls.follow(place)
    if (spoken) say(t('panel.channel.value', { y: place.y, x: place.x, value: figure(valueAt(seen.maps, place)) }))
    return derive(questionOf(seen.maps, place))
  }
  const controls = channelControls(context, seen.maps, place, move)
  shown.listen(move)
  void move({ channel: place.channel })
  return [controls.bar, shown.figures, takings, section(t('panel.unit'), element)]
}

/**
 * The place that the state names, as far as the layer has it; else the middle of the map.
 * @param {Context} context
 * @param {Maps} maps
 * @returns {Place}
 */
function startingPlace({ state }, { count, height, width }) {
  const within = (/** @type {number|null} */ asked, /** @type {number} */ size, /** @type {number} */ otherwise) =>
    asked !== null && asked < size ? asked : otherwise
  return {
    channel: within(state.channel, count, 0),
    y: within(state.y, height, Math.floor(height / 2)),
    x: within(state.x, width, Math.floor(width / 2)),
  }
}

/**
 * @param {Maps} maps
 * @param {Place} place
 */
function questionOf({ height, width }, { channel, y, x }) {
  return height * width > 1 ? { channel, y, x } : { channel }
}

/**
 * @param {Maps} maps
 * @param {Place} place
 */
function valueAt({ height, width, values }, { channel, y, x }) {
  return values[(channel * height + y) * width + x]
}

/**
 * @param {Context} context
 * @param {LayerRow} row
 * @param {number} channel
 */
function channelForms(context, row, channel) {
  const query = { layers: row.id, channel }
  return forms(context, 'feature-maps', { png: query, npy: query }, `${row.id}-${channel}`)
}
