/** The small files in a node's folder: what it noted, where it was, what others join by. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { trainingOrder } from '../../../test/trainingOrder.ts'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { decoderOf } from '../../exact/models/decoderOf.ts'
import * as Identity from '../../protocol/Identity.ts'
import * as TrainingOrder from '../../protocol/training/TrainingOrder.ts'
import * as NodeFile from './NodeFile.ts'
import * as RoundsFile from './RoundsFile.ts'
import * as RunFile from './RunFile.ts'

const folder = mkdtempSync(join(tmpdir(), 'weft-train-files-'))

afterAll(() => rmSync(folder, { recursive: true, force: true }))

describe('RoundsFile', () => {
  test('has what was appended, after a crash in the middle of a line, too', () => {
    const file = RoundsFile.open(folder)
    expect(file.rounds).toEqual([])
    for (const round of [0, 1, 2]) file.append(noted(round))
    writeFileSync(join(folder, 'rounds.jsonl'), '{"round":3,"lo', { flag: 'a' })
    const again = RoundsFile.open(folder)
    expect(again.rounds.map(({ round }) => round)).toEqual([0, 1, 2])
    again.append(noted(3))
    expect(RoundsFile.read(folder).map(({ round }) => round)).toEqual([0, 1, 2, 3])
    again.append({ ...noted(2), replica: '0xother' })
    expect(RoundsFile.read(folder).map(({ replica }) => replica)).toEqual(['0x', '0x', '0xother'])
  })
})

describe('NodeFile', () => {
  test('remembers, and takes a file that is not sound for none', () => {
    const nothing = { bulkPort: 0, listenPort: 0, peers: [] }
    expect(NodeFile.read(folder)).toEqual(nothing)
    NodeFile.write(folder, { bulkPort: 1, listenPort: 2, peers: ['/ip4/127.0.0.1/tcp/3/p2p/x'] })
    expect(NodeFile.read(folder)).toMatchObject({ bulkPort: 1, listenPort: 2 })
    writeFileSync(join(folder, 'node.json'), '{"bulkPort":-1}')
    expect(NodeFile.read(folder)).toEqual(nothing)
  })
})

describe('RunFile', () => {
  test('is read as it was written', () => {
    const path = join(folder, 'run.json')
    RunFile.write(path, file())
    expect(RunFile.read(path)).toEqual(file())
  })

  test('is refused when it is missing, not sound, or another’s words under a signature', () => {
    const path = join(folder, 'bad.json')
    expect(() => RunFile.read(path)).toThrow('there is no such file')
    writeFileSync(path, '{}')
    expect(() => RunFile.read(path)).toThrow(RunFile.RunFileError)
    RunFile.write(path, file())
    writeFileSync(path, readFileSync(path, 'utf8').replace('"rounds": 9', '"rounds": 8'))
    expect(() => RunFile.read(path)).toThrow(/no run of training to join/)
  })
})

function noted(round: number): RoundsFile.Round {
  const bytes = { sentBytes: 1, receivedBytes: 2 }
  return { round, loss: 3, workerLoss: null, workers: 1, steps: 4, ...bytes, replica: '0x', at: 5 }
}

function file(): RunFile.RunFile {
  const buyer = Identity.from(new Uint8Array(32).fill(1))
  const message = trainingOrder({
    buyer: buyer.address,
    rounds: 9,
    priceMicroUsd: 2n ** 60n,
    budgetMicroUsd: 2n ** 61n,
    nonce: 2n ** 62n,
  })
  return {
    kind: 'training run',
    version: 1,
    domain: { ...RunFile.noNetwork },
    order: TrainingOrder.sign(RunFile.noNetwork, message, buyer),
    recipe: {
      model: decoderOf({}),
      rows: 1,
      length: 2,
      optimiser: { kind: 'adamw' },
      schedule: { rate: 1 },
    },
    dataBytes: 10,
    peers: ['/ip4/127.0.0.1/tcp/1/p2p/x'],
  }
}
