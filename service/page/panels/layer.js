/** A layer: what it saw, its row of the table, its filters before and after training. */

import { el } from '../elements.js'
import { filters } from './layer-filters.js'
import { layerMaps } from './layer-maps.js'
import { rowTable } from './layer-row.js'
import { hint, layerHint, layerTitle, namedLayer, section } from './sections.js'

const WITH_FILTERS = ['conv', 'transposed_conv', 'dense']

/** @type {import('../context.js').PanelModule['show']} */
export async function show(root, context) {
  const { t, picture } = context
  const row = namedLayer(context)
  if (!row) return root.replaceChildren(layerHint(context))
  const maps = el('div', { class: 'maps' })
  const kernels = el('div', { class: 'kernels' })
  const hasFilters = WITH_FILTERS.includes(row.kind) && row.stage === 'network'
  root.replaceChildren(
    layerTitle(row),
    section(t('panel.maps'), picture ? maps : hint(t('panel.picture.choose'))),
    el(
      'div',
      { class: 'parts' },
      section(t('panel.row'), rowTable(row, t)),
      hasFilters && section(t('panel.filters'), kernels),
    ),
  )
  if (picture) void layerMaps(maps, context, row)
  if (hasFilters) void filters(kernels, context, row)
}
