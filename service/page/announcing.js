/** One line that a screen reader speaks, and that others see for a moment. */

/** @type {number|undefined} */
let timer

/** @param {string} message */
export function say(message) {
  const line = document.getElementById('said')
  if (!line) return
  line.textContent = message
  line.classList.add('shown')
  clearTimeout(timer)
  timer = setTimeout(() => line.classList.remove('shown'), 4000)
}
