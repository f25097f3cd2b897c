/** How one value comes about, as far as it can be shown: every kind of arithmetic in its own way. */

import { channelRange } from '../colours.js'
import { el } from '../elements.js'
import { counted, figure, number } from '../numbers.js'
import { signedBars } from '../signed-bars.js'
import { matrix } from './matrix.js'

/**
 * @typedef {import('../context.js').Translate} Translate
 * @typedef {import('../answers.js').Work} Work
 * @typedef {{t: Translate, input: number|null, chooseInput: (channel: number) => void}} Looking
 *   at which channel of the input; null: at the one that counts most
 */

const LISTED = 12

/**
 * @param {Work} work
 * @param {Looking} looking
 * @returns {Node[]}
 */
export function workShown(work, looking) {
  switch (work.form) {
    case 'convolution':
      return convolution(work, looking)
    case 'pooling':
      return pooling(work, looking.t)
    case 'dense':
      return dense(work, looking.t)
    case 'softmax':
      return softmax(work, looking.t)
    case 'local_response_norm':
      return localResponse(work, looking.t)
    case 'batch_norm':
      return batchNorm(work, looking.t)
    case 'elementwise':
      return []
  }
}

/**
 * The channel of the input whose window is shown: the one asked for, where this value reads it.
 * @param {Work} work
 * @param {number|null} asked
 */
export function inputShown(work, asked) {
  if (work.form !== 'convolution') return null
  const read = work.channel_sums.map(({ channel }) => channel)
  return asked !== null && read.includes(asked) ? asked : (read[0] ?? null)
}

/**
 * @param {import('../answers.js').ConvolutionWork} work
 * @param {Looking} looking
 */
function convolution(work, { t, input, chooseInput }) {
  const shown = inputShown(work, input) ?? 0
  const listed = firstWith(work.channel_sums, shown)
  const unlisted = work.channel_sums.filter((each) => !listed.includes(each))
  const sums = listed.map(({ channel, sum }) => ({
    label: t('panel.unit.input', { channel }),
    value: sum,
    choose: () => chooseInput(channel),
    chosen: channel === shown,
  }))
  const rest = work.channel_sums_rest + unlisted.reduce((total, { sum }) => total + sum, 0)
  const others = channelsRead(work) - listed.length
  const more = others ? [{ label: t('panel.unit.rest', { count: counted(others) }), value: rest }] : []
  const bias = work.bias === null ? [] : [{ label: t('panel.unit.bias'), value: work.bias }]
  return [...products(work, shown, t), el('h4', {}, t('panel.unit.sums')), signedBars([...sums, ...more, ...bias])]
}

/**
 * How many channels of the input a value reads: the service names a thousand of them.
 * @param {Pick<import('../answers.js').ConvolutionWork, 'products_count'|'reads'>} work
 */
export function channelsRead({ products_count: products, reads }) {
  return products / reads.reduce((cells, axis) => cells * axis.length, 1)
}

/**
 * The largest, and the one that is looked at.
 * @template {{channel: number}} Sum
 * @param {Sum[]} sums the largest first
 * @param {number} shown
 */
function firstWith(sums, shown) {
  const first = sums.slice(0, LISTED)
  const also = sums.slice(LISTED).filter(({ channel }) => channel === shown)
  return [...first, ...also]
}

/**
 * @param {import('../answers.js').ConvolutionWork} work
 * @param {number} channel
 * @param {Translate} t
 */
function products(work, channel, t) {
  if (!work.patch || !work.kernel || !work.products) return [el('p', { class: 'hint' }, work.omitted ?? '')]
  const index = channel - work.first_input_channel
  const [patch, kernel, product] = [work.patch[index], work.kernel[index], work.products[index]]
  const words = { padding: t('panel.unit.padding') }
  const sum = product.flat().reduce((/** @type {number} */ total, value) => total + (value ?? 0), 0)
  return [
    el(
      'div',
      { class: 'equation' },
      matrix(t('panel.unit.patch', { channel }), patch, rangeOf(work.patch), words),
      el('span', { class: 'sign' }, '×'),
      matrix(t('panel.unit.kernel'), kernel, rangeOf(work.kernel), words),
      el('span', { class: 'sign' }, '='),
      matrix(t('panel.unit.products'), product, rangeOf(work.products), words),
    ),
    el('p', { class: 'channel-sum' }, t('panel.unit.sum', { channel }), ' ', number(sum, 6)),
  ]
}

/**
 * One range for the whole window, so that its channels can be told apart.
 * @param {import('../answers.js').Matrix[]} channels
 */
function rangeOf(channels) {
  return channelRange(Float64Array.from(channels.flat(2), (value) => value ?? 0))
}

/**
 * @param {import('../answers.js').PoolingWork} work
 * @param {Translate} t
 */
function pooling({ patch, reads, winner, sum, divisor, omitted }, t) {
  if (!patch) return [el('p', { class: 'hint' }, omitted ?? '')]
  const won = (/** @type {number} */ row, /** @type {number} */ column) =>
    winner !== null && reads[0][row] === winner.position[0] && reads[1]?.[column] === winner.position[1]
  const words = { padding: t('panel.unit.padding.unread'), marked: won }
  const share = sum !== null && divisor !== null ? t('panel.unit.mean', { sum: figure(sum, 6), divisor }) : null
  return [
    el('div', { class: 'equation' }, matrix(t('panel.unit.window'), patch, rangeOf([patch]), words)),
    ...(winner ? [el('p', {}, t('panel.unit.winner', { y: winner.position[0], x: winner.position[1] ?? 0 }))] : []),
    ...(share ? [el('p', {}, share)] : []),
  ]
}

/**
 * @param {import('../answers.js').DenseWork} work
 * @param {Translate} t
 */
function dense({ contributions, rest, bias }, t) {
  const first = contributions.slice(0, LISTED)
  const amounts = first.map(({ input, value, weight, product }) => ({
    label: t('panel.unit.contribution', { input, value: figure(value, 3), weight: figure(weight, 3) }),
    value: product,
  }))
  const others = contributions.slice(LISTED)
  const remaining = rest + others.reduce((total, { product }) => total + product, 0)
  const more = others.length ? [{ label: t('panel.unit.rest.products'), value: remaining }] : []
  const shift = bias === null ? [] : [{ label: t('panel.unit.bias'), value: bias }]
  return [el('h4', {}, t('panel.unit.largest')), signedBars([...amounts, ...more, ...shift])]
}

/**
 * @param {import('../answers.js').SoftmaxWork} work
 * @param {Translate} t
 */
function softmax({ exponentials, sum }, t) {
  const amounts = exponentials.slice(0, LISTED).map(({ index, score, exponential }) => ({
    label: t('panel.unit.exponential', { index, score: figure(score, 3) }),
    value: exponential,
  }))
  return [signedBars(amounts), el('p', {}, t('panel.unit.exponentials', { sum: figure(sum, 6) }))]
}

/**
 * @param {import('../answers.js').LocalResponseWork} work
 * @param {Translate} t
 */
function localResponse({ neighbours, sum_of_squares: sum }, t) {
  const amounts = neighbours.map(({ channel, value, square }) => ({
    label: t('panel.unit.square', { channel, value: figure(value, 3) }),
    value: square,
  }))
  return [signedBars(amounts), el('p', {}, t('panel.unit.squares', { sum: figure(sum, 6) }))]
}

/**
 * @param {import('../answers.js').BatchNormWork} work
 * @param {Translate} t
 */
function batchNorm(work, t) {
  const names = /** @type {const} */ (['input', 'mean', 'variance', 'epsilon', 'scale', 'bias'])
  const terms = names.flatMap((name) => [
    el('dt', {}, t(`panel.unit.norm.${name}`)),
    el('dd', {}, number(work[name], 6)),
  ])
  return [el('dl', { class: 'terms' }, ...terms)]
}
