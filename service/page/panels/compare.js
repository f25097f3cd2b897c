/** Two pictures, or two versions of the model, on one scale: what differs in each layer and in the answer. */

import { forms, json, npz } from '../asking.js'
import { oneOf } from '../choices.js'
import { el } from '../elements.js'
import { job } from '../job.js'
import { percent } from '../numbers.js'
import { signedBars } from '../signed-bars.js'
import { go, note } from '../state.js'
import { comparedMaps } from './compare-maps.js'
import { otherChoice, otherSide } from './compare-other.js'
import { hint, ofNetwork, section } from './sections.js'

/**
 * @typedef {import('../context.js').Context} Context
 * @typedef {import('../answers.js').Comparison} Comparison
 * @typedef {import('../answers.js').Prediction} Prediction
 * @typedef {import('./compare-other.js').Other} Other
 */

/** @type {import('../context.js').PanelModule['show']} */
export async function show(root, context) {
  const { t, picture } = context
  const title = el('h2', {}, t('panel.compare'))
  if (!picture) return root.replaceChildren(title, hint(t('panel.picture.choose')))
  const body = el('div', { class: 'compare' })
  const choose = (/** @type {string} */ words) => {
    note({ other: words })
    void job(body, context, async (signal) => {
      const other = await otherSide(context, words, signal)
      return other ? compared(context, other, signal) : [hint(t('panel.compare.choose'))]
    })
  }
  const { controls, chosen } = otherChoice(context, choose)
  root.replaceChildren(title, el('p', { class: 'lead' }, t('panel.compare.lead')), controls, body)
  choose(chosen)
}

/**
 * @param {Context} context
 * @param {Other} other
 * @param {AbortSignal} signal
 */
async function compared(context, other, signal) {
  const { t } = context
  /** @type {Comparison} */
  const told = await json(context, 'compare', other.query, signal, other.files)
  const found = { ...told, layers: ofNetwork(context, told.layers) }
  const maps = el('div', { class: 'compared-maps' })
  const open = (/** @type {string} */ layer) => {
    note({ layer })
    return job(maps, context, (opening) => layerCompared(context, other, layer, maps, opening))
  }
  const first = startingLayer(context, found)
  if (first) void open(first)
  return [
    section(t('panel.compare.answers'), ...answers(context, found, other)),
    ...(found.only_in_a.length + found.only_in_b.length
      ? [hint(t('panel.compare.only', { a: found.only_in_a.join(', ') || '–', b: found.only_in_b.join(', ') || '–' }))]
      : []),
    el(
      'div',
      { class: 'parts' },
      section(
        t('panel.compare.layers'),
        el('p', { class: 'hint' }, t('panel.compare.relative')),
        layerBars(found, open),
      ),
      section(t('panel.compare.maps'), maps),
    ),
  ]
}

/**
 * The layer that the state names; else the first that both have.
 * @param {Context} context
 * @param {Comparison} found
 */
function startingLayer({ state }, { layers }) {
  const comparable = layers.filter(({ difference }) => difference)
  return (comparable.find(({ id }) => id === state.layer) ?? comparable[0])?.id
}

/**
 * @param {Context} context
 * @param {Comparison} found
 * @param {Other} other
 */
function answers({ t }, found, other) {
  if (!found.answers) return [hint(t('panel.compare.unanswered'))]
  const { a, b, same_class: same, changes } = found.answers
  const labels = { a: a[0].label, b: b[0].label, first: percent(a[0].probability), second: percent(b[0].probability) }
  const changed = (changes ?? [])
    .filter(({ change }) => change)
    .map(({ label, change }) => ({ label, value: change ?? 0 }))
  return [
    el('p', { class: 'verdict' }, t(same ? 'panel.compare.same' : 'panel.compare.different', labels)),
    el(
      'div',
      { class: 'answers' },
      answer(t('panel.compare.a'), a),
      answer(other.name, b),
      changed.length ? el('div', {}, el('h4', {}, t('panel.compare.changes')), signedBars(changed)) : null,
    ),
  ]
}

/**
 * @param {string} name
 * @param {Prediction[]} predictions
 */
function answer(name, predictions) {
  const amounts = predictions.map(({ label, probability }) => ({ label, value: probability ?? 0 }))
  return el('div', {}, el('h4', {}, name), signedBars(amounts, { share: true, full: 1 }))
}

/**
 * @param {Comparison} found
 * @param {(layer: string) => void} open
 */
function layerBars({ layers }, open) {
  const known = layers.filter(({ difference }) => difference)
  return signedBars(
    known.map(({ id, difference }) => ({ label: id, value: difference?.relative ?? 0, choose: () => open(id) })),
    { share: true },
  )
}

/**
 * @param {Context} context
 * @param {Other} other
 * @param {string} layer
 * @param {HTMLElement} root whose width there is
 * @param {AbortSignal} signal
 */
async function layerCompared(context, other, layer, root, signal) {
  const { t } = context
  const query = { ...other.query, layers: layer }
  const arrays = await npz(context, 'compare', query, signal, other.files)
  const names = { a: t('panel.compare.a'), b: other.name }
  const shown = el('div')
  const draw = (/** @type {'shared'|'channel'} */ scale) =>
    shown.replaceChildren(
      comparedMaps(context, arrays, layer, names, scale, root.clientWidth, (channel) =>
        go({ panel: 'channel', layer, channel, y: null, x: null }),
      ),
      forms(context, 'compare', { png: { ...query, scale }, npz: query }, `${layer}-compared`, other.files),
    )
  const options = /** @type {const} */ (['shared', 'channel']).map((value) => ({
    value,
    text: t(`panel.compare.scale.${value}`),
  }))
  draw('shared')
  return [el('h4', {}, layer), oneOf(t('panel.scale'), options, 'shared', draw), shown]
}
