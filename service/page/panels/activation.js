/** Where the evidence for a class lies: a map over the picture, by a method that is named. */

import { forms, json, received } from '../asking.js'
import { listOf, oneOf, slider } from '../choices.js'
import { diverges, layerRange } from '../colours.js'
import { el } from '../elements.js'
import { heatmap, pictureCanvas } from '../heatmap.js'
import { job } from '../job.js'
import { legend } from '../legend.js'
import { figure, percent } from '../numbers.js'
import { signedBars } from '../signed-bars.js'
import { go, METHODS, note } from '../state.js'
import { hint, networkLayers, section } from './sections.js'

/**
 * @typedef {import('../context.js').Context} Context
 * @typedef {import('../answers.js').ClassActivation} ClassActivation
 * @typedef {Pick<import('../state.js').State, 'klass'|'method'|'target'>} Question
 */

const OPACITY = 60
const LARGEST = 336 // pixels

/** @type {import('../context.js').PanelModule['show']} */
export async function show(root, context) {
  const { t, picture, state } = context
  const title = el('h2', {}, t('panel.activation'))
  if (!picture) return root.replaceChildren(title, hint(t('panel.picture.choose')))
  /** @type {Question} */
  const question = { klass: state.klass, method: state.method, target: state.target }
  const body = el('div', { class: 'activation' })
  const ask = () => void job(body, context, (signal) => explained(context, question, body.clientWidth, signal))
  root.replaceChildren(
    title,
    el('p', { class: 'lead' }, t('panel.activation.lead')),
    controls(context, question, ask),
    body,
  )
  ask()
}

/**
 * @param {Context} context
 * @param {Question} question which the controls change
 * @param {() => void} ask
 */
function controls({ t, model, ...context }, question, ask) {
  const classes = (model.classes ?? []).map((label, index) => ({ value: String(index), text: label }))
  const places = networkLayers({ t, model, ...context }).filter(({ output_shape: shape }) => shape?.length === 4)
  const layers = places.map(({ id }) => ({ value: id, text: id }))
  const put = (/** @type {Partial<Question>} */ change) => {
    Object.assign(question, change)
    note(change)
    ask()
  }
  return el(
    'div',
    { class: 'controls' },
    listOf(
      t('panel.activation.class'),
      [{ value: '', text: t('panel.activation.predicted') }, ...classes],
      String(question.klass ?? ''),
      (value) => put({ klass: value === '' ? null : Number(value) }),
    ),
    listOf(
      t('panel.activation.method'),
      METHODS.map((value) => ({ value, text: t(`panel.activation.method.${value}`) })),
      question.method,
      (value) => put({ method: METHODS.find((known) => known === value) ?? 'auto' }),
    ),
    listOf(
      t('panel.activation.layer'),
      [{ value: '', text: t('panel.activation.best') }, ...layers],
      question.target ?? '',
      (value) => put({ target: value || null }),
    ),
  )
}

/**
 * @param {Context} context
 * @param {Question} question
 * @param {number} width the room
 * @param {AbortSignal} signal
 */
async function explained(context, question, width, signal) {
  const query = { class: question.klass, method: question.method, layer: question.target }
  /** @type {[ClassActivation, ImageBitmap]} */
  const [found, picture] = await Promise.all([
    json(context, 'class-activation', query, signal),
    received(context, signal),
  ])
  const name = `class-activation-${found.class?.index ?? 'any'}`
  return [
    el(
      'div',
      { class: 'side-by-side' },
      el(
        'div',
        {},
        ...overlaid(context, found, picture, Math.min(width, LARGEST)),
        forms(context, 'class-activation', { png: query, npy: query }, name),
      ),
      words(context, found),
    ),
  ]
}

/**
 * @param {Context} context
 * @param {ClassActivation} found
 * @param {ImageBitmap} picture
 * @param {number} room
 */
function overlaid({ t }, { method, values, shape, on_picture: placed }, picture, room) {
  const [height, width] = shape
  const numbers = Float64Array.from(values.flat(), (value) => value ?? NaN)
  const range = layerRange(numbers)
  const { canvas: below } = pictureCanvas(picture, room)
  const above = heatmap(numbers, height, width, range, 1)
  const put = (/** @type {string} */ property, /** @type {string} */ value) => above.style.setProperty(property, value)
  above.classList.add('evidence')
  put('opacity', String(OPACITY / 100))
  put('top', `${part(placed.centre[0], placed.jump[0], picture.height)}%`)
  put('left', `${part(placed.centre[1], placed.jump[1], picture.width)}%`)
  put('height', `${(100 * height * placed.jump[0]) / picture.height}%`)
  put('width', `${(100 * width * placed.jump[1]) / picture.width}%`)
  const looks = /** @type {const} */ (['cells', 'smooth']).map((value) => ({
    value,
    text: t(`panel.activation.${value}`),
  }))
  return [
    el('div', { class: 'overlaid', role: 'img', 'aria-label': t('panel.activation.picture') }, below, above),
    slider(
      t('panel.activation.opacity'),
      { min: 0, max: 100, value: OPACITY },
      (value) => `${value} %`,
      (value) => put('opacity', String(value / 100)),
    ),
    oneOf(t('panel.activation.look'), looks, 'cells', (look) => above.classList.toggle('reduced', look === 'smooth')),
    legend(range, t(legendOf(method, range))),
  ]
}

/**
 * What the colours mean: a map that goes below zero is white there, and Eigen-CAM is of no class.
 * @param {string} method
 * @param {import('../colours.js').Range} range
 */
export function legendOf(method, range) {
  if (method === 'eigen') return 'panel.activation.legend.eigen'
  return diverges(range) ? 'panel.activation.legend.signed' : 'panel.activation.legend'
}

/**
 * Where the first cell begins, in parts of the picture: pixel p covers p - 1/2 to p + 1/2 (service/images/overlay.py).
 * @param {number} centre
 * @param {number} jump
 * @param {number} size
 */
function part(centre, jump, size) {
  return (100 * (centre - jump / 2 + 0.5)) / size
}

/**
 * @param {Context} context
 * @param {ClassActivation} found
 */
function words({ t }, { method, because, formula, layer, class: explained, passes, seconds, channels }) {
  const weights = (channels ?? [])
    .filter(({ weight }) => weight !== null)
    .map(({ channel, weight }) => ({
      label: t('panel.activation.channel', { channel }),
      value: weight ?? 0,
      choose: layer ? () => go({ panel: 'channel', layer, channel, y: null, x: null }) : null,
    }))
  return el(
    'div',
    { class: 'words' },
    explained &&
      el(
        'p',
        { class: 'verdict' },
        t(explained.predicted ? 'panel.activation.for.predicted' : 'panel.activation.for', {
          label: explained.label,
          probability: percent(explained.probability),
          quantity: t(`panel.activation.${explained.quantity}`),
          score: figure(explained.score),
        }),
      ),
    el(
      'p',
      {},
      el('strong', {}, t(`panel.activation.method.${method}`)),
      ' ',
      layer && t('panel.activation.of', { layer }),
      ' — ',
      because,
    ),
    el('p', { class: 'formula' }, el('code', {}, formula)),
    el('p', { class: 'hint' }, t('panel.activation.cost', { passes, seconds: figure(seconds, 2) })),
    weights.length ? section(t('panel.activation.weights'), signedBars(weights)) : null,
  )
}
