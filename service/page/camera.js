/** One photograph, taken in a dialog. The camera is off again when the dialog closes, however it does. */

import { el } from './elements.js'
import { t } from './language.js'

/** @returns {Promise<Blob|null>} null where it was closed without one */
export async function takePhotograph() {
  const stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: 'environment' } })
  const video = el('video', { autoplay: true, playsinline: true, muted: true })
  video.srcObject = stream
  try {
    return (await confirmed(video)) ? await still(video) : null
  } finally {
    for (const track of stream.getTracks()) track.stop()
  }
}

/** @param {HTMLVideoElement} video */
async function confirmed(video) {
  const dialog = el('dialog', { class: 'camera', 'aria-label': t('pictures.camera') }, video,
    el('form', { method: 'dialog', class: 'tools' },
      el('button', { value: 'take', class: 'primary' }, t('camera.take')),
      el('button', { value: 'cancel' }, t('cancel'))))
  document.body.append(dialog)
  dialog.showModal()
  await new Promise((resolve) => dialog.addEventListener('close', resolve, { once: true }))
  dialog.remove()
  return dialog.returnValue === 'take'
}

/** @param {HTMLVideoElement} video */
function still(video) {
  const canvas = el('canvas', { width: video.videoWidth, height: video.videoHeight })
  canvas.getContext('2d')?.drawImage(video, 0, 0)
  return new Promise((resolve) => canvas.toBlob(resolve, 'image/jpeg', 0.95))
}
