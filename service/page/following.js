/** Links that go on from what the page shows now: their address is of when they were made. */

import { go } from './state.js'

/**
 * What a click on a link does. A new tab or window opens the address as it stands.
 * @param {() => Partial<import('./state.js').State>} change asked for when it is clicked
 */
export function following(change) {
  return (/** @type {MouseEvent} */ event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return
    event.preventDefault()
    go(change())
  }
}
