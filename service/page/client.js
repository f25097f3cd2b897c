/**
 * The service, asked over HTTP. Addresses are relative to the page's own, so a proxy's prefix needs no setting.
 */

import { anotherToken, keptToken } from './token.js'

/**
 * @typedef {Record<string, string|number|boolean|null|undefined>} Query what is null or undefined is left out
 * @typedef {{method?: string, query?: Query, body?: Blob|null, files?: Blob[], signal?: AbortSignal}} Question
 *   `body` and each of `files` travel as a multipart field `file`
 */

/** What the service refused, in its own words. */
export class ServiceError extends Error {
  /** @param {{status: number, code: string, detail: string, remedy: string}} problem */
  constructor({ status, code, detail, remedy }) {
    super(remedy ? `${detail}; ${remedy}` : detail)
    this.name = 'ServiceError'
    this.status = status
    this.code = code
    this.detail = detail
    this.remedy = remedy
  }
}

/**
 * @param {string} path like `v1/models`, without a leading slash
 * @param {Question} [question]
 * @returns {Promise<any>}
 */
export async function json(path, question) {
  return (await answer(path, question)).json()
}

/**
 * @param {string} path
 * @param {Question} [question]
 * @returns {Promise<Blob>}
 */
export async function blob(path, question) {
  return (await answer(path, question)).blob()
}

/**
 * A picture of maps and what is needed to read it: ranges, colours, which cell is which channel.
 * @param {string} path
 * @param {Question} [question]
 * @returns {Promise<{blob: Blob, legend: any}>}
 */
export async function picture(path, question) {
  const response = await answer(path, question)
  return { blob: await response.blob(), legend: JSON.parse(response.headers.get('x-legend') ?? 'null') }
}

/**
 * `v1/models/NAME`, or `v1/models/NAME/versions/N` where the state names one.
 * @param {{model: string, version: number|null}} state
 */
export function modelPath({ model, version }) {
  const path = `v1/models/${encodeURIComponent(model)}`
  return version === null ? path : `${path}/versions/${version}`
}

/**
 * The command that asks the same in a shell.
 * @param {string} path
 * @param {{method?: string, query?: Query, files?: (Blob|string)[]}} [question] `files` as they are called on the disk
 */
export function curl(path, { method, query, files = [] } = {}) {
  const words = keptToken() ? ['curl', '-H', '"Authorization: Bearer $TOKEN"'] : ['curl']
  if (method && method !== (files.length ? 'POST' : 'GET')) words.push('-X', method)
  for (const file of files) words.push('-F', quoted(`file=@${typeof file === 'string' ? file : nameOf(file)}`))
  const format = query?.format
  if (format && ['png', 'npy', 'npz'].includes(String(format))) words.push('-o', `answer.${format}`)
  return [...words, quoted(address(path, query).href)].join(' ')
}

/**
 * @param {string} path
 * @param {Question} [question]
 */
async function answer(path, { method, query, body, files = [], signal } = {}) {
  const sent = form(body ? [body, ...files] : files)
  const request = { method: method ?? (sent ? 'POST' : 'GET'), body: sent, signal: signal ?? null }
  for (;;) {
    const token = keptToken()
    const headers = token ? { Authorization: `Bearer ${token}` } : {}
    const response = await fetch(address(path, query), { ...request, headers }).catch((error) => {
      throw error.name === 'AbortError' ? error : unreachable(error)
    })
    if (response.ok) return response
    if (response.status !== 401 || !(await anotherToken(token))) throw await refusal(response)
  }
}

/**
 * @param {string} path
 * @param {Query} [query]
 */
function address(path, query = {}) {
  const url = new URL(path, document.baseURI.split('#')[0])
  for (const [key, value] of Object.entries(query)) {
    if (value !== null && value !== undefined) url.searchParams.set(key, String(value))
  }
  url.search = url.search.replaceAll('%2C', ',').replaceAll('%2A', '*')
  return url
}

/** @param {Blob[]} files */
function form(files) {
  if (!files.length) return null
  const data = new FormData()
  for (const file of files) data.append('file', file, nameOf(file))
  return data
}

/** @param {Blob} file */
function nameOf(file) {
  return file instanceof File ? file.name : 'picture.png'
}

/** @param {string} word */
function quoted(word) {
  return /^[\w@=.:/-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`
}

/** @param {Error} error */
function unreachable(error) {
  return new ServiceError({ status: 0, code: 'unreachable', detail: error.message, remedy: '' })
}

/** @param {Response} response */
async function refusal(response) {
  const problem = await response.json().catch(() => ({}))
  const { code = 'unknown', detail = response.statusText || `HTTP ${response.status}`, remedy = '' } = problem
  return new ServiceError({ status: response.status, code, detail, remedy: remedy ?? '' })
}
