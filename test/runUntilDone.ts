import type { VirtualClock } from '../src/runtime/virtualClock.ts'

/** Lets the time of a virtual world pass until some work is done; throws when nothing comes of it in two hours. */
export async function runUntilDone<result>(
  clock: Pick<VirtualClock, 'now' | 'run'>,
  work: PromiseLike<result>,
  { stepMs = 100, limitMs = 7_200_000 }: { stepMs?: number; limitMs?: number } = {},
): Promise<result> {
  let done = false
  const finish = () => void (done = true)
  work.then(finish, finish)
  const until = clock.now() + limitMs
  await clock.run(clock.now())
  while (!done && clock.now() < until) await clock.run(clock.now() + stepMs)
  if (!done) throw new Error(`Nothing came of it in ${limitMs} ms.`)
  return await work
}
