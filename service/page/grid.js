/**
 * Many maps side by side, near-square, a pixel between them. None is left out: what does not fit is on a next page.
 * The keyboard moves as the eye does, with the arrows; Enter chooses.
 */

import { el } from './elements.js'
import { keepingFocus } from './focus.js'
import { heatmap, magnificationFor } from './heatmap.js'
import { channelOf, isDead } from './maps.js'

/**
 * @typedef {import('./context.js').Translate} Translate
 * @typedef {import('./maps.js').Maps} Maps
 * @typedef {import('./colours.js').Range} Range
 * @typedef {{columns: number, magnification: number}} Layout
 * @typedef {{maps: Maps, rangeOf: (channel: number) => Range, name: (channel: number) => string,
 *   choose: (channel: number) => void, width: number, turned?: (channels: number[]) => void}} Shown
 *   `name` tells what a tile is, `width` is the room in pixels, `turned` is told what a page shows
 */

export const TILES_PER_PAGE = 128
const GUTTER = 1
const LARGEST_TILE = 96
const SMALLEST_TILE = 12 // a value of a dense layer must still be hit by a finger

/**
 * @param {Shown} shown
 * @param {Translate} t
 */
export function grid(shown, t) {
  const pages = Math.ceil(shown.maps.count / TILES_PER_PAGE)
  const around = el('div', { class: 'grid-pages' })
  const turn = (/** @type {number} */ page) => {
    const channels = channelsOn(page, shown.maps.count)
    const turning = pages > 1 ? [turner(page, pages, turn, t)] : []
    keepingFocus(around, () => around.replaceChildren(tiles(shown, channels), ...turning))
    shown.turned?.(channels)
  }
  turn(0)
  return around
}

/**
 * @param {number} page from 0
 * @param {number} count
 */
function channelsOn(page, count) {
  const first = page * TILES_PER_PAGE
  return Array.from({ length: Math.min(TILES_PER_PAGE, count - first) }, (_, index) => first + index)
}

/**
 * @param {Maps} maps
 * @param {number} tiles
 * @param {number} width
 * @returns {Layout}
 */
export function layout({ height, width: cells }, tiles, width) {
  const square = Math.ceil(Math.sqrt((tiles * (height + GUTTER)) / (cells + GUTTER)))
  const columns = Math.max(1, Math.min(tiles, square, Math.floor(width / (SMALLEST_TILE + GUTTER))))
  const room = Math.max(SMALLEST_TILE, Math.min(LARGEST_TILE, Math.floor(width / columns) - GUTTER))
  return { columns, magnification: magnificationFor(cells, room) }
}

/**
 * @param {Shown} shown
 * @param {number[]} channels
 */
function tiles(shown, channels) {
  const { columns, magnification } = layout(shown.maps, channels.length, shown.width)
  const buttons = channels.map((channel, index) => tile(shown, channel, magnification, index === 0))
  return el(
    'div',
    {
      class: 'tiles',
      role: 'group',
      style: { 'grid-template-columns': `repeat(${columns}, max-content)` },
      onkeydown: (/** @type {KeyboardEvent} */ event) => move(event, buttons, columns),
    },
    ...buttons,
  )
}

/**
 * @param {Shown} shown
 * @param {number} channel
 * @param {number} magnification
 * @param {boolean} first which the tab key reaches; the others the arrows
 */
function tile({ maps, rangeOf, name, choose }, channel, magnification, first) {
  const values = channelOf(maps, channel)
  return el(
    'button',
    {
      type: 'button',
      class: isDead(values) ? 'tile dead' : 'tile',
      tabindex: first ? 0 : -1,
      title: name(channel),
      'aria-label': name(channel),
      'data-channel': channel,
      onclick: () => choose(channel),
    },
    heatmap(values, maps.height, maps.width, rangeOf(channel), magnification),
  )
}

/**
 * @param {KeyboardEvent} event
 * @param {HTMLButtonElement[]} buttons
 * @param {number} columns
 */
function move(event, buttons, columns) {
  const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns }
  const from = buttons.findIndex((button) => button === event.target)
  const step = steps[/** @type {keyof typeof steps} */ (event.key)]
  const to = event.key === 'Home' ? 0 : event.key === 'End' ? buttons.length - 1 : step && from + step
  const next = to === undefined ? undefined : buttons[to]
  if (from < 0 || !next) return
  event.preventDefault()
  for (const button of buttons) button.tabIndex = button === next ? 0 : -1
  next.focus()
}

/**
 * @param {number} page
 * @param {number} pages
 * @param {(page: number) => void} turn
 * @param {Translate} t
 */
function turner(page, pages, turn, t) {
  const button = (/** @type {number} */ to, /** @type {string} */ label) =>
    el('button', { type: 'button', 'data-key': label, disabled: to < 0 || to >= pages, onclick: () => turn(to) }, label)
  return el(
    'div',
    { class: 'pages', role: 'group', 'aria-label': t('panel.pages') },
    button(page - 1, t('panel.page.before')),
    el('span', { role: 'status' }, t('panel.page', { page: page + 1, pages })),
    button(page + 1, t('panel.page.after')),
  )
}
