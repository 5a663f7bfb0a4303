import { type Engine, repetitionsOf, secondsOf } from './startEngines.ts'
import type { Task } from './Task.ts'

/** Seconds of each engine, a list with one for each round: neighbours met the same machine. */
export type Samples = ReadonlyMap<Engine, readonly number[]>

/** Measures a task on engines in turns, forwards and backwards, after some turns that do not count. */
export async function takeTurns(
  engines: readonly Engine[],
  task: Task,
  { rounds, warmups }: { readonly rounds: number; readonly warmups: number },
): Promise<Samples> {
  const samples = new Map(engines.map((engine) => [engine, [] as number[]]))
  const repetitions = repetitionsOf(task)
  for (let round = -warmups; round < rounds; round++)
    for (const engine of round % 2 === 0 ? engines : engines.toReversed()) {
      const times = await engine.measure(task, repetitions)
      if (round >= 0) samples.get(engine)!.push(secondsOf(engine, times, repetitions))
    }
  return samples
}
