/** Runs every command of the README, in order, as a reader would. */
import { spawn, type ChildProcess } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, readdirSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'

const folder = mkdtempSync(join(tmpdir(), 'weft-readme-'))
const commands = commandsOf(readFileSync('README.md', 'utf8'))
const environment: Record<string, string | undefined> = { ...process.env }
let network: ChildProcess | undefined

afterAll(async () => {
  await stop(network)
  rmSync(folder, { recursive: true, force: true })
})

describe('README.md', () => {
  copyRepository()

  test.each(commands)(
    '%s',
    async (command) => {
      if (command.startsWith('export ')) {
        const [, name, value] = /^export (\w+)=(.*)$/.exec(command)!
        environment[name!] = value!
      } else if (command === 'npm start') {
        network = run(command)
        const ended = new Promise<never>((_, reject) =>
          network!.once('exit', (code) => reject(new Error(`\`npm start\` ended with ${code}.`))),
        )
        await Promise.race([says(network, /Try it/), ended])
      } else {
        const child = run(command)
        const code = await new Promise((resolve) => child.once('exit', resolve))
        expect(code).toBe(0)
      }
    },
    300_000,
  )
})

/** The lines of `sh` blocks, without their comments; a block marked `no-test` names things a reader has to fill in. */
function commandsOf(text: string): readonly string[] {
  return [...text.matchAll(/^```sh\n([^]*?)^```/gm)]
    .flatMap(([, block]) => block!.split('\n'))
    .map((line) => line.replace(/\s+#.*$/, '').trim())
    .filter((line) => line !== '')
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
