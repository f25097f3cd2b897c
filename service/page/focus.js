/** Focus survives what is made anew: whoever goes by keys stays where they are. */

/**
 * Makes the children of `root` anew by `change`, and focuses the one that has the same `data-key` or `id` as the one
 * that had the focus, or the button beside it where that one is disabled now.
 * @param {HTMLElement} root
 * @param {() => void} change
 */
export function keepingFocus(root, change) {
  const focused = document.activeElement
  const key = focused instanceof HTMLElement && root.contains(focused) ? keyOf(focused) : ''
  change()
  if (key) focusOn(root, key)
}

/**
 * @param {HTMLElement} root
 * @param {string} key
 */
export function focusOn(root, key) {
  const all = /** @type {HTMLElement[]} */ ([...root.querySelectorAll('[data-key], [id]')])
  const same = all.find((element) => keyOf(element) === key)
  const near = same?.matches(':disabled') ? same.parentElement?.querySelector('button:enabled') : same
  if (near instanceof HTMLElement) near.focus()
}

/** @param {HTMLElement} element */
function keyOf(element) {
  return element.dataset['key'] ?? element.id
}
