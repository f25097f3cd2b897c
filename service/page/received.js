/** The exact picture that the network was given: every map and every overlay refers to it, not to what was sent. */

import * as client from './client.js'
import { downloads } from './downloads.js'
import { el } from './elements.js'
import { t } from './language.js'

const SHOWN = 196 // pixels; seven for each of MNIST's 28

/**
 * @param {string} path the model's
 * @param {Blob} picture
 * @param {AbortSignal} signal
 */
export async function receivedPicture(path, picture, signal) {
  const what = await client.json(`${path}/received`, { body: picture, query: { format: 'json' }, signal })
  const { width, height } = what.received
  const query = { format: 'png', magnification: Math.max(1, Math.floor(SHOWN / Math.max(width, height))) }
  const shown = await client.blob(`${path}/received`, { body: picture, query, signal })
  const src = URL.createObjectURL(shown)
  const image = el('img', { src, class: 'pixels', alt: t('received.alt'), onload: () => URL.revokeObjectURL(src) })
  return el('figure', { class: 'received' }, image, el('figcaption', {}, el('p', {}, sentence(what)), resized(what.resize)), taken(path, picture))
}

/** @param {{sent: {width: number, height: number}, received: {width: number, height: number}, color: string, resize: string}} what */
function sentence({ sent, received, color }) {
  return t('received.sentence', {
    sent: `${sent.width} × ${sent.height}`,
    received: `${received.width} × ${received.height}`,
    colour: t(`received.${color}`),
  })
}

/** @param {string} how in the service's words; `none` where nothing was resized */
function resized(how) {
  return !how.startsWith('none') && el('p', { lang: 'en' }, how)
}

/**
 * @param {string} path
 * @param {Blob} picture
 */
function taken(path, picture) {
  const address = `${path}/received`
  /** @param {string} format */
  const fetched = (format) => () => client.blob(address, { body: picture, query: { format } })
  return downloads({
    png: { name: 'received.png', blob: fetched('png') },
    npy: { name: 'received.npy', blob: fetched('npy') },
    curl: client.curl(address, { query: { format: 'png' }, files: [picture] }),
  })
}
