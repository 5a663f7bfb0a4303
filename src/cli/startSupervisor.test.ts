import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { systemClock } from '../runtime/systemClock.ts'
import { startSupervisor } from './startSupervisor.ts'

describe('startSupervisor', () => {
  const logDirectory = mkdtempSync(join(tmpdir(), 'weft-supervisor-'))

  test('says which process did not start and where its log is', async () => {
    await using supervisor = startSupervisor(
      { clock: systemClock() },
      { logDirectory, statusFile: join(logDirectory, 'processes.json') },
    )
    const start = supervisor.start('odd', ['no-such-command'])
    await expect(start).rejects.toThrow(/odd process ended[^]*odd\.log/)
    expect(supervisor.pids().size).toBe(0)
  })
})
