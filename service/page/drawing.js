/** The paper: a canvas to draw on with a finger, a mouse, a pen or the keys; and what is done to the drawing. */

import { el } from './elements.js'
import { t } from './language.js'
import { PAPER, canvasOf, digitOn, paint, png } from './strokes.js'

/**
 * @typedef {import('./strokes.js').Drawing} Drawing
 * @typedef {{drawing: Drawing, digitSide: number|null, onStroke: () => void, onEnd: () => void}} Paper
 *   `digitSide` is the side of the network's picture where it is one for digits, else null: then the drawing is sent as
 *   it is. `onStroke` is told while a line grows, `onEnd` once it is done
 */

const PENS = { thin: 0.02, medium: 0.06, thick: 0.12 }
const KEY_STEP = 0.025
/** @type {Record<string, [number, number]>} */
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }

/**
 * The paper with its tools.
 * @param {Paper} paper
 */
export function drawingPaper({ drawing, digitSide, onStroke, onEnd }) {
  const canvas = el('canvas', {
    width: PAPER, height: PAPER, class: 'paper', tabindex: 0, role: 'img', id: 'paper',
    'aria-label': t('drawing.paper'), 'aria-describedby': 'paper-keys',
  })
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext('2d', { willReadFrequently: true }))
  const steps = el('ol', { class: 'steps', 'aria-label': t('drawing.done') })
  let pen = PENS.medium

  function repaint() {
    paint(drawing, context)
    canvas.classList.toggle('empty', !drawing.strokes.length)
  }

  /** @param {() => void} change */
  function changed(change) {
    change()
    repaint()
    onStroke()
    onEnd()
  }

  function explain() {
    const digit = digitSide === null ? null : digitOn(context, digitSide)
    steps.replaceChildren(...(digit ? explanation(digit) : []))
  }

  /** @returns {Promise<Blob|null>} what is sent; null where nothing is drawn */
  async function picture() {
    if (!drawing.strokes.length) return null
    if (digitSide === null) return png(canvas)
    const digit = digitOn(context, digitSide)
    return digit && png(canvasOf(digit.pixels))
  }

  const line = growing(drawing, () => pen, () => (repaint(), onStroke()), onEnd)
  followPointer(canvas, line)
  followKeys(canvas, line)
  repaint()
  const tools = el('div', { class: 'tools' },
    penChoice(pen, (chosen) => (pen = chosen)),
    chalkToggle(drawing, () => changed(() => (drawing.chalk = !drawing.chalk))),
    button('drawing.undo', () => changed(() => drawing.strokes.pop())),
    button('drawing.clear', () => changed(() => drawing.strokes.splice(0))),
  )
  const keys = el('p', { id: 'paper-keys', class: 'hint' }, t(digitSide === null ? 'drawing.keys' : 'drawing.digit'))
  const sheet = el('div', { class: 'sheet', 'data-hint': t('drawing.here') }, canvas)
  return { element: el('div', { class: 'drawing' }, sheet, tools, keys, steps), picture, explain }
}

/**
 * A line that grows: begun, gone on with, ended.
 * @param {Drawing} drawing
 * @param {() => number} pen
 * @param {() => void} onStroke
 * @param {() => void} onEnd
 */
function growing(drawing, pen, onStroke, onEnd) {
  /** @type {[number, number][]|null} */
  let points = null
  return {
    get drawn() {
      return points !== null
    },
    /** @param {[number, number][]} more */
    grow(more) {
      if (!points) drawing.strokes.push({ pen: pen(), points: (points = []) })
      points.push(...more)
      onStroke()
    },
    end() {
      if (points) onEnd()
      points = null
    },
  }
}

/** @typedef {ReturnType<typeof growing>} Line */

/**
 * @param {HTMLCanvasElement} canvas
 * @param {Line} line
 */
function followPointer(canvas, line) {
  canvas.addEventListener('pointerdown', (event) => {
    if (!event.isPrimary) return // a second finger draws no line of its own
    canvas.setPointerCapture(event.pointerId)
    line.grow([place(canvas, event)])
  })
  canvas.addEventListener('pointermove', (event) => {
    if (!line.drawn || !event.isPrimary || !event.buttons) return
    const between = event.getCoalescedEvents?.() ?? []
    line.grow((between.length ? between : [event]).map((one) => place(canvas, one)))
  })
  for (const name of /** @type {const} */ (['pointerup', 'pointercancel'])) {
    canvas.addEventListener(name, (event) => event.isPrimary && line.end())
  }
}

/**
 * The arrows move the pen, space sets it down and lifts it.
 * @param {HTMLCanvasElement} canvas
 * @param {Line} line
 */
function followKeys(canvas, line) {
  /** @type {[number, number]} */
  let at = [0.5, 0.2]
  canvas.addEventListener('keydown', (event) => {
    const direction = ARROWS[event.key]
    if (!direction && event.key !== ' ') return
    event.preventDefault()
    if (event.key === ' ') return line.drawn ? line.end() : line.grow([at])
    at = [bounded(at[0] + direction[0] * KEY_STEP), bounded(at[1] + direction[1] * KEY_STEP)]
    if (line.drawn) line.grow([at])
  })
  canvas.addEventListener('blur', () => line.end())
}

/**
 * @param {HTMLCanvasElement} canvas
 * @param {PointerEvent} event
 * @returns {[number, number]}
 */
function place(canvas, event) {
  const { left, top, width, height } = canvas.getBoundingClientRect()
  return [(event.clientX - left) / width, (event.clientY - top) / height]
}

/** @param {number} share */
function bounded(share) {
  return Math.min(1, Math.max(0, share))
}

/**
 * @param {number} chosen
 * @param {(pen: number) => void} choose
 */
function penChoice(chosen, choose) {
  const pens = Object.entries(PENS).map(([name, pen]) => {
    const input = el('input', { type: 'radio', name: 'pen', value: name, checked: pen === chosen, onchange: () => choose(pen) })
    return el('label', { class: `pen ${name}`, title: t(`drawing.${name}`) }, input, el('span', { class: 'visually-hidden' }, t(`drawing.${name}`)))
  })
  return el('fieldset', { class: 'pens' }, el('legend', { class: 'visually-hidden' }, t('drawing.pen')), ...pens)
}

/**
 * @param {Drawing} drawing
 * @param {() => void} turn
 */
function chalkToggle(drawing, turn) {
  const toggle = button('drawing.chalk', () => {
    turn()
    toggle.setAttribute('aria-pressed', String(drawing.chalk))
  })
  toggle.setAttribute('aria-pressed', String(drawing.chalk))
  return toggle
}

/**
 * @param {string} key
 * @param {() => void} onclick
 */
function button(key, onclick) {
  return el('button', { type: 'button', class: 'quiet', onclick }, t(key))
}

/** @param {import('./digit.js').Digit} digit */
function explanation({ inverted, box, pen, thickened, scale, shift, pixels }) {
  const width = box.right - box.left
  const height = box.bottom - box.top
  const steps = [
    t(inverted ? 'drawing.inverted' : 'drawing.kept'),
    t('drawing.cropped', { left: box.left, top: box.top, width, height }),
    thickened !== 0 && t(thickened > 0 ? 'drawing.thickened' : 'drawing.thinned', { pen: pen.toFixed(0), after: (pen + thickened).toFixed(0) }),
    t('drawing.scaled', { scale: scale.toFixed(3), side: pixels.width }),
    t('drawing.centred', { x: shift.x, y: shift.y }),
  ]
  return steps.filter((step) => step !== false).map((step) => el('li', {}, step))
}
