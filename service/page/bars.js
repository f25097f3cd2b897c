/** The classes, each with its probability as a bar and its logit; the same rows are kept while the numbers change. */

import * as client from './client.js'
import { el } from './elements.js'
import { t } from './language.js'
import { latest } from './latest.js'
import { problemText } from './problem.js'

/** @typedef {import('./answers.js').Prediction} Prediction */

// So many classes stand in their own order, where a row that moves would tell nothing; of more, the best ones are shown.
const FEW = 12
const BEST = 8

/**
 * @param {{path: string, classes: number, onClass: (index: number) => void}} of `path` is the model's
 */
export function classBars({ path, classes, onClass }) {
  const few = classes <= FEW
  const rows = Array.from({ length: few ? classes : Math.min(classes, BEST) }, () => row(onClass))
  const verdict = el('p', { class: 'verdict', 'aria-live': 'polite' }, t('bars.none'))
  const body = el('tbody', {}, ...rows.map(({ element }) => element))
  const table = el('table', { class: 'bars' }, el('caption', { class: 'visually-hidden' }, t('bars.title')), head(), body)

  /** @param {Prediction[]} predictions best first */
  function fill(predictions) {
    const best = predictions[0]
    verdict.replaceChildren(...(best ? [el('strong', {}, best.label), ` ${percent(best.probability)}`] : [t('bars.none')]))
    const ordered = few ? [...predictions].sort((a, b) => a.index - b.index) : predictions
    rows.forEach(({ update }, place) => update(ordered[place] ?? null, ordered[place]?.index === best?.index))
  }

  // The picture is made when its turn comes: of a line that grows, most states are never asked about.
  const update = latest(/** @param {() => Promise<Blob|null>} pictureOf */ async (pictureOf) => {
    try {
      const picture = await pictureOf()
      fill(picture ? await predictions(path, picture, few ? classes : BEST) : [])
    } catch (error) {
      fill([])
      verdict.textContent = problemText(error)
    }
  })
  return { element: el('div', { class: 'classes' }, verdict, table), update }
}

/**
 * @param {string} path
 * @param {Blob} picture
 * @param {number} top
 * @returns {Promise<Prediction[]>}
 */
async function predictions(path, picture, top) {
  const { results } = await client.json(`${path}/classify`, { body: picture, query: { top } })
  const [result] = results
  if (result.error) throw new client.ServiceError(result.error)
  return result.predictions
}

/** @param {(index: number) => void} onClass */
function row(onClass) {
  let index = -1
  const label = el('button', { type: 'button', class: 'link', onclick: () => index >= 0 && onClass(index) })
  const fill = el('span', { class: 'fill' })
  const probability = el('td', { class: 'number' })
  const logit = el('td', { class: 'number logit' })
  const element = el('tr', {}, el('th', { scope: 'row' }, label), el('td', { class: 'bar', 'aria-hidden': 'true' }, fill), probability, logit)

  /**
   * @param {Prediction|null} prediction
   * @param {boolean} best
   */
  function update(prediction, best) {
    index = prediction?.index ?? -1
    if (prediction) label.textContent = prediction.label
    label.title = t('bars.why', { label: label.textContent ?? '' })
    element.classList.toggle('best', best && prediction !== null)
    fill.style.setProperty('width', `${100 * (prediction?.probability ?? 0)}%`)
    probability.textContent = prediction ? percent(prediction.probability) : ''
    logit.textContent = prediction?.logit?.toFixed(2) ?? ''
    if (prediction) element.dataset['probability'] = String(prediction.probability)
  }
  return { element, update }
}

function head() {
  const names = ['bars.class', 'bars.bar', 'bars.probability', 'bars.logit'].map((key) => t(key))
  return el('thead', {}, el('tr', {}, ...names.map((name, place) => el('th', { scope: 'col', class: place > 1 ? 'number' : '' }, name))))
}

/** @param {number} share */
function percent(share) {
  return `${(100 * share).toFixed(share > 0.9995 || share < 0.0005 ? 2 : 1)} %`
}
