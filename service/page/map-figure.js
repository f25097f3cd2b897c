/** A map with its caption, and marks on it in the map's own cells. */

import { el, svg } from './elements.js'
import { framed } from './heatmap.js'

/**
 * @typedef {{y: number, x: number, height?: number, width?: number, kind: string}} Mark
 */

export function mapFigure() {
  const place = el('div', { class: 'map' })
  const caption = el('figcaption')
  /** @type {SVGSVGElement|null} */
  let over = null
  return {
    figure: el('figure', { class: 'map-figure' }, place, caption),
    caption,
    place,
    /**
     * @param {HTMLCanvasElement} picture
     * @param {Parameters<typeof framed>[1]} size
     */
    draw(picture, size) {
      const { frame, drawing } = framed(picture, size)
      over = drawing
      place.replaceChildren(frame)
    },
    /** @param {Mark[]} marks */
    mark(marks) {
      over?.replaceChildren(...marks.map(square))
    },
  }
}

/** @param {Mark} mark */
function square({ y, x, height = 1, width = 1, kind }) {
  return svg('rect', { x, y, width, height, class: kind, 'vector-effect': 'non-scaling-stroke' })
}
