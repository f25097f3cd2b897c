/** What a picture is compared with: the same in another version of the model, or another picture. */

import { listOf } from '../choices.js'
import { el } from '../elements.js'
import { sampleFile } from '../pictures.js'
import { SAMPLES } from '../samples.js'

/**
 * @typedef {import('../context.js').Context} Context
 * @typedef {{name: string, query: import('../client.js').Query, files: Blob[]}} Other its name, and how it is asked for
 */

/** @type {File|null} a second picture of one's own: no URL can name it, so it lives as long as the page */
let own = null

/**
 * @param {Context} context
 * @param {(words: string) => void} choose given what the URL is to say: `version:0`, `sample:seven` or `own`
 */
export function otherChoice(context, choose) {
  const { t, state } = context
  const options = [...versions(context), ...samples(context), { value: 'own', text: t('panel.compare.own') }]
  const wanted = state.other === 'own' && !own ? null : state.other
  const chosen = options.find(({ value }) => value === wanted)?.value ?? options[0].value
  const list = listOf(t('panel.compare.with'), options, chosen, (words) =>
    words === 'own' && !own ? file.click() : choose(words),
  )
  const file = el('input', {
    type: 'file',
    accept: 'image/*',
    'aria-label': t('panel.compare.own'),
    onchange: () => picked(),
  })
  const picked = () => {
    own = file.files?.[0] ?? own
    const select = list.querySelector('select')
    if (own && select) select.value = 'own'
    if (own) choose('own')
  }
  return {
    controls: el(
      'div',
      { class: 'controls' },
      list,
      el('label', { class: 'field' }, el('span', {}, t('panel.compare.file')), file),
    ),
    chosen,
  }
}

/**
 * The other side as the words name it; null where there is nothing yet to compare with.
 * @param {Context} context
 * @param {string} words
 * @param {AbortSignal} signal
 * @returns {Promise<Other|null>}
 */
export async function otherSide({ t, picture }, words, signal) {
  const [kind, name = ''] = words.split(':')
  if (!picture) return null
  if (kind === 'version')
    return { name: t('panel.compare.version', { version: name }), query: { with_version: name }, files: [picture] }
  if (kind === 'sample') return { name: sampleName(t, name), query: {}, files: [picture, await sampleFile(name, signal)] }
  return own && { name: own.name, query: {}, files: [picture, own] }
}

/** @param {Context} context */
function versions({ model, table, t }) {
  const others = model.versions.filter(({ state, version }) => state === 'ready' && version !== table.version)
  return others
    .sort((one, other) => one.version - other.version)
    .map(({ version, provenance }) => ({
      value: `version:${version}`,
      text: `${t('panel.compare.version', { version })}${provenance ? `, ${t(`stage.${provenance.stage}`)}` : ''}`,
    }))
}

/** @param {Context} context */
function samples({ state, t }) {
  const others = SAMPLES.filter((name) => state.picture !== `sample:${name}`)
  return others.map((name) => ({ value: `sample:${name}`, text: sampleName(t, name) }))
}

/**
 * @param {import('../context.js').Translate} t
 * @param {string} name
 */
function sampleName(t, name) {
  return t('panel.compare.sample', { name: t(`sample.${name}`) })
}
