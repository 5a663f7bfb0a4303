import { execFileSync, spawnSync } from 'node:child_process'

const [iproute, trafficControl] = ['ip', 'tc'] as const

/** A network namespace of its own, joined to this machine's by one link. */
export type Namespace = Disposable & {
  /** Our end of the link, and the other. */
  readonly here: string
  readonly there: string
  /** What to put before a command that is to run there. */
  readonly prefix: readonly string[]
}

/**
 * Makes a namespace behind a link of so many bits a second both ways (`tc tbf`).
 *
 * @returns undefined where none can be made: it takes root and iproute2.
 */
export function namespace({ mbit }: { mbit: number }): Namespace | undefined {
  const id = `wb${process.pid % 100_000}`
  if (process.getuid?.() !== 0 || spawnSync(iproute, ['netns', 'add', id]).status !== 0)
    return undefined
  const remove = () => void spawnSync(iproute, ['netns', 'del', id])
  const subnet = `10.79.${process.pid % 250}`
  const [here, there] = [`${subnet}.1`, `${subnet}.2`]
  try {
    ip('link', 'add', `${id}a`, 'type', 'veth', 'peer', 'name', `${id}b`, 'netns', id)
    ip('addr', 'add', `${here}/24`, 'dev', `${id}a`)
    ip('link', 'set', `${id}a`, 'up')
    ip('-n', id, 'addr', 'add', `${there}/24`, 'dev', `${id}b`)
    ip('-n', id, 'link', 'set', `${id}b`, 'up')
    ip('-n', id, 'link', 'set', 'lo', 'up')
    const shape = (name: string) =>
      `qdisc add dev ${name} root tbf rate ${mbit}mbit burst 256k latency 50ms`.split(' ')
    execFileSync(trafficControl, shape(`${id}a`))
    execFileSync(trafficControl, ['-n', id, ...shape(`${id}b`)])
  } catch (error) {
    remove()
    throw error
  }
  return { here, there, prefix: [iproute, 'netns', 'exec', id], [Symbol.dispose]: remove }
}

function ip(...words: readonly string[]): void {
  execFileSync(iproute, words)
}
