/** Where a picture comes from: a file, a drop, the clipboard, the camera, or the samples that come along. */

import { say } from './announcing.js'
import { takePhotograph } from './camera.js'
import * as client from './client.js'
import { el } from './elements.js'
import { t } from './language.js'
import { SAMPLES } from './samples.js'

/**
 * @typedef {{onPicture: (picture: Blob) => void, onSample: (name: string) => void}} Chosen
 */

/**
 * The buttons, with the samples under them.
 * @param {Chosen} chosen
 */
export function pictureChoice({ onPicture, onSample }) {
  const file = el('input', { type: 'file', accept: 'image/*', id: 'file', class: 'visually-hidden', onchange: () => pickedOnce(file, onPicture) })
  const camera = navigator.mediaDevices && el('button', { type: 'button', onclick: () => photographed(onPicture) }, t('pictures.camera'))
  return el('div', { class: 'pictures' },
    el('div', { class: 'tools' }, file, el('label', { for: 'file', class: 'button' }, t('pictures.file')), camera),
    el('p', { class: 'hint' }, t('pictures.hint')),
    el('ul', { class: 'samples', 'aria-label': t('pictures.samples') }, ...SAMPLES.map((name) => sampleItem(name, onSample))),
  )
}

/**
 * Pictures that are dropped anywhere on the page, or pasted.
 * @param {(picture: Blob) => void} onPicture
 */
export function followDropAndPaste(onPicture) {
  document.addEventListener('dragover', (event) => {
    if (event.dataTransfer?.types.includes('Files')) event.preventDefault()
  })
  document.addEventListener('drop', (event) => {
    if (!event.dataTransfer?.files.length) return
    event.preventDefault()
    picked(event.dataTransfer.files, onPicture)
  })
  document.addEventListener('paste', (event) => {
    if (event.clipboardData?.files.length) picked(event.clipboardData.files, onPicture)
  })
}

/**
 * A sample, as `picture` in the URL names it. Raises what the service says where there is none.
 * @param {string} name
 * @param {AbortSignal} signal
 */
export async function sampleFile(name, signal) {
  return new File([await client.blob(sampleAddress(name).href, { signal })], `${name}.png`, { type: 'image/png' })
}

/** @param {string} name */
function sampleAddress(name) {
  return new URL(`./samples/${encodeURIComponent(name)}.png`, import.meta.url)
}

/**
 * The same file may be chosen again, after something else was shown.
 * @param {HTMLInputElement} file
 * @param {(picture: Blob) => void} onPicture
 */
function pickedOnce(file, onPicture) {
  picked(file.files, onPicture)
  file.value = ''
}

/**
 * @param {FileList|null} files
 * @param {(picture: Blob) => void} onPicture
 */
function picked(files, onPicture) {
  const picture = [...(files ?? [])].find(({ type }) => type.startsWith('image/'))
  if (picture) onPicture(picture)
  else if (files?.length) say(t('pictures.none', { name: files[0]?.name ?? '' }))
}

/** @param {(picture: Blob) => void} onPicture */
async function photographed(onPicture) {
  try {
    const photograph = await takePhotograph()
    if (photograph) onPicture(photograph)
  } catch (error) {
    say(t('pictures.no_camera', { reason: error instanceof Error ? error.message : String(error) }))
  }
}

/**
 * @param {string} name
 * @param {(name: string) => void} onSample
 */
function sampleItem(name, onSample) {
  const image = el('img', { src: sampleAddress(name).href, alt: t(`sample.${name}`), width: 48, height: 48 })
  return el('li', {}, el('button', { type: 'button', class: 'sample', 'data-sample': name, onclick: () => onSample(name) }, image))
}
