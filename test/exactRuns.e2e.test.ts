/** Runs of `weft exact` as their users have them: started, killed, taken up again, checked, on a full disk. */
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

const home = mkdtempSync(join(tmpdir(), 'weft-exact-runs-'))
const program = fileURLToPath(new URL('./exactCommand.ts', import.meta.url))
const training = ['train', '--data', 'book.txt', '--config', 'tiny.yaml']
const config = `
model: { width: 16, layers: 1, heads: 2, positions: 32, vocabulary: 128 }
schedule: { rate: 0.01, decay: none }
rows: 2
length: 12
threads: 1
checkpointEvery: 20
steps: 200
`

beforeAll(() => {
  writeFileSync(join(home, 'book.txt'), 'the cat sat on the mat; the dog ate the hat. '.repeat(30))
  writeFileSync(join(home, 'other.txt'), 'all work and no play makes Jack a dull boy. '.repeat(30))
  writeFileSync(join(home, 'tiny.yaml'), config)
  expect(weft([...training, '--out', 'whole']).code).toBe(0)
})

afterAll(() => rmSync(home, { recursive: true, force: true }))

describe('weft exact train', () => {
  test('leaves a run that says what it follows from and what it came to', () => {
    const run = runOf('whole')
    expect(run).toMatchObject({ kind: 'training', steps: 200, seed: [1, 0] })
    expect(run['runRoot']).toMatch(/^0x[0-9a-f]{64}$/)
    expect(readdirSync(join(home, 'whole')).toSorted()).toEqual([
      'checkpoint-000180.safetensors',
      'checkpoint-000200.safetensors',
      'graph.cbor',
      'lock',
      'loss.svg',
      'run.json',
      'steps.jsonl',
    ])
    const losses = logOf('whole').map((line) => (JSON.parse(line) as { loss: number }).loss)
    expect(losses).toHaveLength(200)
    expect(losses.at(-1)).toBeLessThan(losses[0]! - 1)
  })

  test('goes on after kill -9, with other threads, to the same bits and the same run root', async () => {
    const command = [...training, '--out', 'killed']
    const child = spawn(process.execPath, [program, ...command, '--json'], { cwd: home })
    const exited = once(child, 'exit')
    for await (const line of createInterface({ input: child.stdout }))
      if ((JSON.parse(line) as { step?: number }).step === 47) child.kill('SIGKILL')
    expect(await exited).toEqual([null, 'SIGKILL'])
    // As if the machine had stopped in the middle of a line.
    writeFileSync(join(home, 'killed/steps.jsonl'), '{"step":', { flag: 'a' })
    const { code, said } = weft([...command, '--threads', '2'])
    expect(code).toBe(0)
    expect(said).toMatch(/going on after step [1-9]\d*0 of 200/)
    expect(runOf('killed')).toEqual(runOf('whole'))
    expect(logOf('killed')).toEqual(logOf('whole'))
  })

  test('a disk that is full in the middle of a checkpoint keeps the one before, and the run goes on', () => {
    const command = [...training, '--out', 'full', '--checkpoint-every', '3']
    expect(weft([...command, '--steps', '6']).code).toBe(0)
    const before = readdirSync(join(home, 'full'))
    // No file may be longer than 96 blocks of 512 bytes, which a checkpoint is.
    const limited = weft([...command, '--steps', '200', '--json'], 'ulimit -f 96; ')
    expect(limited.code).toBe(1)
    expect(limited.said).toContain(
      'The checkpoint of step 9 cannot be written; that of step 6 is kept: files may not be so large here.',
    )
    expect(readdirSync(join(home, 'full'))).toEqual(before)
    expect(weft(['generate', 'full', '--prompt', 'the', '--max-tokens', '3']).code).toBe(0)
    expect(weft([...training, '--out', 'full']).code).toBe(0)
    expect(runOf('full')).toEqual(runOf('whole'))
  })

  test('a folder of another run is refused, and what differs is named', () => {
    const attempt = (...more: readonly string[]) => weft(['train', '--out', 'whole', ...more])
    const data = ['--data', 'book.txt']
    expect(attempt('--data', 'other.txt', '--config', 'tiny.yaml').said).toContain(
      'its data differs',
    )
    const seeded = attempt(...data, '--config', 'tiny.yaml', '--seed', '2')
    expect(seeded).toMatchObject({ code: 1, said: expect.stringContaining('its seed differs') })
    const changed = attempt(...data).said
    expect(changed).toContain('its graph differs')
    expect(changed).toContain('model.width is 16 there, 128 here.')
  })

  test('fewer steps than are done are refused, and the run stays as it was', () => {
    const { code, said } = weft([...training, '--out', 'whole', '--steps', '150'])
    expect(code).toBe(1)
    expect(said).toContain('The run in whole has 200 steps behind it, more than 150.')
    expect(runOf('whole')).toMatchObject({ steps: 200, runRoot: expect.any(String) })
  })

  test('data that is missing, too short or not of the vocabulary is refused', () => {
    writeFileSync(join(home, 'short.txt'), 'too short')
    writeFileSync(join(home, 'umlaut.txt'), 'ä'.repeat(100))
    const attempt = (file: string) =>
      weft(['train', '--data', file, '--config', 'tiny.yaml', '--out', 'bad'])
    expect(attempt('none.txt')).toMatchObject({
      code: 1,
      said: expect.stringContaining('none.txt'),
    })
    expect(attempt('short.txt').said).toContain('The data has 9 bytes and a row takes 13')
    expect(attempt('umlaut.txt').said).toContain('not below the vocabulary of 128')
    expect(readdirSync(home)).not.toContain('bad')
  })
})

describe('weft exact generate and verify', () => {
  test('a run is good, on another back end too', () => {
    const { code, said } = weft(['verify', 'whole', '--threads', '2'])
    expect(said).toContain('The run is good.')
    expect(code).toBe(0)
  })

  test('the first step that was changed is named, and the exit code is 1', () => {
    changed('flipped', 'steps.jsonl', (text) => {
      const lines = text.split('\n')
      return lines
        .with(
          5,
          lines[5]!.replace(/0x./, (start) => (start === '0x0' ? '0x1' : '0x0')),
        )
        .join('\n')
    })
    const { code, said } = weft(['verify', 'flipped', '--json'])
    expect(code).toBe(1)
    const finding = JSON.parse(said) as { step: number; claimed: string; found: string }
    expect(finding).toMatchObject({ good: false, step: 5 })
    expect(finding.claimed.slice(3)).toBe(finding.found.slice(3))
  })

  test('a wrong run root, a log cut short and other data are found', () => {
    changed('root', 'run.json', (text) =>
      text.replace(/("runRoot": "0x)[^"]*/, `$1${'0'.repeat(64)}`),
    )
    expect(weft(['verify', 'root']).said).toContain('The run root is 0x')
    changed('cut', 'steps.jsonl', (text) => text.split('\n').slice(0, 7).join('\n'))
    expect(weft(['verify', 'cut']).said).toContain('The log of steps ends after step 5')
    const other = weft(['verify', 'whole', '--data', 'other.txt'])
    expect(other).toMatchObject({
      code: 1,
      said: expect.stringContaining('its data is not what is here'),
    })
  })

  test('the same seed gives the same text, and a claimed generation can be verified', () => {
    const generate = (...more: readonly string[]) =>
      weft(['generate', 'whole', '--prompt', 'the ', '--max-tokens', '12', '--json', ...more])
    const { text } = JSON.parse(generate().said) as { text: string }
    expect(JSON.parse(generate('--threads', '2').said)).toMatchObject({ text })
    const greedy = JSON.parse(generate('--temperature', '0').said) as { text: string }
    const claimed = generate('--temperature', '0', '--claim', 'said')
    expect(JSON.parse(claimed.said)).toMatchObject({ text: greedy.text, claim: 'said' })
    expect(runOf('said')).toMatchObject({ kind: 'generation', steps: 15 })
    expect(weft(['verify', 'said', '--backend', 'reference'])).toMatchObject({ code: 0 })
    expect(generate('--claim', 'said').said).toContain('holds a run already')
  })
})

describe('weft exact export', () => {
  test('the exported model writes the same text', () => {
    const generate = (model: string) =>
      weft(['generate', model, '--prompt', 'the dog', '--max-tokens', '9', '--seed', '3']).said
    const text = generate('whole')
    expect(text).toMatch(/^the dog.{9}/s)
    for (const target of ['cat.gguf', 'cat.hf']) {
      expect(weft(['export', 'whole', target])).toMatchObject({ code: 0 })
      expect(generate(target)).toBe(text)
    }
  })
})

describe('weft exact show and bench', () => {
  test('show names the graph of a run and of its settings alike', () => {
    const { graphCid } = runOf('whole')
    expect(weft(['show', 'whole']).said).toContain(`cid:  ${String(graphCid)}\n`)
    expect(JSON.parse(weft(['show', 'tiny.yaml', '--json']).said)).toMatchObject({ graphCid })
  })

  test('bench gives figures', () => {
    const figures = JSON.parse(weft(['bench', '--threads', '1', '--json']).said) as object
    expect(Object.values(figures).filter((value) => Number(value) > 0)).toHaveLength(5)
  })
})

function weft(args: readonly string[], before = ''): { code: number | null; said: string } {
  const command = `${before}exec "$@"`
  const all = ['-c', command, 'sh', process.execPath, program, ...args]
  const { status, stdout, stderr } = spawnSync('sh', all, { cwd: home, encoding: 'utf8' })
  return { code: status, said: `${stdout}${stderr}` }
}

function runOf(folder: string): Record<string, unknown> {
  return JSON.parse(readFileSync(join(home, folder, 'run.json'), 'utf8')) as Record<string, unknown>
}

function logOf(folder: string): readonly string[] {
  return readFileSync(join(home, folder, 'steps.jsonl'), 'utf8')
    .trimEnd()
    .split('\n')
}

/** A copy of the whole run with one file changed. */
function changed(folder: string, file: string, change: (text: string) => string): void {
  cpSync(join(home, 'whole'), join(home, folder), { recursive: true })
  const path = join(home, folder, file)
  writeFileSync(path, change(readFileSync(path, 'utf8')))
}
