/** A layer's filters; where an untrained version is served, before and after training under one slider. */

import { forms, json, npz } from '../asking.js'
import { slider, wholeNumber } from '../choices.js'
import { layerRange } from '../colours.js'
import { el } from '../elements.js'
import { job } from '../job.js'
import { legend } from '../legend.js'
import { figure, percent } from '../numbers.js'
import { sheet } from '../sheet.js'
import { hint } from './sections.js'

/**
 * @typedef {import('../context.js').Context} Context
 * @typedef {import('../answers.js').LayerRow} LayerRow
 * @typedef {import('../npy.js').NDArray} NDArray
 * @typedef {import('../maps.js').Maps} Maps
 * @typedef {{after: NDArray, before: NDArray|null, untrained: number|null}} Weights
 */

const ROOM = 560 // pixels

/**
 * @param {HTMLElement} root
 * @param {Context} context
 * @param {LayerRow} row
 */
export function filters(root, context, row) {
  return job(root, context, async (signal) => {
    const untrained = untrainedVersion(context)
    const path = `layers/${encodeURIComponent(row.id)}/filters`
    const query = { with_version: untrained }
    const [arrays, told] = await Promise.all([
      npz(context, path, query, signal, []),
      json(context, path, query, signal, []),
    ])
    const after = /** @type {NDArray} */ (arrays.get('weight'))
    const weights = { after, before: arrays.get(`version_${untrained}.weight`) ?? null, untrained }
    const pictures = el('div', { class: 'filters' })
    const width = Math.min(root.clientWidth, ROOM)
    const draw = (/** @type {number} */ input) =>
      pictures.replaceChildren(...drawn(context, row, weights, input, width))
    draw(0)
    return [
      inputChoice(context, inputsOf(after, row, context), draw),
      pictures,
      changes(context, told, untrained),
      forms(context, path, { png: query, npy: {} }, `${row.id}-filters`, []),
    ]
  })
}

/**
 * The version to set this one against: one that was never trained, unless it is shown itself.
 * @param {Context} context
 */
function untrainedVersion({ model, table }) {
  const found = model.versions.find(({ state, provenance }) => state === 'ready' && provenance?.stage === 'untrained')
  return found && found.version !== table.version ? found.version : null
}

/**
 * @param {Context} context
 * @param {number} inputs
 * @param {(input: number) => void} draw
 */
function inputChoice({ t }, inputs, draw) {
  if (inputs < 2) return el('div')
  const { field } = wholeNumber(
    t('panel.filters.input', { last: inputs - 1 }),
    { min: 0, max: inputs - 1, value: 0 },
    draw,
  )
  return field
}

/**
 * @param {Context} context
 * @param {LayerRow} row
 * @param {Weights} weights
 * @param {number} input
 * @param {number} width
 */
function drawn(context, row, { after, before, untrained }, input, width) {
  const { t, table } = context
  const both = before ? Float32Array.of(...extremesOf(after), ...extremesOf(before)) : after.data
  const range = layerRange(both)
  const picture = (/** @type {NDArray} */ array, /** @type {number} */ version) =>
    sheet(filterMaps(array, row, context, input), () => range, width, t('panel.filters.version', { version }))
  const trained = picture(after, table.version)
  const words = t(before ? 'panel.filters.words.both' : 'panel.filters.words')
  if (!before || untrained === null) return [trained, legend(range, words)]
  return [...wiped(context, picture(before, untrained), trained, untrained), legend(range, words)]
}

/** @param {NDArray} array */
function extremesOf({ data }) {
  const { low, high } = layerRange(data)
  return [low, high]
}

/**
 * Two pictures in one place: left of the slider the one, right of it the other.
 * @param {Context} context
 * @param {HTMLCanvasElement} before
 * @param {HTMLCanvasElement} after
 * @param {number} untrained
 */
function wiped({ t, table }, before, after, untrained) {
  const line = el('div', { class: 'divider', 'aria-hidden': 'true' })
  const place = (/** @type {number} */ share) => {
    before.style.setProperty('clip-path', `inset(0 ${100 - share}% 0 0)`)
    line.style.setProperty('left', `${share}%`)
  }
  before.classList.add('above')
  place(50)
  const told = (/** @type {number} */ share) => t('panel.filters.share', { share })
  const label = t('panel.filters.wipe', { before: untrained, after: table.version })
  return [
    el('div', { class: 'wiped' }, after, before, line),
    slider(label, { min: 0, max: 100, value: 50 }, told, place),
  ]
}

/**
 * How far training has moved the weights.
 * @param {Context} context
 * @param {{statistics: {std: number}, with_version?: {statistics: {std: number}},
 *   change?: {relative_change: number|null, cosine: number|null}, note?: string|null}} told
 * @param {number|null} untrained
 */
function changes({ t }, told, untrained) {
  const lines = told.note ? [hint(told.note)] : []
  if (!told.change || !told.with_version) return el('div', {}, ...lines)
  const values = {
    version: untrained ?? 0,
    change: percent(told.change.relative_change),
    cosine: figure(told.change.cosine, 3),
    before: figure(told.with_version.statistics.std, 3),
    after: figure(told.statistics.std, 3),
  }
  return el('div', {}, ...lines, el('p', {}, t('panel.filters.change', values)))
}

/**
 * How many pictures each filter has.
 * @param {NDArray} weight
 * @param {LayerRow} row
 * @param {Context} context
 */
function inputsOf({ shape }, row, context) {
  return shape.length > 2 ? shape[1] : (flattened(row, shape[1], context)?.[0] ?? 1)
}

/**
 * Of every filter what it does with one input channel; a dense layer's weights as the maps that were flattened.
 * @param {NDArray} weight [filters, inputs, height, width] or [filters, inputs]
 * @param {LayerRow} row
 * @param {Context} context
 * @param {number} input
 * @returns {Maps}
 */
function filterMaps({ shape, data }, row, context, input) {
  const [count] = shape
  const maps = shape.length > 2 ? [shape[1], shape[2], shape[3] ?? 1] : flattened(row, shape[1], context)
  if (!maps) return { count: 1, height: count, width: shape[1], values: data } // one row a filter
  const [inputs, height, width] = maps
  const size = height * width
  const values = new Float32Array(count * size)
  for (let filter = 0; filter < count; filter += 1) {
    const from = (filter * inputs + input) * size
    values.set(data.subarray(from, from + size), filter * size)
  }
  return { count, height, width, values }
}

/**
 * [channels, height, width] of the maps that a dense layer's inputs were, if they were any.
 * @param {LayerRow} row
 * @param {number} inputs
 * @param {Context} context
 */
function flattened(row, inputs, { table }) {
  const before = table.layers.find(({ id }) => id === row.inputs[0])
  const source = before?.kind === 'flatten' ? table.layers.find(({ id }) => id === before.inputs[0]) : undefined
  const [channels, height, width] = before?.input_shape?.slice(1) ?? []
  // A layout layer in between has moved the channels last.
  if (source?.stage === 'layout' || !channels || !height || !width) return null
  return channels * height * width === inputs ? [channels, height, width] : null
}
