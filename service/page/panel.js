/** The lower part: one panel at a time, with its links, its progress and its errors. */

import { el } from './elements.js'
import { keepingFocus } from './focus.js'
import { following } from './following.js'
import { t } from './language.js'
import { isAbort, problemBox } from './problem.js'
import { PANELS, current, format } from './state.js'

/**
 * @typedef {import('./context.js').Context} Context
 * @typedef {import('./context.js').PanelModule} PanelModule
 */

/** Each panel is a module of its own, loaded when it is first opened. */
const MODULES = {
  layer: () => import('./panels/layer.js'),
  channel: () => import('./panels/channel.js'),
  compare: () => import('./panels/compare.js'),
  shift: () => import('./panels/shift.js'),
  activation: () => import('./panels/activation.js'),
  depth: () => import('./panels/depth.js'),
}
const PATIENCE_MS = 400

/**
 * @param {HTMLElement} nav
 * @param {Context} context
 */
export function showPanelLinks(nav, { state, table }) {
  const layer = state.layer ?? table.layers.find(({ kind }) => kind === 'conv')?.id ?? table.layers.at(-1)?.id ?? null
  const links = PANELS.map((panel) => {
    const needsLayer = panel === 'layer' || panel === 'channel'
    const to = { ...state, panel, layer: needsLayer ? layer : state.layer, channel: panel === 'channel' ? (state.channel ?? 0) : state.channel }
    // With what the panel has noted since, such as a scale of colours.
    const onclick = following(() => ({ panel, layer: current().layer ?? to.layer, channel: current().channel ?? to.channel }))
    return el('a', { href: format(to), 'data-key': panel, 'aria-current': panel === state.panel && 'page', onclick }, t(`panel.${panel}`))
  })
  keepingFocus(nav, () => nav.replaceChildren(...links))
}

/**
 * Shows the panel of the state in `root`; what takes long says so, and can be cancelled by `cancel`.
 * @param {HTMLElement} root
 * @param {Context} context
 * @param {{cancel: () => void, again: () => void}} on
 */
export async function showPanel(root, context, { cancel, again }) {
  const { panel } = context.state
  const inside = root.contains(document.activeElement)
  root.hidden = panel === 'strip'
  root.replaceChildren()
  if (panel === 'strip') return
  const busy = patience(cancel)
  root.before(busy.element)
  root.setAttribute('aria-label', t(`panel.${panel}`))
  root.setAttribute('aria-busy', 'true')
  try {
    const { show } = /** @type {PanelModule} */ (await MODULES[panel]())
    if (context.signal.aborted) return
    await show(root, context)
    if (inside) focusTitle(root)
  } catch (error) {
    if (!isAbort(error)) root.replaceChildren(problemBox(error, again))
  } finally {
    busy.end()
    if (!context.signal.aborted) root.removeAttribute('aria-busy')
  }
}

/**
 * Whoever went on by keys from something in the panel that is gone goes on from its title.
 * @param {HTMLElement} root
 */
function focusTitle(root) {
  const title = root.querySelector('h2')
  title?.setAttribute('tabindex', '-1')
  title?.focus()
}

/**
 * A line that appears where something takes long.
 * @param {() => void} cancel
 */
function patience(cancel) {
  const element = el('div', { class: 'busy', role: 'status', hidden: true },
    el('progress', { 'aria-label': t('busy') }), el('span', {}, t('busy')),
    el('button', { type: 'button', class: 'quiet', onclick: cancel }, t('cancel')))
  const timer = setTimeout(() => (element.hidden = false), PATIENCE_MS)
  const end = () => {
    clearTimeout(timer)
    element.remove()
  }
  return { element, end }
}
