/** The upper row: the picture, what the network received of it, and what it says. */

import { classBars } from './bars.js'
import * as client from './client.js'
import { drawingPaper } from './drawing.js'
import { el } from './elements.js'
import { keepDrawing, keepPicture, keptDrawing, keptPicture } from './keeping.js'
import { t } from './language.js'
import { followDropAndPaste, pictureChoice, sampleFile } from './pictures.js'
import { isAbort, problemBox } from './problem.js'
import { receivedPicture } from './received.js'
import { current, go } from './state.js'

/** @typedef {import('./answers.js').Model} Model */

const drawing = keptDrawing()
/** @type {Blob|null} */
let own = null

/**
 * @param {Model} model
 * @param {() => void} onPicture told when the picture is another one though the URL is the same
 */
export function inputRow(model, onPicture) {
  const path = client.modelPath(current())
  const bars = classBars({ path, classes: model.classes?.length ?? 0, onClass: (klass) => go({ panel: 'activation', klass }) })
  const paper = drawingPaper({ drawing, digitSide: digitSide(model), onStroke, onEnd })
  const nothing = () => el('p', { class: 'hint' }, t('received.none'))
  const received = el('div', { class: 'received-picture' }, nothing())
  /** @type {unknown} why the picture that the state names is not there */
  let missing = null

  function onStroke() {
    bars.update(paper.picture)
  }

  function onEnd() {
    keepDrawing(drawing)
    choose('drawing')
  }

  /** @param {string} name */
  function choose(name) {
    if (current().picture === name) onPicture()
    else go({ picture: name })
  }

  /** @param {Blob} chosen */
  async function chosenOwn(chosen) {
    own = chosen
    await keepPicture(chosen)
    choose('own')
  }

  /**
   * @param {AbortSignal} signal
   * @returns {Promise<Blob|null>} the picture that the state names
   */
  async function named(signal) {
    const name = current().picture
    if (name === 'drawing') return paper.picture()
    if (name === 'own') return (own ??= await keptPicture())
    return name?.startsWith('sample:') ? sampleFile(name.slice('sample:'.length), signal) : null
  }

  /**
   * @param {AbortSignal} signal
   * @returns {Promise<Blob|null>} the picture that the state names; null also where it cannot be had, which `show` tells
   */
  async function picture(signal) {
    try {
      missing = null
      return await named(signal)
    } catch (error) {
      if (!isAbort(error)) missing = error
      return null
    }
  }

  /**
   * @param {Blob|null} shown
   * @param {AbortSignal} signal
   */
  async function show(shown, signal) {
    bars.update(async () => shown)
    paper.element.classList.toggle('unused', shown !== null && current().picture !== 'drawing')
    markSample(choice)
    if (current().picture === 'drawing') paper.explain()
    if (!shown) return received.replaceChildren(missing ? problemBox(missing, onPicture) : nothing())
    try {
      received.replaceChildren(await receivedPicture(path, shown, signal))
    } catch (error) {
      if (!isAbort(error)) received.replaceChildren(problemBox(error, onPicture))
    }
  }

  accepted = chosenOwn
  const choice = pictureChoice({ onPicture: chosenOwn, onSample: (name) => choose(`sample:${name}`) })
  const element = [
    section('input.picture', paper.element, choice),
    section('input.received', received),
    section('input.classes', bars.element),
  ]
  return { element, picture, show }
}

/** @type {(picture: Blob) => void} whoever shows pictures now takes what is dropped or pasted */
let accepted = () => {}
followDropAndPaste((picture) => accepted(picture))

/**
 * A network for digits is given digits as it was trained on them; any other is given the drawing as it is.
 * @param {Model} model
 */
function digitSide({ classes, versions }) {
  const digits = classes?.length === 10 && classes.every((name, index) => name === String(index))
  const preprocessing = versions.find((version) => version.preprocessing)?.preprocessing
  return digits && preprocessing ? preprocessing.height : null
}

/**
 * Shows which sample is looked at.
 * @param {HTMLElement} choice
 */
function markSample(choice) {
  for (const button of choice.querySelectorAll('.sample')) {
    const name = button instanceof HTMLElement ? button.dataset['sample'] : ''
    button.setAttribute('aria-pressed', String(current().picture === `sample:${name}`))
  }
}

/**
 * @param {string} title
 * @param {...Node} children
 */
function section(title, ...children) {
  return el('section', { class: `box ${title.replace('.', '-')}` }, el('h2', {}, t(title)), ...children)
}
