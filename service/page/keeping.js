/**
 * What a reload must not lose: the drawing and the picture of one's own, kept in this tab's session.
 *
 * A picture stays on this machine; the service is sent it with each question and keeps nothing.
 */

/** @typedef {import('./strokes.js').Drawing} Drawing */

const DRAWING = 'fovea.drawing'
const OWN = 'fovea.own'

/** @returns {Drawing} */
export function keptDrawing() {
  try {
    return JSON.parse(sessionStorage.getItem(DRAWING) ?? '') ?? empty()
  } catch {
    return empty()
  }
}

/** @param {Drawing} drawing */
export function keepDrawing(drawing) {
  kept(DRAWING, JSON.stringify(drawing))
}

/** @returns {Promise<Blob|null>} */
export async function keptPicture() {
  const { type, name, data } = JSON.parse(sessionStorage.getItem(OWN) ?? '{}')
  return data ? new File([Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0))], name, { type }) : null
}

/**
 * @param {Blob} picture
 * @returns {Promise<boolean>} false where the browser has no room for it: then it is gone after a reload
 */
export async function keepPicture(picture) {
  const bytes = new Uint8Array(await picture.arrayBuffer())
  const pieces = []
  for (let start = 0; start < bytes.length; start += 0x8000) {
    pieces.push(String.fromCharCode(...bytes.subarray(start, start + 0x8000)))
  }
  const name = picture instanceof File ? picture.name : 'picture.png'
  return kept(OWN, JSON.stringify({ type: picture.type, name, data: btoa(pieces.join('')) }))
}

/**
 * @param {string} key
 * @param {string} value
 */
function kept(key, value) {
  try {
    sessionStorage.setItem(key, value)
    return true
  } catch {
    sessionStorage.removeItem(key)
    return false
  }
}

/** @returns {Drawing} */
function empty() {
  return { strokes: [], chalk: false }
}
