/** Elements made in one expression. No inline style and no inline script: a strict content security policy holds. */

const SVG = 'http://www.w3.org/2000/svg'

/**
 * @typedef {Node|string|number|null|undefined|false} Child what is null or false is left out
 * @typedef {Record<string, any>} Attributes `onclick` and the like are listeners; `style` is an object of properties;
 *   true is an empty attribute, false and null none
 */

/**
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Attributes} [attributes]
 * @param {...Child} children
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export function el(tag, attributes = {}, ...children) {
  return filled(document.createElement(tag), attributes, children)
}

/**
 * @template {keyof SVGElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Attributes} [attributes]
 * @param {...Child} children
 * @returns {SVGElementTagNameMap[Tag]}
 */
export function svg(tag, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, tag), attributes, children)
}

/**
 * @template {HTMLElement|SVGElement} Made
 * @param {Made} element
 * @param {Attributes} attributes
 * @param {Child[]} children
 */
function filled(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) set(element, name, value)
  for (const child of children) {
    if (child !== null && child !== undefined && child !== false) element.append(/** @type {Node|string} */ (child))
  }
  return element
}

/**
 * @param {HTMLElement|SVGElement} element
 * @param {string} name
 * @param {any} value
 */
function set(element, name, value) {
  if (value === null || value === undefined || value === false) return
  if (name.startsWith('on')) element.addEventListener(name.slice(2), value)
  else if (name === 'style') for (const [key, one] of Object.entries(value)) element.style.setProperty(key, String(one))
  else element.setAttribute(name, value === true ? '' : String(value))
}
