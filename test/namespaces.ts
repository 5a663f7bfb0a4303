/** Two network namespaces that cannot reach each other, and a third that both reach. */
import { execFileSync, spawnSync } from 'node:child_process'

const iproute = 'ip'
const id = `wn${process.pid % 100_000}`

/** Names of the namespaces. */
export type Spaces = { readonly one: string; readonly middle: string; readonly two: string }

/** Makes them: `NET.1.2` and `NET.2.2`, and between them `NET.1.1` and `NET.2.1`, which forwards nothing. */
export function createNamespaces(stack: AsyncDisposableStack, { net }: { net: string }): Spaces {
  const spaces = { one: `${id}o`, middle: `${id}m`, two: `${id}t` }
  for (const space of Object.values(spaces)) {
    ip('netns', 'add', space)
    stack.defer(() => void ip('netns', 'del', space))
    ip('-n', space, 'link', 'set', 'lo', 'up')
  }
  for (const [space, subnet] of [
    [spaces.one, `${net}.1`],
    [spaces.two, `${net}.2`],
  ] as const) {
    const ends = [`${space}a`, `${space}b`] as const
    const pair = ['type', 'veth', 'peer', 'name', ends[1], 'netns', space]
    ip('link', 'add', ends[0], 'netns', spaces.middle, ...pair)
    ip('-n', spaces.middle, 'addr', 'add', `${subnet}.1/24`, 'dev', ends[0])
    ip('-n', space, 'addr', 'add', `${subnet}.2/24`, 'dev', ends[1])
    ip('-n', spaces.middle, 'link', 'set', ends[0], 'up')
    ip('-n', space, 'link', 'set', ends[1], 'up')
    ip('-n', space, 'route', 'add', 'default', 'via', `${subnet}.1`)
  }
  return spaces
}

/** What is put before a command that is to run in a namespace. */
export function inside(space: string): readonly string[] {
  return [iproute, 'netns', 'exec', space]
}

/** Undefined when namespaces can be made; anything but a missing tool or right is a fault of the test. */
export function whyNoNamespaces(): string | undefined {
  if (process.getuid?.() !== 0) return 'This is not root.'
  const found = spawnSync(iproute, ['netns', 'add', `${id}x`], { encoding: 'utf8' })
  if (found.error) return `There is no iproute2: ${found.error.message}`
  if (found.status !== 0) return found.stderr
  ip('netns', 'del', `${id}x`)
  return undefined
}

function ip(...words: readonly string[]): string {
  return execFileSync(iproute, words, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
}
