/** The page's words: which language is spoken, and each text in it. */

import { en } from './i18n/en.js'
import { ko } from './i18n/ko.js'
import { current } from './state.js'

const TEXTS = { en, ko }

/**
 * The text of `key` in the language of the state, `{name}` replaced by `values.name`. A key that is missing shows
 * itself.
 * @param {string} key
 * @param {Record<string, string|number>} [values]
 */
export function t(key, values = {}) {
  const text = /** @type {Record<string, string>} */ (TEXTS[current().language])[key] ?? key
  return text.replace(/\{(\w+)\}/g, (whole, name) => String(values[name] ?? whole))
}
