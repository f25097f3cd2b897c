/** The layer strip: a card for each layer from left to right, what it does to sizes under it, what it saw on it. */

import { block } from './block.js'
import { el, svg } from './elements.js'
import { focusOn, keepingFocus } from './focus.js'
import { following } from './following.js'
import { cards, edges, family, foldable } from './graph.js'
import { t } from './language.js'
import { format } from './state.js'
import { thumbnails } from './thumbnails.js'

/**
 * @typedef {import('./context.js').Context} Context
 * @typedef {import('./graph.js').Card} Card
 */

// As style.css has them.
const CARD = 148
const GAP = 22
const LANE = 14
// What the table calls the layers around the network itself.
const STAGES = ['preprocessing', 'layout', 'quantization']

/** @type {Set<string>} which blocks were opened; of the model that is shown */
const opened = new Set()

/**
 * @param {HTMLElement} root
 * @param {Context} context
 * @param {Map<string, HTMLCanvasElement>} [seen] thumbnails of the same picture that are there already
 */
export function showStrip(root, context, seen = new Map()) {
  const shown = cards(context.table.layers, opened)
  const { neighbours, arcs, lanes } = edges(shown)
  const elements = shown.map((card, index) => cardElement(card, neighbours.has(index), context, seen, () => opening(card)))
  const list = el('ol', { class: 'cards' }, ...elements.map(({ element }) => element))
  const scroll = el('div', { class: 'strip-scroll' }, arcs.length > 0 && arcsPicture(arcs, lanes, shown.length), list)
  followArrows(list)
  const before = root.querySelector('.strip-scroll')?.scrollLeft ?? 0
  keepingFocus(root, () => root.replaceChildren(heading(context, () => again()), scroll))
  scroll.scrollLeft = before
  markChosen(root, context.state.layer)
  thumbnails(context, elements)

  /** @param {Card} card */
  function opening(card) {
    opened.add(card.name)
    again()
    focusOn(root, card.rows[0]?.id ?? '')
  }

  function again() {
    const filled = elements.filter(({ thumbnail }) => thumbnail.classList.contains('filled'))
    showStrip(root, context, new Map(filled.map(({ row, thumbnail }) => [row.id, thumbnail])))
  }
}

/**
 * Shows which layer the panel below is about.
 * @param {HTMLElement} root
 * @param {string|null} layer
 */
export function markChosen(root, layer) {
  for (const link of root.querySelectorAll('a.card')) {
    if (link instanceof HTMLElement && link.dataset['layer'] === layer) link.setAttribute('aria-current', 'true')
    else link.removeAttribute('aria-current')
  }
}

/**
 * @param {Context} context
 * @param {() => void} again
 */
function heading({ table }, again) {
  const names = foldable(table.layers)
  const all = names.every((name) => opened.has(name))
  const { parameters, macs } = table.totals
  const totals = t('strip.totals', { parameters: parameters.toLocaleString('en'), macs: macs.toLocaleString('en') })
  const fold = () => {
    if (all) opened.clear()
    else for (const name of names) opened.add(name)
    again()
  }
  return el('div', { class: 'heading' }, el('h2', {}, t('strip.title')), el('p', { class: 'hint' }, totals),
    names.length > 0 && el('button', { type: 'button', class: 'quiet', id: 'fold', onclick: fold }, t(all ? 'strip.fold' : 'strip.unfold')))
}

/**
 * @param {Card} card
 * @param {boolean} joined whether it reads the card before it
 * @param {Context} context
 * @param {Map<string, HTMLCanvasElement>} seen
 * @param {() => void} open shows its layers where it is folded
 */
function cardElement(card, joined, context, seen, open) {
  const row = /** @type {import('./answers.js').LayerRow} */ (card.rows.at(-1))
  const shape = (row.output_shape ?? []).slice(1)
  const thumbnail = seen.get(row.id) ?? el('canvas', { width: 192, height: 192, class: 'thumbnail', 'aria-hidden': 'true' })
  const inside = [
    el('span', { class: 'name' }, STAGES.includes(card.name) ? t(`strip.${card.name}`) : card.name),
    el('span', { class: 'kind' }, card.folded ? t('strip.layers', { count: card.rows.length }) : row.kind.replaceAll('_', ' ')),
    block(shape.map(Number)),
    row.stage === 'network' && thumbnail,
    el('span', { class: 'shape' }, shape.map((size) => size ?? '?').join(' × ') || '?'),
    ...(card.folded ? [] : formulas(row).map((line) => el('span', { class: 'formula' }, line))),
  ]
  const classes = `card ${card.folded ? 'folded' : ''} kind-${card.folded ? 'other' : family(row.kind)}`
  const body = card.folded
    ? el('button', { type: 'button', class: classes, 'data-key': card.name, title: t('strip.open'), onclick: open }, ...inside)
    : layerLink(classes, row.id, context, inside)
  return { element: el('li', { class: joined ? 'joined' : '' }, body), thumbnail, row }
}

/**
 * @param {string} classes
 * @param {string} layer
 * @param {Context} context
 * @param {import('./elements.js').Child[]} inside
 */
function layerLink(classes, layer, { state }, inside) {
  const to = /** @type {const} */ ({ panel: 'layer', layer, channel: null, y: null, x: null })
  const href = format({ ...state, ...to })
  return el('a', { class: classes, 'data-key': layer, 'data-layer': layer, href, onclick: following(() => to) }, ...inside)
}

/** @param {import('./answers.js').LayerRow} row */
function formulas({ formula, reason }) {
  return formula.length ? formula : reason ? [reason] : []
}

/**
 * The edges that skip cards, above them: from the middle of one to the middle of another.
 * @param {import('./graph.js').Arc[]} arcs
 * @param {number} lanes
 * @param {number} count
 */
function arcsPicture(arcs, lanes, count) {
  const height = LANE * lanes + 12
  const paths = arcs.map(({ from, to, lane }) => {
    const [start, end] = [from, to].map((card) => card * (CARD + GAP) + CARD / 2)
    const top = height - LANE * (lane + 1)
    return svg('path', { d: `M ${start} ${height} V ${top + 6} q 0 -6 6 -6 H ${Number(end) - 6} q 6 0 6 6 V ${height - 2}`, 'marker-end': 'url(#arrow)' })
  })
  const arrow = svg('marker', { id: 'arrow', viewBox: '0 0 6 6', refX: 3, refY: 5, markerWidth: 6, markerHeight: 6 }, svg('path', { d: 'M 0 0 L 3 6 L 6 0 z' }))
  return svg('svg', { class: 'arcs', width: count * (CARD + GAP), height, 'aria-hidden': 'true' }, svg('defs', {}, arrow), ...paths)
}

/**
 * Left and right go from card to card.
 * @param {HTMLElement} list
 */
function followArrows(list) {
  list.addEventListener('keydown', (event) => {
    const step = event.key === 'ArrowRight' ? 1 : event.key === 'ArrowLeft' ? -1 : 0
    const cards = /** @type {HTMLElement[]} */ ([...list.querySelectorAll('.card')])
    const next = step ? cards[cards.findIndex((card) => card === document.activeElement) + step] : undefined
    if (next) event.preventDefault()
    next?.focus()
  })
}
