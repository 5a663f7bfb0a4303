import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { LocalNetwork } from './startLocalNetwork.ts'
import { startTrainer, type Trainer, type TrainerEvent } from './startTrainer.ts'

const stepsOfLiar = 12
const claimedByLiar = 25
const depositUsd = 5
/** Rounds after which the fourth worker comes, and the second one is killed. */
const lateAfter = 3
const killedAfter = 5

/** A run of four workers, on its way. */
export type Story = AsyncDisposable & {
  readonly losses: readonly number[]
  readonly rounds: () => { readonly done: number; readonly of: number }
  /** What happened and was not told yet. */
  readonly notes: string[]
  /** Exit code of the first node once it has ended. */
  readonly result: () => number | string | undefined
  readonly killed: () => number
}

type About = {
  readonly network: LocalNetwork
  /** Folder of all workers but the first. */
  readonly place: string
  /** Of the first, which orders and pays. */
  readonly folder: string
  /** What they learn from, and the settings of the run. */
  readonly documents: string
  readonly settings: string
}

/** Begins it, or goes on with it: whoever is to come, die and come back does so by the rounds. */
export function beginStory(about: About): Story {
  const { place, folder } = about
  const crew = crewOf(about)
  const losses: number[] = []
  const notes: string[] = []
  let [done, of, killed] = [0, 1, 0]
  let result: number | string | undefined
  let second: Trainer | undefined
  let late: Trainer | undefined
  const join_ = (name: string, args: readonly string[] = []) =>
    crew.start(name, ['join', join(folder, 'run.json'), '--out', join(place, name), ...args])

  function hear(event: TrainerEvent): void {
    const worker = `worker ${String(event['worker'])}`
    if (event.event === 'node-start') {
      of = Number(event['rounds'])
      second = join_('trainer-2')
      join_('trainer-3', ['--steps', String(stepsOfLiar), '--cheat-steps', String(claimedByLiar)])
    } else if (event.event === 'round-end') {
      done = Number(event['round'])
      if (typeof event['loss'] === 'number') losses.push(event['loss'])
      if (done >= lateAfter) late ??= comeLate()
      if (done >= killedAfter && killed === 0) void kill()
    } else if (event.event === 'worker-convicted')
      notes.push(`${worker} is convicted: run again by two others, its work is not what it says`)
    else if (event.event === 'worker-dropped')
      notes.push(`${worker} is out: ${String(event['reason'])}`)
  }

  function comeLate(): Trainer {
    notes.push(`trainer-4 joins after ${done} rounds, and fetches the model from the others`)
    return join_('trainer-4')
  }

  async function kill(): Promise<void> {
    killed++
    second?.end('SIGKILL')
    await second?.ended
    notes.push(`trainer-2 was killed after ${done} rounds (SIGKILL); it goes on where it was`)
    second = join_('trainer-2')
  }

  const isFresh = !existsSync(join(folder, 'run.json'))
  const deposit = isFresh ? ['--deposit', String(depositUsd)] : []
  const order = ['run', '--config', about.settings, '--out', folder, ...deposit]
  void crew.start('trainer-1', order, hear).ended.then((code) => (result = code))
  return {
    losses,
    notes,
    rounds: () => ({ done, of }),
    result: () => result,
    killed: () => killed,
    [Symbol.asyncDispose]: () => crew[Symbol.asyncDispose](),
  }
}

/** Starts the workers' processes, and ends those that are left; none starts after that. */
function crewOf({ network, place, documents }: About) {
  const running = new Set<Trainer>()
  let isOver = false
  const common = ['--data', documents, '--network', network.file, '--threads', '1']
  const local = ['--host', '127.0.0.1', '--listen', '/ip4/127.0.0.1/tcp/0']
  return {
    start(name: string, args: readonly string[], onEvent?: (event: TrainerEvent) => void): Trainer {
      const home = ['--home', join(network.home, name)]
      const log = join(network.home, 'logs', `${name}.log`)
      const options = { log, home: join(place, 'machine'), onEvent }
      const trainer = startTrainer([...args, ...common, ...local, ...home], options)
      running.add(trainer)
      void trainer.ended.then(() => running.delete(trainer))
      if (isOver) trainer.end('SIGKILL')
      return trainer
    },
    async [Symbol.asyncDispose]() {
      isOver = true
      const left = [...running]
      for (const trainer of left) trainer.end('SIGTERM')
      await Promise.all(left.map(({ ended }) => ended))
    },
  }
}
