import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import * as Hex from '../../protocol/Hex.ts'
import { sqliteStore } from '../../runtime/sqliteStore.ts'
import type { Layout } from '../../training/Replica.ts'
import { newestState } from './newestState.ts'
import { journalName } from './startNode.ts'

const run = Hex.sha256('run')
const layout: Layout = {
  slots: [
    { name: 'a', dtype: 'f32', shape: [2] },
    { name: 'b', dtype: 'f32', shape: [1] },
  ],
  isTrained: [true, true],
}

describe('newestState', () => {
  test('reads the newest state that is on the disk, whatever stands after the parameters', async () => {
    const { folder, keep, place } = await begin()
    const older = Uint8Array.from({ length: 12 }, (_, at) => at)
    await keep(3, older)
    await keep(12, Uint8Array.of(...older.toReversed(), ...new Uint8Array(12)))
    const newest = await newestState(folder, { run, layout })
    expect(newest.rounds).toBe(12)
    expect(newest.parameters.map((each) => [...each])).toEqual([
      [11, 10, 9, 8, 7, 6, 5, 4],
      [3, 2, 1, 0],
    ])
    // A file that a crash cut off does not count.
    writeFileSync(place(12), 'half')
    expect((await newestState(folder, { run, layout })).rounds).toBe(3)
  })

  test('says that there is none yet', async () => {
    const { folder } = await begin()
    const code = 'Cli.NoTrainingStateError'
    await expect(newestState(folder, { run, layout })).rejects.toMatchObject({ code })
    await expect(newestState(join(folder, 'x'), { run, layout })).rejects.toMatchObject({ code })
  })
})

async function begin() {
  const folder = mkdtempSync(join(tmpdir(), 'weft-state-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  mkdirSync(join(folder, 'contents'))
  const store = sqliteStore(join(folder, journalName))
  onTestFinished(() => store[Symbol.asyncDispose]())
  const places = new Map<number, string>()
  return {
    folder,
    place: (rounds: number) => places.get(rounds)!,
    keep: async (rounds: number, bytes: Uint8Array) => {
      const content = Hex.sha256(bytes)
      places.set(rounds, join(folder, 'contents', content.slice(2)))
      writeFileSync(places.get(rounds)!, bytes)
      const value = JSON.stringify({ rounds, content, basis: '' })
      const key = rounds.toString().padStart(10, '0')
      await store.write([{ table: `trainingWorker/${run}`, key, value }])
    },
  }
}
