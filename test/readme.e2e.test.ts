/** Runs every command of the README, in order, as a reader would. */
import { spawn, type ChildProcess } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, readdirSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'

const folder = mkdtempSync(join(tmpdir(), 'weft-readme-'))
const commands = commandsOf(readFileSync('README.md', 'utf8'))
const environment: Record<string, string | undefined> = { ...process.env }
/** What runs in other terminals, and what each says when the reader can go on. */
const others: ChildProcess[] = []
const ready = /Try it|weights; run|Selling/

afterAll(async () => {
  for (const child of others.toReversed()) await stop(child)
  rmSync(folder, { recursive: true, force: true })
})

describe('README.md', () => {
  copyRepository()

  test.each(commands)(
    '$command',
    async ({ command, isTerminal }) => {
      if (command.startsWith('export ')) {
        const [, name, value] = /^export (\w+)=(.*)$/.exec(command)!
        environment[name!] = value!
      } else if (isTerminal) {
        const child = run(command)
        others.push(child)
        const ended = new Promise<never>((_, reject) =>
          child.once('exit', (code) => reject(new Error(`\`${command}\` ended with ${code}.`))),
        )
        ended.catch(() => {})
        await Promise.race([says(child, ready), ended])
        if (command === 'npm start') expectOfNetwork()
      } else {
        const child = run(command)
        const code = await new Promise((resolve) => child.once('exit', resolve))
        expect(code).toBe(0)
      }
    },
    600_000,
  )
})

/** What `npm start` has done by the time that it invites the reader, whole: see its `summary.json`. */
function expectOfNetwork(): void {
  const file = join(folder, '.weft', 'demo', 'summary.json')
  const summary = JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown>
  expect(summary).toMatchObject({ jobs: 20, delivered: 20, conserved: true, wronglyRejected: 0 })
  // The wrong exact answer: disputed, and decided on the chain.
  expect(summary).toMatchObject({ dispute: { winner: 'challenger', slashedMicroUsd: '1000000' } })
  // The model that four workers trained: the liar was convicted, and it answers.
  const { training } = summary as { training: Record<string, number> }
  expect(training).toMatchObject({ rounds: 12, workers: 4, killed: 1, tier: 'exact' })
  expect(training).toMatchObject({ convicted: 1, wronglyConvicted: 0, model: 'documents' })
  expect(training['firstLoss']).toBeGreaterThan(5)
  expect(training['loss']).toBeLessThan(3)
  expect(training['lateFrom']).toBeGreaterThan(0)
  expect(training['answer']).not.toBe('')
}

/**
 * The lines of `sh` blocks, without their comments. Those marked `terminal` stay open in a terminal of their own, as
 * `npm start` does; a block marked `no-test` names things a reader has to fill in.
 */
function commandsOf(text: string): readonly { command: string; isTerminal: boolean }[] {
  return [...text.matchAll(/^```sh( terminal)?\n([^]*?)^```/gm)].flatMap(([, terminal, block]) =>
    block!
      .split('\n')
      .map((line) => line.replace(/\s+#.*$/, '').trim())
      .filter((line) => line !== '')
      .map((command) => ({
        command,
        isTerminal: terminal !== undefined || command === 'npm start',
      })),
  )
}

/** A fresh tree of the tracked files, which shares the installed packages. */
function copyRepository(): void {
  const left = /^(node_modules|\.git|\.weft|test|bench)$/
  for (const name of readdirSync('.').filter((entry) => !left.test(entry)))
    cpSync(name, join(folder, name), {
      recursive: true,
      // As old as they are here, so that nothing looks in need of an installation.
      preserveTimestamps: true,
      filter: (path) => !path.includes('node_modules'),
    })
  symlinkSync(resolve('node_modules'), join(folder, 'node_modules'))
}

function run(command: string): ChildProcess {
  return spawn('sh', ['-c', `exec ${command}`], {
    cwd: folder,
    env: environment as NodeJS.ProcessEnv,
    stdio: ['ignore', 'pipe', 'inherit'],
    detached: true,
  })
}

function says(child: ChildProcess, pattern: RegExp): Promise<void> {
  return new Promise((resolve) => {
    let said = ''
    child.stdout!.on('data', (chunk: Buffer) => {
      said += chunk.toString()
      if (pattern.test(said)) resolve()
    })
  })
}

/** Ends a command and everything it started, as Ctrl-C in a terminal does. */
async function stop(child: ChildProcess | undefined): Promise<void> {
  if (!child || child.exitCode !== null) return
  const exited = new Promise((resolve) => child.once('exit', resolve))
  process.kill(-child.pid!, 'SIGINT')
  await exited
}
