/** The token of a service that wants one: asked for in a dialog, kept in this tab's session, sent with each question. */

import { el } from './elements.js'
import { t } from './language.js'

const KEY = 'fovea.token'
const CHARACTERS = '[!-~]+' // what a header can carry: another one could never be sent

/** @type {Promise<boolean>|null} one dialog, however many questions wait for it */
let asking = null

/** @returns {string|null} */
export function keptToken() {
  const kept = sessionStorage.getItem(KEY)
  return kept && RegExp(`^${CHARACTERS}$`).test(kept) ? kept : null
}

/**
 * Asks for another one than what was `refused`; at once where it has been replaced meanwhile.
 * @param {string|null} refused
 * @returns {Promise<boolean>} false where nobody gave one
 */
export function anotherToken(refused) {
  if (asking) return asking
  if (keptToken() !== refused) return Promise.resolve(true)
  asking = asked(refused).finally(() => (asking = null))
  return asking
}

/** @param {string|null} refused */
async function asked(refused) {
  const field = el('input', {
    type: 'password', id: 'token', required: true, autocomplete: 'off', spellcheck: 'false',
    pattern: `\\s*${CHARACTERS}\\s*`, title: t('token.characters'),
  })
  const dialog = el('dialog', { class: 'token', 'aria-label': t('token.label') },
    el('form', { method: 'dialog' },
      el('p', {}, t(refused ? 'token.refused' : 'token.wanted')),
      el('label', { for: 'token' }, t('token.label'), field),
      el('div', { class: 'tools' },
        el('button', { value: 'send', class: 'primary' }, t('token.send')),
        el('button', { value: 'cancel', formnovalidate: true }, t('cancel')))))
  document.body.append(dialog)
  dialog.showModal()
  await new Promise((resolve) => dialog.addEventListener('close', resolve, { once: true }))
  dialog.remove()
  if (dialog.returnValue !== 'send') return false
  sessionStorage.setItem(KEY, field.value.trim())
  return true
}
