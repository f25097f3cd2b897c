/** How often each range of values occurs, as bars of equal width. */

import { el, svg } from './elements.js'
import { figure } from './numbers.js'

/**
 * @typedef {{counts: number[], edges: number[]}} Histogram
 * @param {Histogram} histogram
 * @param {string} caption
 */
export function histogram({ counts, edges }, caption) {
  const most = Math.max(...counts, 1)
  const bars = counts.map((count, index) => {
    // By the square root: a rare value would be no pixel high beside the zeros.
    const height = 100 * Math.sqrt(count / most)
    const between = `${figure(edges[index], 3)} … ${figure(edges[index + 1], 3)}: ${count.toLocaleString('en')}`
    return svg('rect', { x: index, y: 100 - height, width: 0.9, height }, svg('title', {}, between))
  })
  return el(
    'figure',
    { class: 'histogram' },
    svg(
      'svg',
      { viewBox: `0 0 ${counts.length} 100`, preserveAspectRatio: 'none', role: 'img', 'aria-label': caption },
      ...bars,
    ),
    el('div', { class: 'marks' }, el('span', {}, figure(edges[0], 3)), el('span', {}, figure(edges.at(-1), 3))),
    el('figcaption', {}, caption),
  )
}
