/** The panels' questions to the service, and each answer's other forms to take away. */

import * as client from './client.js'
import { downloads } from './downloads.js'
import { toMaps } from './maps.js'
import { readNpy, readNpz } from './npy.js'

/**
 * @typedef {import('./context.js').Context} Context
 * @typedef {import('./client.js').Query} Query
 */

/**
 * @param {Context} context
 * @param {string} path under the model's
 * @param {Query} query
 * @param {AbortSignal} signal
 * @param {Blob[]} [files] the picture, unless others are named
 */
export function json(context, path, query, signal, files = pictures(context)) {
  return client.json(`${client.modelPath(context.state)}/${path}`, { query, files, signal })
}

/**
 * @param {Context} context
 * @param {string} path
 * @param {Query} query without its format
 * @param {AbortSignal} signal
 * @param {Blob[]} [files]
 */
export async function npy(context, path, query, signal, files = pictures(context)) {
  return readNpy(await bytes(context, path, { ...query, format: 'npy' }, signal, files))
}

/**
 * @param {Context} context
 * @param {string} path
 * @param {Query} query without its format
 * @param {AbortSignal} signal
 * @param {Blob[]} [files]
 */
export async function npz(context, path, query, signal, files = pictures(context)) {
  return readNpz(await bytes(context, path, { ...query, format: 'npz' }, signal, files))
}

/**
 * @param {Context} context
 * @param {string} layer
 * @param {AbortSignal} signal
 */
export async function mapsOf(context, layer, signal) {
  return toMaps(await npy(context, 'feature-maps', { layers: layer }, signal))
}

/**
 * The picture as the network is given it.
 * @param {Context} context
 * @param {AbortSignal} signal
 */
export function received(context, signal) {
  return picture(context, 'received', {}, signal)
}

/**
 * @param {Context} context
 * @param {string} path
 * @param {Query} query without its format
 * @param {AbortSignal} signal
 */
export async function picture(context, path, query, signal) {
  const asked = { query: { ...query, format: 'png' }, files: pictures(context), signal }
  return createImageBitmap(await client.blob(`${client.modelPath(context.state)}/${path}`, asked))
}

/**
 * Buttons that ask anew in each form, and the command that asks for the first.
 * @param {Context} context
 * @param {string} path
 * @param {{png?: Query|null, npy?: Query|null, npz?: Query|null}} queries without their formats
 * @param {string} name of the files, without an ending
 * @param {Blob[]} [files]
 */
export function forms(context, path, queries, name, files = pictures(context)) {
  const whole = `${client.modelPath(context.state)}/${path}`
  const form = (/** @type {'png'|'npy'|'npz'} */ format) => {
    const query = queries[format]
    const asked = { query: { ...query, format }, files }
    return query ? { name: `${name}.${format}`, blob: () => client.blob(whole, asked), asked } : null
  }
  const [png, numbers] = [form('png'), form('npy') ?? form('npz')]
  const first = png ?? numbers
  return downloads({ png, npy: numbers, curl: first && client.curl(whole, first.asked) })
}

/**
 * @param {Context} context
 * @param {string} path
 * @param {Query} query
 * @param {AbortSignal} signal
 * @param {Blob[]} files
 */
async function bytes(context, path, query, signal, files) {
  const answer = await client.blob(`${client.modelPath(context.state)}/${path}`, { query, files, signal })
  return answer.arrayBuffer()
}

/** @param {Context} context */
function pictures({ picture }) {
  return picture ? [picture] : []
}
