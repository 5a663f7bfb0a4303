import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { hashOf } from '../../exact/run/Claim.ts'
import * as Config from './Config.ts'
import * as RunFile from './RunFile.ts'

const folder = mkdtempSync(join(tmpdir(), 'weft-run-file-'))
afterAll(() => rmSync(folder, { recursive: true }))

const root = hashOf(new Uint8Array(32))
const run: RunFile.Training = {
  kind: 'training',
  version: 1,
  graphCid: `bafy${'a'.repeat(40)}`,
  graphRoot: root,
  startRoot: root,
  dataRoot: root,
  seed: [1, 0],
  steps: 3,
  data: { file: '../book.txt', bytes: 100 },
  recipe: Config.parse('').recipe,
}

describe('read', () => {
  test('gives what was written, of both kinds', () => {
    RunFile.write(folder, run)
    expect(RunFile.read(folder)).toEqual(run)
    const { data: _, recipe, ...rest } = run
    const finished = { ...rest, finalRoot: root, runRoot: root }
    const generation: RunFile.Generation = {
      ...finished,
      kind: 'generation',
      model: recipe.model,
    }
    RunFile.write(folder, generation)
    expect(RunFile.read(folder)).toEqual(generation)
    expect(RunFile.originOf(generation)).toEqual(RunFile.originOf(run))
  })

  test('refuses a folder without a run, and a file that is not sound', () => {
    expect(() => RunFile.read(join(folder, 'none'))).toThrow('there is no run.json in it')
    RunFile.write(folder, run)
    const text = readFileSync(join(folder, 'run.json'), 'utf8')
    const changes: readonly (readonly [string, string])[] = [
      ['"version": 1', '"version": 2'],
      ['"kind": "training"', '"kind": "rendering"'],
      [root, '0x12'],
      ['"layers": 2', '"layers": 1e9'],
      ['"layers": 2', '"layers": 2, "more": 1'],
      ['"steps": 3', '"steps": -3'],
      ['{', '['],
    ]
    for (const [from, to] of changes) {
      writeFileSync(join(folder, 'run.json'), text.replace(from, to))
      expect(() => RunFile.read(folder), to).toThrow('not sound')
    }
  })
})
