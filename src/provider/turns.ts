/** Runs work under the same key one after another, in the order it was asked for. */
export type Turns = <result>(key: string, work: () => Promise<result>) => Promise<result>

/** Creates turns with nobody waiting. */
export function createTurns(): Turns {
  const last = new Map<string, Promise<unknown>>()
  return (key, work) => {
    const before = last.get(key)
    const turn = before ? before.then(work, work) : work()
    last.set(key, turn)
    const leave = () => void (last.get(key) === turn && last.delete(key))
    turn.then(leave, leave)
    return turn
  }
}
