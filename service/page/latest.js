/**
 * Asks one question at a time, and always the newest: what comes while one is under way takes the place of what waits.
 *
 * Nothing queues up behind a hand that draws faster than the service answers, and no answer overtakes a newer one.
 */

/**
 * @template Asked
 * @param {(asked: Asked) => Promise<void>} ask
 */
export function latest(ask) {
  /** @type {{asked: Asked}|null} */
  let waiting = null
  /** @type {Promise<void>|null} */
  let running = null

  async function run() {
    while (waiting) {
      const { asked } = waiting
      waiting = null
      await ask(asked)
    }
  }

  /**
   * @param {Asked} asked
   * @returns {Promise<void>} once the newest is answered
   */
  return (asked) => {
    waiting = { asked }
    running ??= run().finally(() => (running = null))
    return running
  }
}
