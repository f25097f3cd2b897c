/** The top line: which model and version is looked into, in which language, and the way to the API. */

import { el } from './elements.js'
import { keepingFocus } from './focus.js'
import { t } from './language.js'
import { current, go } from './state.js'

/**
 * @typedef {import('./answers.js').Model} Model
 * @typedef {import('./answers.js').ModelVersion} ModelVersion
 */

/** Whether the service shows its API, which an operator may have switched off. */
const documented = fetch('docs', { method: 'HEAD' }).then(({ ok }) => ok, () => false)

/**
 * @param {HTMLElement} root
 * @param {string[]} names of the models that answer
 * @param {Model|null} model the one that is shown
 */
export function showHeader(root, names, model) {
  const { model: name, version } = current()
  const parts = [
    el('h1', {}, el('a', { href: '#', class: 'brand' }, mark(), 'Fovea')),
    el('div', { class: 'choices' },
      choice('model', t('header.model'), names.map((one) => [one, one]), name, (chosen) => go({ ...fresh(), model: chosen })),
      model && choice('version', t('header.version'), versions(model), version === null ? '' : String(version),
        (chosen) => go({ version: chosen === '' ? null : Number(chosen) })),
    ),
    el('nav', { class: 'links', 'aria-label': t('header.links') },
      linkToApi(),
      languageButton()),
  ]
  keepingFocus(root, () => root.replaceChildren(...parts))
}

/** What a state says of another model's layers means nothing to this one. */
function fresh() {
  return /** @type {const} */ ({ version: null, panel: 'strip', layer: null, channel: null, y: null, x: null, other: null, klass: null, target: null })
}

/**
 * @param {Model} model
 * @returns {[string, string][]}
 */
function versions({ versions: all }) {
  const ready = all.filter(({ state }) => state === 'ready')
  const best = ready.find((version) => version.default)
  const named = ready.map((version) => /** @type {[string, string]} */ ([String(version.version), versionText(version)]))
  return best ? [['', t('header.default', { version: best.version })], ...named] : named
}

/** @param {ModelVersion} version */
function versionText({ version, provenance, metrics }) {
  const accuracy = metrics ? `${(100 * metrics.accuracy).toFixed(2)} %` : null
  const stage = provenance ? t(`stage.${provenance.stage}`) : null
  return [String(version), stage, accuracy].filter((word) => word !== null).join(' · ')
}

/**
 * @param {string} id
 * @param {string} label
 * @param {[string, string][]} options
 * @param {string} chosen
 * @param {(value: string) => void} choose
 */
function choice(id, label, options, chosen, choose) {
  // What the URL names and cannot be shown is not there to choose, but another one must be a choice.
  const all = options.some(([value]) => value === chosen) ? options : [[chosen, chosen], ...options]
  const select = el('select', { id, onchange: () => choose(select.value) },
    ...all.map(([value, text]) => el('option', { value, selected: value === chosen }, text)))
  return el('label', { for: id }, el('span', {}, label), select)
}

function linkToApi() {
  const link = el('a', { href: 'docs', hidden: true }, 'API')
  void documented.then((shown) => { link.hidden = !shown })
  return link
}

function languageButton() {
  const other = current().language === 'ko' ? 'en' : 'ko'
  const name = { en: 'English', ko: '한국어' }[other]
  return el('button', { type: 'button', class: 'quiet', lang: other, id: 'language', onclick: () => go({ language: other }) }, name)
}

function mark() {
  return el('span', { class: 'mark', 'aria-hidden': 'true' })
}
