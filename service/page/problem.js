/** What went wrong, in the service's words, with what would do. */

import { ServiceError } from './client.js'
import { el } from './elements.js'
import { t } from './language.js'

/** @param {unknown} error */
export function problemText(error) {
  if (error instanceof ServiceError && error.code === 'unreachable') return t('problem.unreachable')
  return error instanceof Error ? error.message : String(error)
}

/**
 * @param {unknown} error
 * @param {() => void} again
 */
export function problemBox(error, again) {
  const refused = error instanceof ServiceError && error.code !== 'unreachable' ? error : null
  return el('div', { class: 'problem', role: 'alert' },
    el('p', {}, el('strong', {}, refused?.detail ?? problemText(error))),
    refused?.remedy && el('p', {}, refused.remedy),
    el('button', { type: 'button', onclick: again }, t('problem.again')),
  )
}

/** @param {unknown} error */
export function isAbort(error) {
  return error instanceof Error && error.name === 'AbortError'
}
