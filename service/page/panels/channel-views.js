/**
 * The three places of one value: the pixels of the picture that it can see, the window on the layer's input, and the
 * value itself on the layer's map.
 */

import { el } from '../elements.js'
import { heatmap, magnificationFor, pictureCanvas } from '../heatmap.js'
import { legend } from '../legend.js'
import { mapFigure } from '../map-figure.js'
import { channelOf, ranges } from '../maps.js'
import { number } from '../numbers.js'
import { cellsRead, windowCells } from '../window.js'

/**
 * @typedef {import('../context.js').Context} Context
 * @typedef {import('../answers.js').LayerRow} LayerRow
 * @typedef {import('../answers.js').Unit} Unit
 * @typedef {import('../maps.js').Maps} Maps
 * @typedef {import('./channel.js').Place} Place
 * @typedef {import('./channel.js').Seen} Seen
 * @typedef {(place: Partial<Place>, how?: {spoken?: boolean}) => void} Go
 */

const MOST_CELLS = 169 // of a window, each drawn: 13 x 13

/**
 * @param {Context} context
 * @param {LayerRow} row
 * @param {Seen} seen
 * @param {number} width
 */
export function views(context, row, seen, width) {
  const picture = pictureView(context, seen.picture, width)
  const input = seen.input && inputView(context, row, seen.input, width)
  const output = outputView(context, row, seen.maps, width)
  return {
    figures: el('div', { class: 'figures' }, picture.figure, input && input.figure, output.figure),
    listen: output.listen,
    /** @param {Place} place */
    point(place) {
      output.point(place)
      input?.point(place)
    },
    /**
     * @param {Unit} unit
     * @param {number|null} channel of the input
     */
    see(unit, channel) {
      picture.see(unit)
      input?.see(unit, channel ?? unitChannel(row, unit))
    },
  }
}

/**
 * The channel of the input that a layer reads which keeps channels apart, such as a pooling.
 * @param {LayerRow} row
 * @param {Unit & {channel?: number}} unit
 */
function unitChannel({ input_shape: input, output_shape: output }, { channel = 0 }) {
  return input?.[1] === output?.[1] ? channel : 0
}

/**
 * @param {Context} context
 * @param {ImageBitmap} picture
 * @param {number} width
 */
function pictureView({ t }, picture, width) {
  const view = mapFigure()
  const { canvas, size } = pictureCanvas(picture, width)
  view.draw(canvas, size)
  view.caption.textContent = t('panel.field.unknown')
  return {
    figure: view.figure,
    /** @param {Unit} unit */
    see({ receptive_field: field }) {
      view.mark(field ? [box(field.box, 'field'), ...(field.clipped ? [box(field.clipped, 'field seen')] : [])] : [])
      const seen = field?.clipped
      view.caption.textContent = seen
        ? t(field.exact ? 'panel.field' : 'panel.field.bound', { ...seen })
        : t('panel.field.unknown')
    },
  }
}

/**
 * @param {import('../answers.js').Box} box
 * @param {string} kind
 */
function box({ top, left, bottom, right }, kind) {
  return { y: top, x: left, height: bottom - top + 1, width: right - left + 1, kind }
}

/**
 * @param {Context} context
 * @param {LayerRow} row
 * @param {Maps} input
 * @param {number} width
 */
function inputView({ t }, row, input, width) {
  const view = mapFigure()
  const padding = row.kernel?.length === 2 ? row.padding : null
  const across = input.width + (padding?.[1][0] ?? 0) + (padding?.[1][1] ?? 0)
  const down = input.height + (padding?.[0][0] ?? 0) + (padding?.[0][1] ?? 0)
  const magnification = magnificationFor(Math.max(across, down), width)
  const rangeOf = ranges(input, 'layer')
  let drawn = -1
  const draw = (/** @type {number} */ channel) => {
    if (channel === drawn || channel >= input.count) return
    drawn = channel
    const picture = heatmap(channelOf(input, channel), input.height, input.width, rangeOf(channel), magnification)
    view.draw(picture, { height: input.height, width: input.width, magnification, padding })
    view.caption.textContent = t(padding?.flat().some(Boolean) ? 'panel.window.padded' : 'panel.window', {
      layer: row.inputs[0],
      channel,
    })
  }
  const mark = (/** @type {import('../window.js').Cell[]|null} */ cells) => view.mark(windowMarks(cells ?? []))
  draw(0)
  return {
    figure: view.figure,
    /** @param {Place} place */
    point({ y, x }) {
      mark(windowCells(row, y, x))
    },
    /**
     * @param {Unit & {y?: number|null, x?: number|null}} unit
     * @param {number} channel
     */
    see({ work, y, x }, channel) {
      draw(channel)
      const reads = 'reads' in work ? cellsRead(work.reads) : null
      mark(windowCells(row, y ?? 0, x ?? 0) ?? reads)
    },
  }
}

/**
 * Each cell, as far as they can be told apart; else what they cover.
 * @param {import('../window.js').Cell[]} cells by rows
 * @returns {import('../map-figure.js').Mark[]}
 */
function windowMarks(cells) {
  if (cells.length <= MOST_CELLS) return cells.map((cell) => ({ ...cell, kind: 'window' }))
  const [first, last] = [cells[0], cells[cells.length - 1]]
  return [{ ...first, height: last.y - first.y + 1, width: last.x - first.x + 1, kind: 'window' }]
}

/**
 * @param {Context} context
 * @param {LayerRow} row
 * @param {Maps} maps
 * @param {number} width
 */
function outputView({ t, state }, row, maps, width) {
  const view = mapFigure()
  const magnification = magnificationFor(Math.max(maps.width, maps.height), width)
  const scale = state.scale === 'channel' ? 'channel' : 'layer'
  const rangeOf = ranges(maps, scale)
  const bar = el('div')
  const words = el('p', { class: 'value' })
  view.figure.append(words, bar)
  const grid = maps.height * maps.width > 1
  if (grid) {
    view.place.tabIndex = 0
    view.place.setAttribute('role', 'application')
    view.place.setAttribute('aria-label', t('panel.channel.map', { height: maps.height, width: maps.width }))
  }
  let drawn = -1
  const draw = (/** @type {number} */ channel) => {
    if (channel === drawn) return
    drawn = channel
    const picture = heatmap(channelOf(maps, channel), maps.height, maps.width, rangeOf(channel), magnification)
    view.draw(picture, { height: maps.height, width: maps.width, magnification })
    view.caption.textContent = t('panel.channel.output', { layer: row.id, channel })
    bar.replaceChildren(legend(rangeOf(channel), t(`panel.channel.scale.${scale}`)))
  }
  return {
    figure: view.figure,
    /** @param {Place} place */
    point({ channel, y, x }) {
      draw(channel)
      view.mark([{ y, x, kind: 'cursor' }])
      const value = channelOf(maps, channel)[y * maps.width + x]
      words.replaceChildren(grid ? t('panel.channel.at', { y, x }) : t('panel.channel.one'), ' ', number(value, 6))
    },
    /** @param {Go} go */
    listen(go) {
      if (grid) listenTo(view.place, maps, go)
    },
  }
}

/**
 * @param {HTMLElement} place
 * @param {Maps} maps
 * @param {Go} go
 */
function listenTo(place, maps, go) {
  let [lastY, lastX] = [-1, -1]
  let held = false // by a click: so that the pointer can leave the map without losing its place
  const point = (/** @type {PointerEvent} */ event) => {
    const canvas = place.querySelector('canvas')?.getBoundingClientRect()
    if (!canvas) return
    const y = cell(event.clientY - canvas.top, canvas.height, maps.height)
    const x = cell(event.clientX - canvas.left, canvas.width, maps.width)
    const same = y === lastY && x === lastX
    if (event.type === 'pointerdown') held = !(held && same)
    else if (held) return
    if (same) return
    lastY = y
    lastX = x
    go({ y, x })
  }
  place.addEventListener('pointermove', point)
  place.addEventListener('pointerdown', point)
  place.addEventListener('keydown', (event) => {
    const step = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key]
    if (!step) return
    event.preventDefault()
    const marked = /** @type {SVGRectElement} */ (place.querySelector('.cursor'))
    const y = bounded(Number(marked.getAttribute('y')) + step[0], maps.height)
    const x = bounded(Number(marked.getAttribute('x')) + step[1], maps.width)
    go({ y, x }, { spoken: true })
  })
}

/**
 * @param {number} pixel from the map's edge
 * @param {number} pixels
 * @param {number} cells
 */
function cell(pixel, pixels, cells) {
  return bounded(Math.floor((pixel / pixels) * cells), cells)
}

/**
 * @param {number} place
 * @param {number} size
 */
function bounded(place, size) {
  return Math.max(0, Math.min(size - 1, place))
}
