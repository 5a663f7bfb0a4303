import { describe, expect, test } from 'vitest'
import { UnavailableError } from '../../network/Bulk.ts'
import * as Hex from '../../protocol/Hex.ts'
import { memoryStore } from '../../runtime/memoryStore.ts'
import type { Contents } from './Contents.ts'
import { basisOf, openReplicas } from './openReplicas.ts'

const layout = {
  slots: [{ name: 'w', dtype: 'f32', shape: [1] }],
  isTrained: [true],
} as const
const start = [Uint8Array.of(0, 0, 0, 0)]
const run = Hex.sha256('run')
const after = (rounds: number) => ({ rounds, parameters: [Uint8Array.of(rounds, 0, 0, 0)] })

describe('openReplicas', () => {
  test('begins with the first state, and has the last ones after a restart, no others', async () => {
    const ports = { contents: contentsOf(), store: memoryStore() }
    const replicas = await openReplicas(ports, { layout, start, run })
    expect(replicas.newest().rounds).toBe(0)
    for (let rounds = 1; rounds <= 7; rounds++) await replicas.save(after(rounds), `b${rounds}`)
    const again = await openReplicas(ports, { layout, start, run })
    expect(again.newest()).toEqual(after(7))
    expect([2, 3, 7].map((rounds) => again.at(rounds)?.rounds)).toEqual([undefined, 3, 7])
    expect(ports.contents.shelf.size).toBe(5)
    expect(again.contents()).toHaveLength(5)
    expect(again.contents()).toContain(again.content())
  })

  test('goes back to the newest state that the log still leads to', async () => {
    const ports = { contents: contentsOf(), store: memoryStore() }
    const replicas = await openReplicas(ports, { layout, start, run })
    for (let rounds = 1; rounds <= 4; rounds++) await replicas.save(after(rounds), `b${rounds}`)
    expect(await replicas.goBack((rounds) => `b${rounds}`)).toBe(true)
    expect(replicas.newest().rounds).toBe(4)
    expect(await replicas.goBack((rounds) => (rounds === 3 ? 'other' : `b${rounds}`))).toBe(true)
    expect(replicas.newest()).toEqual(after(2))
    expect(await replicas.goBack((rounds) => (rounds > 1 ? undefined : `b${rounds}`))).toBe(true)
    expect(replicas.newest()).toEqual(after(1))
    await replicas.save(after(8), 'b8')
    expect(await replicas.goBack(() => 'other')).toBe(false)
  })

  test('does without a state that the disk lost', async () => {
    const ports = { contents: contentsOf(), store: memoryStore() }
    const replicas = await openReplicas(ports, { layout, start, run })
    await replicas.save(after(1), 'b1')
    ports.contents.shelf.delete(replicas.content())
    const again = await openReplicas(ports, { layout, start, run })
    expect(again.newest().rounds).toBe(0)
  })
})

describe('basisOf', () => {
  test('differs when another payload counted', () => {
    const close = (payload: Hex.Hex) =>
      basisOf({ kind: 'round-close', round: 1, accepted: [{ worker: 0, weight: 1, payload }] })
    expect(close(Hex.zero)).toBe(close(Hex.zero))
    expect(close(Hex.zero)).not.toBe(close(Hex.sha256('other')))
  })
})

function contentsOf(): Contents & { shelf: Map<Hex.Hex, Uint8Array> } {
  const shelf = new Map<Hex.Hex, Uint8Array>()
  return {
    shelf,
    put(bytes) {
      const hash = Hex.sha256(bytes)
      shelf.set(hash, bytes)
      return Promise.resolve(hash)
    },
    get(hash) {
      const found = shelf.get(hash)
      return found
        ? Promise.resolve(found)
        : Promise.reject(new UnavailableError({ hash, reasons: [] }))
    },
    remove(hash) {
      shelf.delete(hash)
      return Promise.resolve()
    },
  }
}
