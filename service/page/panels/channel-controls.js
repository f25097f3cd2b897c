/** What is looked at, in numbers that can be typed; and the window sliding by itself. */

import { wholeNumber } from '../choices.js'
import { el } from '../elements.js'

/**
 * @typedef {import('../context.js').Context} Context
 * @typedef {import('../maps.js').Maps} Maps
 * @typedef {import('./channel.js').Place} Place
 */

const STEP_MS = 350 // slow enough to see the window jump by its stride

/**
 * @param {Context} context
 * @param {Maps} maps
 * @param {Place} place where it begins; `go` moves it
 * @param {(change: Partial<Place>) => Promise<void>} go
 */
export function channelControls({ t, signal }, { count, height, width }, place, go) {
  const channel = wholeNumber(
    t('panel.channel.channel', { last: count - 1 }),
    { min: 0, max: count - 1, value: place.channel },
    (value) => void go({ channel: value }),
  )
  const y = wholeNumber(
    t('panel.channel.y'),
    { min: 0, max: height - 1, value: place.y },
    (value) => void go({ y: value }),
  )
  const x = wholeNumber(
    t('panel.channel.x'),
    { min: 0, max: width - 1, value: place.x },
    (value) => void go({ x: value }),
  )
  const step = (/** @type {number} */ by) => () => void go({ channel: (place.channel + by + count) % count })
  const grid = height * width > 1
  return {
    bar: el(
      'div',
      { class: 'controls' },
      el('button', { type: 'button', 'aria-label': t('panel.channel.before'), onclick: step(-1) }, '‹'),
      channel.field,
      el('button', { type: 'button', 'aria-label': t('panel.channel.after'), onclick: step(1) }, '›'),
      grid && y.field,
      grid && x.field,
      grid && player(t, signal, () => go(nextPlace(place, height, width))),
    ),
    /** @param {Place} now */
    follow(now) {
      channel.input.value = String(now.channel)
      y.input.value = String(now.y)
      x.input.value = String(now.x)
    },
  }
}

/**
 * Row by row, as the sums are usually drawn; behind the last value the first.
 * @param {Place} place
 * @param {number} height
 * @param {number} width
 */
function nextPlace({ y, x }, height, width) {
  const next = (y * width + x + 1) % (height * width)
  return { y: Math.floor(next / width), x: next % width }
}

/**
 * @param {import('../context.js').Translate} t
 * @param {AbortSignal} signal
 * @param {() => Promise<void>} step
 */
function player(t, signal, step) {
  let playing = false
  const button = el(
    'button',
    { type: 'button', class: 'play', 'aria-pressed': 'false', onclick: () => (playing ? stop() : play()) },
    t('panel.channel.play'),
  )
  const stop = () => {
    playing = false
    button.textContent = t('panel.channel.play')
    button.setAttribute('aria-pressed', 'false')
  }
  const play = async () => {
    playing = true
    button.textContent = t('panel.channel.pause')
    button.setAttribute('aria-pressed', 'true')
    while (playing && !signal.aborted) await Promise.all([step(), pause(STEP_MS)])
  }
  return button
}

/** @param {number} milliseconds */
function pause(milliseconds) {
  return new Promise((resolve) => setTimeout(resolve, milliseconds))
}
