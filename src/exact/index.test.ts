import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'

const folder = mkdtempSync(join(tmpdir(), 'weft-exact-'))
const examples = [...readFileSync('src/exact/index.ts', 'utf8').matchAll(/```ts\n([^]*?)```/g)].map(
  ([, code]) => code!.replaceAll(/^ \* ?/gm, ''),
)

afterAll(() => rmSync(folder, { recursive: true }))

describe('weft/exact', () => {
  test.each(examples)('its example runs as it stands, in a package that uses it', (example) => {
    mkdirSync(join(folder, 'node_modules'))
    symlinkSync(resolve('.'), join(folder, 'node_modules/weft'))
    writeFileSync(join(folder, 'example.ts'), example)
    writeFileSync(join(folder, 'package.json'), '{"type":"module"}')
    const run = spawnSync(process.execPath, ['example.ts'], { cwd: folder, encoding: 'utf8' })
    expect(`${run.stdout}${run.stderr}`).toMatch(/^bafy\w{55} 0x[0-9a-f]{64}\n$/)
  })

  test('has one example', () => {
    expect(examples).toHaveLength(1)
  })
})
