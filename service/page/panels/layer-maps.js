/** All maps of a layer on one scale or each on its own, with the numbers behind them. */

import { forms, json, mapsOf } from '../asking.js'
import { clippedShare } from '../colours.js'
import { el } from '../elements.js'
import { TILES_PER_PAGE, grid } from '../grid.js'
import { histogram } from '../histogram.js'
import { job } from '../job.js'
import { legend } from '../legend.js'
import { ranges } from '../maps.js'
import { counted, figure, number, percent } from '../numbers.js'
import { go } from '../state.js'
import { scaleChoice, sharedRange } from './scales.js'

/**
 * @typedef {import('../context.js').Context} Context
 * @typedef {import('../answers.js').LayerRow} LayerRow
 * @typedef {import('../answers.js').LayerStatistics} LayerStatistics
 * @typedef {import('../answers.js').ChannelStatistics} ChannelStatistics
 * @typedef {import('../maps.js').Maps} Maps
 * @typedef {import('../state.js').State['scale']} Scale
 */

const ROOM = 680 // pixels: the numbers stand beside the maps where the page is wide

/**
 * @param {HTMLElement} root
 * @param {Context} context
 * @param {LayerRow} row
 */
export function layerMaps(root, context, row) {
  return job(root, context, async (signal) => {
    const [maps, seen] = await Promise.all([
      mapsOf(context, row.id, signal),
      json(context, 'feature-maps', { layers: row.id, channels: true }, signal),
    ])
    const { statistics, channels } = seen.results[0].layers[0]
    const picture = el('div', { class: 'grid' })
    const width = Math.min(root.clientWidth, ROOM)
    const draw = (/** @type {Scale} */ scale) =>
      job(picture, context, (/** @type {AbortSignal} */ drawing) =>
        drawn(context, row, maps, { statistics, channels }, scale, width, drawing),
      )
    const scales = scaleChoice(context, draw)
    await draw(context.state.scale)
    return [scales, el('div', { class: 'maps-and-numbers' }, picture, statisticsTable(context, statistics, maps.count))]
  })
}

/**
 * @param {Context} context
 * @param {LayerRow} row
 * @param {Maps} maps
 * @param {{statistics: LayerStatistics, channels: ChannelStatistics[]}} told of the layer, and of its channels where it has any
 * @param {Scale} scale
 * @param {number} width
 * @param {AbortSignal} signal
 */
async function drawn(context, row, maps, { statistics, channels }, scale, width, signal) {
  const { t } = context
  const shared = scale === 'shared' ? await sharedRange(context, signal) : null
  const rangeOf = ranges(maps, scale, shared)
  const query = shared ? { layers: row.id, low: rangeOf(0).low, high: rangeOf(0).high } : { layers: row.id, scale }
  const taken = el('div')
  const turned = (/** @type {number[]} */ on) => {
    const page = maps.count > TILES_PER_PAGE ? { channel: on.join(',') } : {}
    taken.replaceChildren(
      forms(context, 'feature-maps', { png: { ...query, ...page }, npy: { layers: row.id } }, row.id),
    )
  }
  const name = (/** @type {number} */ channel) => tileName(context, channels[channel] ?? { ...statistics, channel })
  const choose = (/** @type {number} */ channel) => go({ panel: 'channel', layer: row.id, channel, y: null, x: null })
  return [grid({ maps, rangeOf, name, choose, width, turned }, t), scaleLegend(context, maps, scale, rangeOf(0)), taken]
}

/**
 * @param {Context} context
 * @param {Maps} maps
 * @param {Scale} scale
 * @param {import('../colours.js').Range} range
 */
function scaleLegend({ t }, maps, scale, range) {
  if (scale === 'channel') {
    const ends =
      range.low < 0
        ? ['panel.scale.minus', '0', 'panel.scale.largest']
        : ['panel.scale.smallest', 'panel.scale.largest']
    return legend(
      range,
      t('panel.scale.channel.words'),
      ends.map((end) => t(end)),
    )
  }
  const clipped = clippedShare(maps.values, range)
  const beyond = clipped ? t('panel.scale.clipped', { share: percent(clipped) }) : t('panel.scale.unclipped')
  return legend(range, `${t(`panel.scale.${scale}.words`)} ${beyond}`)
}

/**
 * @param {Context} context
 * @param {ChannelStatistics} channel
 */
function tileName({ t }, { channel, min, mean, max, zeros }) {
  return t(zeros === 1 ? 'panel.tile.dead' : 'panel.tile', {
    channel,
    min: figure(min, 3),
    mean: figure(mean, 3),
    max: figure(max, 3),
    zeros: percent(zeros),
  })
}

/**
 * @param {Context} context
 * @param {LayerStatistics} statistics
 * @param {number} count
 */
function statisticsTable({ t }, { min, mean, max, std, zeros, dead_channels: dead, histogram: counts }, count) {
  return el(
    'div',
    { class: 'statistics' },
    el(
      'dl',
      {},
      ...item(t('panel.statistics.min'), number(min)),
      ...item(t('panel.statistics.mean'), number(mean)),
      ...item(t('panel.statistics.max'), number(max)),
      ...item(t('panel.statistics.std'), number(std)),
      ...item(t('panel.statistics.zeros'), el('data', { value: zeros ?? '' }, percent(zeros))),
      ...(dead ? deadChannels(t, dead, count) : []),
    ),
    counts && histogram(counts, t('panel.statistics.histogram')),
  )
}

/**
 * @param {Context['t']} t
 * @param {number[]} dead
 * @param {number} count
 */
function deadChannels(t, dead, count) {
  const few = dead.slice(0, 12).join(', ') + (dead.length > 12 ? ', …' : '')
  const told = t('panel.statistics.of', { dead: dead.length, count: counted(count) })
  return item(t('panel.statistics.dead'), el('data', { value: dead.length }, told), dead.length ? ` (${few})` : '')
}

/**
 * @param {string} name
 * @param {...(Node|string)} value
 */
function item(name, ...value) {
  return [el('dt', {}, name), el('dd', {}, ...value)]
}
