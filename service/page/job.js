/**
 * Work that may take long: it shows that it goes on and for how long, can be cancelled, and says what to do where it
 * fails.
 */

import { el } from './elements.js'
import { isAbort, problemBox } from './problem.js'

/** @typedef {import('./context.js').Context} Context */

const PATIENCE_MS = 300 // what is quicker must not flicker

/** @type {WeakMap<HTMLElement, AbortController>} */
const running = new WeakMap()

/**
 * Fills `root` with what `work` answers. What `root` showed stays until then; a job that still works on it is ended.
 * @param {HTMLElement} root
 * @param {Context} context
 * @param {(signal: AbortSignal) => Promise<Node[]>} work
 */
export async function job(root, context, work) {
  running.get(root)?.abort()
  const stop = new AbortController()
  running.set(root, stop)
  const waiting = setTimeout(() => root.prepend(progress(context, stop)), PATIENCE_MS)
  root.setAttribute('aria-busy', 'true')
  try {
    root.replaceChildren(...(await work(AbortSignal.any([context.signal, stop.signal]))))
  } catch (error) {
    if (context.signal.aborted || running.get(root) !== stop) return
    const again = () => void job(root, context, work)
    root.replaceChildren(isAbort(error) ? cancelled(context, again) : problemBox(error, again))
  } finally {
    clearTimeout(waiting)
    if (running.get(root) === stop) root.removeAttribute('aria-busy')
  }
}

/**
 * @param {Context} context
 * @param {AbortController} stop
 */
function progress({ t }, stop) {
  const begun = performance.now()
  const seconds = el('span', { class: 'seconds' })
  const cancel = el('button', { type: 'button', class: 'quiet', onclick: () => stop.abort() }, t('cancel'))
  const line = el(
    'div',
    { class: 'busy', role: 'status' },
    el('progress', { 'aria-label': t('busy') }),
    seconds,
    cancel,
  )
  const ticking = setInterval(() => {
    if (!line.isConnected) return clearInterval(ticking)
    seconds.textContent = t('panel.seconds', { seconds: Math.round((performance.now() - begun) / 1000) })
  }, 1000)
  return line
}

/**
 * @param {Context} context
 * @param {() => void} again
 */
function cancelled({ t }, again) {
  return el(
    'div',
    { class: 'cancelled' },
    el('p', {}, t('panel.cancelled')),
    el('button', { type: 'button', onclick: again }, t('problem.again')),
  )
}
