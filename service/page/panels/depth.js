/** The same picture from the first layer to the last: what shrinks on the way, and what grows. */

import { forms, npz } from '../asking.js'
import { extremes } from '../colours.js'
import { el } from '../elements.js'
import { heatmap, magnificationFor } from '../heatmap.js'
import { job } from '../job.js'
import { channelOf, isDead, ranges, toMaps } from '../maps.js'
import { counted, sizes } from '../numbers.js'
import { go } from '../state.js'
import { scaleChoice, sharedRange } from './scales.js'
import { hint, networkLayers } from './sections.js'

/**
 * @typedef {import('../context.js').Context} Context
 * @typedef {import('../answers.js').LayerRow} LayerRow
 * @typedef {import('../maps.js').Maps} Maps
 * @typedef {import('../state.js').State['scale']} Scale
 * @typedef {{row: LayerRow, maps: Maps}} Depth
 */

const COLUMNS = 8
const MAPS_EACH = 5
const TILE = 72
const KINDS = ['conv', 'transposed_conv', 'max_pool', 'average_pool', 'global_average_pool', 'dense']
const MAX_VALUES = 8_000_000 // 32 MB of numbers are enough for one look

/** @type {import('../context.js').PanelModule['show']} */
export async function show(root, context) {
  const { t, picture, state } = context
  const title = el('h2', {}, t('panel.depth'))
  if (!picture) return root.replaceChildren(title, hint(t('panel.picture.choose')))
  const body = el('div', { class: 'depth' })
  const rows = chosenLayers(context)
  const draw = (/** @type {Scale} */ scale) =>
    void job(body, context, (signal) => columns(context, rows, scale, signal))
  const lead = el('p', { class: 'lead' }, t('panel.depth.lead'))
  root.replaceChildren(title, lead, scaleChoice(context, draw), body)
  draw(state.scale)
}

/**
 * Convolutions, poolings and the dense layers behind them: of a deep network some of them, evenly, the first and the
 * last among them.
 * @param {Context} context
 */
function chosenLayers(context) {
  const all = networkLayers(context).filter(({ kind, output_shape: shape }) => KINDS.includes(kind) && shape)
  if (all.length <= COLUMNS) return affordable(all)
  const step = (all.length - 1) / (COLUMNS - 1)
  return affordable(Array.from({ length: COLUMNS }, (_, index) => all[Math.round(index * step)]))
}

/**
 * Without the largest, where all together are too many numbers.
 * @param {LayerRow[]} rows
 */
function affordable(rows) {
  let left = MAX_VALUES
  return rows.filter((row) => {
    left -= volume(row)
    return left >= 0
  })
}

/**
 * @param {Context} context
 * @param {LayerRow[]} rows
 * @param {Scale} scale
 * @param {AbortSignal} signal
 */
async function columns(context, rows, scale, signal) {
  const query = { layers: rows.map(({ id }) => id).join(',') }
  const [arrays, shared] = await Promise.all([
    npz(context, 'feature-maps', query, signal),
    scale === 'shared' ? sharedRange(context, signal) : null,
  ])
  const depths = rows.flatMap((row) => {
    const array = arrays.get(row.id)
    return array ? [{ row, maps: toMaps(array) }] : []
  })
  const most = mostOf(depths)
  return [
    el(
      'ol',
      { class: 'columns' },
      ...depths.map((depth) => column(context, depth, ranges(depth.maps, scale, shared), most)),
    ),
    el('p', { class: 'hint' }, context.t('panel.depth.strongest', { count: MAPS_EACH })),
    forms(context, 'feature-maps', { png: { ...query, sort: 'max', scale }, npz: query }, 'depth'),
  ]
}

/** @param {Depth[]} depths */
function mostOf(depths) {
  const most = (/** @type {(depth: Depth) => number} */ of) => Math.max(...depths.map(of), 1)
  return {
    area: most(({ maps }) => maps.height * maps.width),
    channels: most(({ maps }) => maps.count),
    values: most(({ row }) => volume(row)),
    sight: most(({ row }) => row.receptive_field?.size?.[0] ?? 0),
  }
}

/**
 * @param {Context} context
 * @param {Depth} depth
 * @param {(channel: number) => import('../colours.js').Range} rangeOf
 * @param {ReturnType<typeof mostOf>} most
 */
function column({ t }, { row, maps }, rangeOf, most) {
  const sight = row.receptive_field?.size?.[0]
  const whole = row.receptive_field?.status === 'whole_image'
  return el(
    'li',
    {},
    el('button', { type: 'button', class: 'quiet name', onclick: () => go({ panel: 'layer', layer: row.id }) }, row.id),
    el('span', { class: 'shape' }, sizes(row.output_shape)),
    el('div', { class: 'strongest' }, ...tiles(t, row, maps, rangeOf)),
    el(
      'dl',
      { class: 'gauges' },
      ...gauge(t('panel.depth.area'), `${maps.height} × ${maps.width}`, (maps.height * maps.width) / most.area),
      ...gauge(t('panel.depth.channels'), counted(maps.count), maps.count / most.channels),
      ...gauge(t('panel.depth.values'), counted(volume(row)), volume(row) / most.values),
      ...gauge(
        t('panel.depth.sight'),
        whole ? t('panel.depth.whole') : String(sight ?? '–'),
        whole ? 1 : (sight ?? 0) / most.sight,
      ),
    ),
  )
}

/**
 * @param {import('../context.js').Translate} t
 * @param {LayerRow} row
 * @param {Maps} maps
 * @param {(channel: number) => import('../colours.js').Range} rangeOf
 */
function tiles(t, row, maps, rangeOf) {
  if (maps.height * maps.width === 1) return [units(t, row, maps, rangeOf)]
  const magnification = magnificationFor(maps.width, TILE)
  return strongest(maps).map((channel) => {
    const label = t('panel.depth.tile', { layer: row.id, channel })
    const picture = heatmap(channelOf(maps, channel), maps.height, maps.width, rangeOf(channel), magnification)
    const open = () => go({ panel: 'channel', layer: row.id, channel, y: null, x: null })
    return el(
      'button',
      {
        type: 'button',
        class: isDead(channelOf(maps, channel)) ? 'tile dead' : 'tile',
        title: label,
        'aria-label': label,
        onclick: open,
      },
      picture,
    )
  })
}

/**
 * All values of a layer without a grid, as one column.
 * @param {import('../context.js').Translate} t
 * @param {LayerRow} row
 * @param {Maps} maps
 * @param {(channel: number) => import('../colours.js').Range} rangeOf
 */
function units(t, row, maps, rangeOf) {
  const high = magnificationFor(maps.count, MAPS_EACH * TILE)
  const picture = heatmap(maps.values, maps.count, 1, rangeOf(0), 1)
  picture.style.setProperty('height', `${maps.count * high}px`)
  picture.style.setProperty('width', `${TILE / 2}px`)
  picture.setAttribute('role', 'img')
  picture.setAttribute('aria-label', t('panel.depth.units', { layer: row.id, count: maps.count }))
  return picture
}

/**
 * The channels with the largest values, in their own order.
 * @param {Maps} maps
 */
function strongest(maps) {
  const largest = Array.from({ length: maps.count }, (_, channel) => ({
    channel,
    value: extremes(channelOf(maps, channel)).high,
  }))
  const first = largest.sort((one, other) => other.value - one.value).slice(0, MAPS_EACH)
  return first.map(({ channel }) => channel).sort((one, other) => one - other)
}

/** @param {LayerRow} row */
function volume({ output_shape: shape }) {
  return (shape ?? []).slice(1).reduce((/** @type {number} */ product, size) => product * (size ?? 1), 1)
}

/**
 * @param {string} name
 * @param {string} text
 * @param {number} share 0..1
 */
function gauge(name, text, share) {
  const bar = el('span', { class: 'amount', style: { '--length': `${100 * share}%` } })
  return [el('dt', {}, name), el('dd', {}, text, el('span', { class: 'track', 'aria-hidden': 'true' }, bar))]
}
