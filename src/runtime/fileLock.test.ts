import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { fileLock } from './fileLock.ts'

describe('fileLock', () => {
  const path = () => join(mkdtempSync(join(tmpdir(), 'weft-lock-')), 'lock')

  test('lets one have the file, and the next when it is released', () => {
    const file = path()
    const first = fileLock(file)
    expect(() => fileLock(file)).toThrow(/--home/)
    first[Symbol.dispose]()
    fileLock(file)[Symbol.dispose]()
  })

  test('is gone with a process that is killed', async () => {
    const file = path()
    const program = `
      import { fileLock } from ${JSON.stringify(join(import.meta.dirname, 'fileLock.ts'))}
      globalThis.held = fileLock(${JSON.stringify(file)})
      console.log('held')
      await new Promise((resolve) => setTimeout(resolve, 60_000))`
    const child = spawn(process.execPath, ['--input-type=module-typescript', '-e', program])
    await once(child.stdout, 'data')
    expect(() => fileLock(file)).toThrow(/Another process/)
    child.kill('SIGKILL')
    await once(child, 'close')
    fileLock(file)[Symbol.dispose]()
  })
})
