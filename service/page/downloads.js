/** A row of buttons under a picture: the picture, its numbers, and the command that asks for it. */

import { say } from './announcing.js'
import { el } from './elements.js'
import { t } from './language.js'

/**
 * @typedef {{name: string, blob: () => Promise<Blob>}} Download what a file is called, and its bytes once they are
 *   wanted
 * @param {{png?: Download|null, npy?: Download|null, curl?: string|null}} offered
 */
export function downloads({ png, npy, curl }) {
  return el(
    'div',
    { class: 'downloads', role: 'group', 'aria-label': t('downloads.label') },
    png && fileButton('PNG', png),
    npy && fileButton('npy', npy),
    curl && curlButton(curl),
  )
}

/**
 * @param {string} label
 * @param {Download} download
 */
function fileButton(label, download) {
  return el('button', { type: 'button', class: 'quiet', title: download.name, onclick: () => save(download) }, label)
}

/** @param {string} command */
function curlButton(command) {
  return el('button', { type: 'button', class: 'quiet', title: command, onclick: () => copy(command) }, t('downloads.curl'))
}

/** @param {Download} download */
async function save({ name, blob }) {
  try {
    const href = URL.createObjectURL(await blob())
    el('a', { href, download: name }).click()
    setTimeout(() => URL.revokeObjectURL(href), 60_000)
  } catch (error) {
    say(String(error instanceof Error ? error.message : error))
  }
}

/** @param {string} command */
async function copy(command) {
  try {
    await navigator.clipboard.writeText(command)
    say(t('downloads.copied'))
  } catch {
    say(command) // without https there is no clipboard; then at least it can be read
  }
}
