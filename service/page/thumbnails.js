/** What each layer saw, small: its first maps, cut out of sheets of several layers, so that a strip costs few requests. */

import * as client from './client.js'
import { isAbort, problemText } from './problem.js'

const LAYERS_PER_SHEET = 12 // as many rows as the service puts on a page
const MAPS = 4

/**
 * @typedef {import('./answers.js').LayerRow} LayerRow
 * @typedef {{thumbnail: HTMLCanvasElement, row: LayerRow}} Place
 * @typedef {{top: number, cell_height: number, cell_width: number, channels: number[]}} SheetRow
 */

/**
 * Fills each place that is empty, sheet after sheet. One that is refused says so and ends none of the others.
 * @param {import('./context.js').Context} context
 * @param {Place[]} places
 */
export async function thumbnails({ state, picture, signal, say }, places) {
  if (!picture) return
  const empty = places.filter(({ row, thumbnail }) => row.stage === 'network' && row.output_shape && !thumbnail.classList.contains('filled'))
  for (let start = 0; start < empty.length && !signal.aborted; start += LAYERS_PER_SHEET) {
    await sheet(client.modelPath(state), picture, empty.slice(start, start + LAYERS_PER_SHEET), signal).catch((error) => {
      if (!isAbort(error)) say(problemText(error))
    })
  }
}

/**
 * @param {string} path the model's
 * @param {Blob} picture
 * @param {Place[]} places
 * @param {AbortSignal} signal
 */
async function sheet(path, picture, places, signal) {
  const query = { layers: places.map(({ row }) => row.id).join(','), format: 'png' }
  const { blob, legend } = await client.picture(`${path}/feature-maps`, { body: picture, query, signal })
  const image = await createImageBitmap(blob)
  if (places.length === 1) return whole(places[0], image) // a layer alone comes as a grid, not as a sheet
  places.forEach(({ thumbnail }, index) => cut(image, legend.rows[index], legend.pitch, thumbnail))
}

/**
 * @param {Place|undefined} place
 * @param {ImageBitmap} image
 */
function whole(place, image) {
  if (!place) return
  const { thumbnail } = place
  thumbnail.getContext('2d')?.drawImage(image, 0, 0, thumbnail.width, thumbnail.height)
  thumbnail.classList.add('filled')
}

/**
 * The first maps of a row, two by two; of a row of single values all of them side by side.
 * @param {ImageBitmap} image
 * @param {SheetRow} row
 * @param {number} pitch
 * @param {HTMLCanvasElement} thumbnail
 */
function cut(image, { top, cell_height, cell_width, channels }, pitch, thumbnail) {
  const maps = Math.min(channels.length, MAPS)
  const across = maps > 1 ? 2 : 1
  const side = thumbnail.width / across
  const context = thumbnail.getContext('2d')
  if (!context) return
  context.imageSmoothingEnabled = false
  context.clearRect(0, 0, thumbnail.width, thumbnail.height)
  for (let map = 0; map < maps; map++) {
    const [x, y] = [(map % across) * side, Math.floor(map / across) * side]
    context.drawImage(image, map * pitch, top, cell_width, cell_height, x, y, side - 2, side - 2)
  }
  thumbnail.classList.add('filled')
}
