/**
 * The network as cards in a row: which layers stand on one card, and which card reads which. Pure functions of the
 * table's rows; knows no element.
 */

/**
 * @typedef {import('./answers.js').LayerRow} LayerRow
 * @typedef {{name: string, rows: LayerRow[], folded: boolean}} Card `folded` where it stands for several layers
 * @typedef {{from: number, to: number, lane: number}} Arc from card to card, not neighbours; lane 0 is the lowest
 */

// A row of more cards is no picture any more.
const MANY = 24

/**
 * The cards of a network: what prepares its picture on one; of a deep network each block of its author's on one, unless
 * it is in `opened`.
 * @param {LayerRow[]} rows
 * @param {ReadonlySet<string>} opened names of cards
 * @returns {Card[]}
 */
export function cards(rows, opened) {
  const deep = rows.filter(({ stage }) => stage === 'network').length > MANY
  return runs(rows, deep).flatMap(/** @returns {Card[]} */ ({ name, rows: run }) => {
    if (name !== null && run.length > 1 && !opened.has(name)) return [{ name, rows: run, folded: true }]
    return run.map((row) => ({ name: row.id, rows: [row], folded: false }))
  })
}

/**
 * The names of the cards that can be folded.
 * @param {LayerRow[]} rows
 */
export function foldable(rows) {
  return cards(rows, new Set()).filter(({ folded }) => folded).map(({ name }) => name)
}

/**
 * Which cards read which: `neighbours` are the cards that read the one before them, `arcs` all other edges.
 * @param {Card[]} shown
 * @returns {{neighbours: Set<number>, arcs: Arc[], lanes: number}}
 */
export function edges(shown) {
  const cardOf = new Map(shown.flatMap(({ rows }, index) => rows.map(({ id }) => [id, index])))
  const neighbours = new Set([0])
  /** @type {Map<string, {from: number, to: number}>} */
  const others = new Map()
  shown.forEach(({ rows }, to) => {
    for (const from of rows.flatMap(({ inputs }) => inputs.map((id) => cardOf.get(id)))) {
      if (from === undefined || from === to) continue
      if (from === to - 1) neighbours.add(to)
      else others.set(`${from} ${to}`, { from, to })
    }
  })
  const arcs = inLanes([...others.values()])
  return { neighbours, arcs, lanes: Math.max(0, ...arcs.map(({ lane }) => lane + 1)) }
}

/**
 * What colour a layer has.
 * @param {string} kind
 */
export function family(kind) {
  if (/conv/.test(kind)) return 'conv'
  if (/pool/.test(kind)) return 'pool'
  if (/norm/.test(kind)) return 'norm'
  if (/dense|matmul|gemm/.test(kind)) return 'dense'
  if (/relu|elu|silu|sigmoid|tanh|swish|mish|softmax|softplus|clip/.test(kind)) return 'activation'
  return 'other'
}

/**
 * Layers that follow each other and belong together.
 * @param {LayerRow[]} rows
 * @param {boolean} deep
 */
function runs(rows, deep) {
  /** @type {{name: string|null, rows: LayerRow[]}[]} */
  const found = []
  rows.forEach((row, index) => {
    const name = runName(rows, index, deep)
    const last = found.at(-1)
    if (last && name !== null && last.name !== null && within(name, last.name)) last.rows.push(row)
    else found.push({ name, rows: [row] })
  })
  return found
}

/**
 * Whether a block is the other one or a part of it, as `layer2.0.downsample` is of `layer2.0`.
 * @param {string} name
 * @param {string} block
 */
function within(name, block) {
  return name === block || name.startsWith(`${block}.`) || name.startsWith(`${block}/`)
}

/**
 * @param {LayerRow[]} rows
 * @param {number} index
 * @param {boolean} deep
 */
function runName(rows, index, deep) {
  const row = /** @type {LayerRow} */ (rows[index])
  if (row.stage !== 'network') return row.stage
  if (!deep) return null
  // A layer without a block of its own, such as an activation, belongs to the block around it.
  return blockOf(row) ?? around(rows, index)
}

/** @param {LayerRow} row */
function blockOf({ id }) {
  const end = Math.max(id.lastIndexOf('.'), id.lastIndexOf('/'))
  return end > 0 ? id.slice(0, end) : null
}

/**
 * @param {LayerRow[]} rows
 * @param {number} index
 */
function around(rows, index) {
  const before = rows.slice(0, index).reverse().map(blockOf).find((name) => name !== null)
  const after = rows.slice(index + 1).map(blockOf).find((name) => name !== null)
  if (!before || !after) return null
  return within(after, before) ? before : within(before, after) ? after : null
}

/**
 * The shortest arcs lowest, none across another in its lane.
 * @param {{from: number, to: number}[]} spans
 * @returns {Arc[]}
 */
function inLanes(spans) {
  /** @type {Arc[]} */
  const placed = []
  for (const span of [...spans].sort((a, b) => a.to - a.from - (b.to - b.from))) {
    const taken = placed.filter((arc) => arc.from < span.to && span.from < arc.to).map(({ lane }) => lane)
    let lane = 0
    while (taken.includes(lane)) lane += 1
    placed.push({ ...span, lane })
  }
  return placed
}
