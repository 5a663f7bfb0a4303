import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { storeCompliance } from './compliance.ts'
import { memoryStore } from './memoryStore.ts'
import { sqliteStore } from './sqliteStore.ts'

describe('memoryStore', () => {
  storeCompliance(memoryStore)
})

describe('sqliteStore', () => {
  const path = () => join(mkdtempSync(join(tmpdir(), 'weft-store-')), 'store.sqlite')
  storeCompliance(() => sqliteStore(path()))

  test.each(['now', 'soon'])(
    'keeps what was written (%s) when the process is killed',
    async (sync) => {
      const file = path()
      const program = `
      import { sqliteStore } from ${JSON.stringify(join(import.meta.dirname, 'sqliteStore.ts'))}
      const store = sqliteStore(${JSON.stringify(file)})
      for (let i = 0; ; i++) {
        await store.write([
          { table: 'a', key: String(i).padStart(6, '0'), value: 'x' },
          { table: 'b', key: String(i).padStart(6, '0'), value: 'y' },
        ], { sync: '${sync}' })
        process.stdout.write(i + '\\n')
      }`
      const child = spawn(process.execPath, ['--input-type=module-typescript', '-e', program])
      let said = ''
      child.stdout.on('data', (chunk: Buffer) => {
        said += chunk.toString()
        if (said.split('\n').length > 20) child.kill('SIGKILL')
      })
      await once(child, 'close')
      const acknowledged = Number(said.trimEnd().split('\n').at(-1))

      await using store = sqliteStore(file)
      const a = (await store.list('a')).map((entry) => entry.key)
      const b = (await store.list('b')).map((entry) => entry.key)
      expect(a).toEqual(b)
      expect(a.length).toBeGreaterThan(acknowledged)
    },
  )

  test('mixes writes that reach the disk now and soon, in order', async () => {
    const file = path()
    {
      await using store = sqliteStore(file)
      await store.write([{ table: 't', key: 'a', value: '1' }], { sync: 'soon' })
      await store.write([{ table: 't', key: 'b', value: '2' }])
      await store.write([{ table: 't', key: 'a', value: '3' }], { sync: 'soon' })
      await store.write([])
      await store.write([{ table: 't', key: 'c', value: '4' }], { sync: 'soon' })
    }
    await using store = sqliteStore(file)
    const values = (await store.list('t')).map(({ value }) => value)
    expect(values).toEqual(['3', '2', '4'])
  })

  test('fails from the moment the disk fails', async () => {
    const file = path()
    await using store = sqliteStore(file)
    rmSync(`${file}-wal`, { force: true })
    const write = [{ table: 't', key: 'a', value: '1' }]
    await expect(store.write(write)).rejects.toMatchObject({ code: 'Store.WriteError' })
    await expect(store.write([])).rejects.toMatchObject({ code: 'Store.WriteError' })
  })

  test('says which file and what to do when it cannot be opened', () => {
    const file = path()
    writeFileSync(file, 'not a database, but long enough to look like one to somebody'.repeat(20))
    expect(() => sqliteStore(file)).toThrow(/not a database/)
    expect(() => sqliteStore('/nowhere/at/all.sqlite')).toThrow(/--home/)
  })

  test('applies nothing of a write that fails', async () => {
    await using store = sqliteStore(path())
    const bad = [
      { table: 't', key: 'a', value: '1' },
      { table: 't', key: 'b', value: { not: 'text' } as unknown as string },
    ]
    await expect(store.write(bad)).rejects.toMatchObject({ code: 'Store.WriteError' })
    expect(await store.list('t')).toEqual([])
    await store.write([{ table: 't', key: 'c', value: '2' }])
    expect(await store.list('t')).toHaveLength(1)
  })
})
