/** The picture moved by some pixels: how little of that the pooled maps and the answer notice. */

import { forms, json, picture as pictureOf, received } from '../asking.js'
import { slider } from '../choices.js'
import { curvesOf } from '../curves.js'
import { el } from '../elements.js'
import { pictureCanvas } from '../heatmap.js'
import { job } from '../job.js'
import { latest } from '../latest.js'
import { figure, percent } from '../numbers.js'
import { signedBars } from '../signed-bars.js'
import { go, note } from '../state.js'
import { hint, networkLayers, ofNetwork, section } from './sections.js'
import { reachOf, startingStep } from './shift-steps.js'

/**
 * @typedef {import('../context.js').Context} Context
 * @typedef {import('../answers.js').Shift} Shift
 * @typedef {import('../answers.js').LayerShift} LayerShift
 * @typedef {import('./shift-steps.js').Step} Step
 */

const POOLINGS = ['max_pool', 'average_pool', 'lp_pool', 'global_average_pool', 'global_max_pool', 'reduce_mean']

/** @type {import('../context.js').PanelModule['show']} */
export async function show(root, context) {
  const { t, picture, state } = context
  const title = el('h2', {}, t('panel.shift'))
  if (!picture) return root.replaceChildren(title, hint(t('panel.picture.choose')))
  const reach = reachOf(context)
  const step = startingStep(state, reach)
  const body = el('div', { class: 'shift' })
  const curve = el('div')
  const ask = latest(() => job(body, context, (signal) => moved(context, { ...step }, curve, signal)))
  const put = (/** @type {Partial<Step>} */ change) => {
    note(Object.assign(step, change))
    void ask(null)
  }
  const pixels = (/** @type {number} */ value) => t('panel.shift.pixels', { pixels: figure(value) })
  root.replaceChildren(
    title,
    el('p', { class: 'lead' }, t('panel.shift.lead')),
    el(
      'div',
      { class: 'controls' },
      slider(t('panel.shift.dx'), { min: -reach.dx, max: reach.dx, value: step.dx }, pixels, (dx) => put({ dx })),
      slider(t('panel.shift.dy'), { min: -reach.dy, max: reach.dy, value: step.dy }, pixels, (dy) => put({ dy })),
    ),
    body,
  )
  void ask(null)
  if (reach.dx) void job(curve, context, (signal) => furtherAndFurther(context, reach.dx, signal))
}

/**
 * @param {Context} context
 * @param {Step} step
 * @param {HTMLElement} curve which stays as it is: it is of all steps
 * @param {AbortSignal} signal
 */
async function moved(context, step, curve, signal) {
  const { t } = context
  const [told, before, after] = await Promise.all([
    json(context, 'shift', step, signal),
    received(context, signal),
    pictureOf(context, 'shift', step, signal),
  ])
  /** @type {Shift} */
  const shift = { ...told, layers: ofNetwork(context, told.layers) }
  return [
    el(
      'div',
      { class: 'side-by-side' },
      el('div', { class: 'pair' }, shot(before, t('panel.shift.original')), shot(after, t('panel.shift.moved'))),
      el('div', { class: 'words' }, ...inWords(context, shift)),
    ),
    forms(context, 'shift', { png: step }, `shift-${step.dx}-${step.dy}`),
    el(
      'div',
      { class: 'parts' },
      section(t('panel.shift.layers'), ...bars(context, shift), movesTable(context, shift)),
      section(t('panel.shift.curve'), curve),
    ),
  ]
}

/**
 * @param {ImageBitmap} pixels
 * @param {string} caption
 */
function shot(pixels, caption) {
  return el('figure', {}, pictureCanvas(pixels, 168).canvas, el('figcaption', {}, caption))
}

/**
 * What happened, for who wants no table: the input, the last pooling, the answer.
 * @param {Pick<Context, 't'>} context
 * @param {Shift} shift
 */
export function inWords({ t }, { layers, shifts: [{ input, answer }], original }) {
  const [was, is] = [original?.[0], answer?.predictions[0]]
  const labels = {
    was: was?.label ?? '',
    is: is?.label ?? '',
    before: percent(was?.probability),
    after: percent(answer?.original_class_probability),
  }
  return [
    el('p', {}, t('panel.shift.input', { change: percent(input.relative) })),
    pooledInWords(t, layers, input.relative),
    answer && el('p', { class: 'verdict' }, t(answer.same_class ? 'panel.shift.same' : 'panel.shift.other', labels)),
  ].filter((line) => line instanceof HTMLElement)
}

/**
 * The last pooling beside the input; nothing where one of them has no change that could be compared.
 * @param {import('../context.js').Translate} t
 * @param {LayerShift[]} layers
 * @param {number|null} ofInput
 */
function pooledInWords(t, layers, ofInput) {
  const pooled = layers.filter(({ kind }) => POOLINGS.includes(kind)).at(-1)
  const change = pooled?.changes[0].relative ?? null
  if (!pooled || change === null || !ofInput) return null
  const less = ofInput / change
  const key = change === 0 ? 'panel.shift.pooled.none' : less >= 1 ? 'panel.shift.pooled' : 'panel.shift.pooled.more'
  return el('p', {}, t(key, { layer: pooled.id, change: percent(change), times: figure(less, 2) }))
}

/**
 * @param {Context} context
 * @param {Shift} shift
 */
function bars({ t }, { layers, shifts: [{ input }] }) {
  const first = { label: t('panel.shift.the.input'), value: input.relative ?? 0 }
  const each = layers.map(({ id, changes }) => ({
    label: id,
    value: changes[0].relative ?? 0,
    choose: () => go({ panel: 'layer', layer: id }),
  }))
  return [el('p', { class: 'hint' }, t('panel.shift.relative')), signedBars([first, ...each], { share: true })]
}

/**
 * Whether a map moves along with the picture, for the layers that lie on it.
 * @param {Context} context
 * @param {Shift} shift
 */
function movesTable({ t }, { layers }) {
  const rows = layers.filter(({ jump }) => jump !== null).map((layer) => movesRow(t, layer))
  return el(
    'details',
    {},
    el('summary', {}, t('panel.shift.moves')),
    el('p', { class: 'hint' }, t('panel.shift.moves.words')),
    el(
      'div',
      { class: 'scrolls', tabindex: 0, role: 'region', 'aria-label': t('panel.shift.moves') },
      el(
        'table',
        { class: 'rows' },
        el(
          'thead',
          {},
          el(
            'tr',
            {},
            ...['layer', 'jump', 'cells', 'interior', 'cosine'].map((name) =>
              el('th', { scope: 'col' }, t(`panel.shift.${name}`)),
            ),
          ),
        ),
        el('tbody', {}, ...rows),
      ),
    ),
  )
}

/**
 * @param {import('../context.js').Translate} t
 * @param {LayerShift} layer
 */
function movesRow(t, { id, jump, changes: [{ equivariance: along, cosine }] }) {
  return el(
    'tr',
    {},
    el('th', { scope: 'row' }, id),
    el('td', {}, (jump ?? []).join(' × ')),
    el('td', {}, along ? along.cells.map((cells) => figure(cells)).join(', ') : t('panel.shift.between')),
    el('td', {}, along ? percent(along.interior) : '–'),
    el('td', {}, figure(cosine, 3)),
  )
}

/**
 * The curve over every whole number of pixels to the right: the input, each pooling, the last layer.
 * @param {Context} context
 * @param {number} furthest
 * @param {AbortSignal} signal
 */
async function furtherAndFurther(context, furthest, signal) {
  const { t } = context
  const all = networkLayers(context)
  const chosen = [...all.filter(({ kind }) => POOLINGS.includes(kind)).slice(-4), ...all.slice(-1)]
  const steps = Array.from({ length: furthest }, (_, index) => index + 1)
  const query = { dx: steps.join(','), dy: 0, layers: [...new Set(chosen.map(({ id }) => id))].join(',') }
  /** @type {Shift} */
  const shift = await json(context, 'shift', query, signal)
  const input = { name: t('panel.shift.the.input'), values: shift.shifts.map(({ input: { relative } }) => relative) }
  const layers = shift.layers.map(({ id, changes }) => ({ name: id, values: changes.map(({ relative }) => relative) }))
  const right = shift.shifts.filter(({ answer }) => answer?.same_class).length
  return [
    curvesOf(steps, [input, ...layers], {
      caption: t('panel.shift.curve.words', { furthest }),
      across: t('panel.shift.curve.across'),
    }),
    el('p', {}, t('panel.shift.kept', { kept: right, of: steps.length })),
  ]
}
