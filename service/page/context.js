/**
 * What a panel is given: the state, the picture, and what the service said of the model. Types only.
 *
 * @typedef {import('./state.js').State} State
 * @typedef {import('./answers.js').LayerTable} LayerTable
 * @typedef {import('./answers.js').Model} Model
 * @typedef {(key: string, values?: Record<string, string|number>) => string} Translate
 *
 * @typedef {{state: State, picture: Blob|null, pictureUrl: string|null, table: LayerTable, model: Model, t: Translate,
 *   signal: AbortSignal, say: (message: string) => void}} Context
 *   `pictureUrl` is an object URL that lives as long as the picture; `signal` is aborted when the state changes;
 *   `say` speaks to a screen reader
 *
 * @typedef {{show: (root: HTMLElement, context: Context) => Promise<void>}} PanelModule
 *   fills a `root` that is empty
 */
export {}
