import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { engineCompliance } from './engineCompliance.ts'
import { projectTexts, writeFirstModel } from './firstModel.ts'
import { llamaCppEngine } from './llamaCpp.ts'

const folder = await mkdtemp(join(tmpdir(), 'weft-engine-'))
const path = join(folder, 'first.gguf')
await writeFirstModel(path, { texts: await projectTexts('.') })

describe('llamaCppEngine', () => {
  engineCompliance(
    async () => ({
      engine: await llamaCppEngine({ path, threads: 1 }),
      prompt: 'The ',
      busy: () => 0,
    }),
    { tokenIds: true },
  )
})
