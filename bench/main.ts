/** `npm run bench -- NAME [--json] [--only PARTS]`: runs one benchmark; without a name it lists them. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import type { Bench } from './Bench.ts'
import { table } from './table.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { json: { type: 'boolean', default: false }, only: { type: 'string' } },
})
const benches = await load()
const [name, ...rest] = positionals
const bench = name === undefined ? undefined : benches.get(name)

const only = values.only?.split(',')
const unknown = only?.find((part) => !bench?.sections?.includes(part))

if (!bench || rest.length > 0) {
  const list = [...benches].map(([title, { description }]) => [title, description])
  console.log(
    `npm run bench -- NAME [--json] [--only PARTS]\n\n${table(['name', 'what it measures'], list)}`,
  )
  if (name !== undefined) console.error(`\nThere is no benchmark named ${positionals.join(' ')}.`)
  process.exitCode = name === undefined ? 0 : 1
} else if (unknown !== undefined) {
  const parts = bench.sections?.join(', ') ?? 'none'
  console.error(`${name} has no part named ${unknown}; its parts: ${parts}.`)
  process.exitCode = 1
} else {
  const say = values.json ? () => {} : (text: string) => console.log(text)
  const figures = await bench.run({ say, only })
  if (values.json) console.log(JSON.stringify(figures))
  process.exitCode = 0
}

/** A benchmark is a file of this folder that exports `bench`. */
async function load(): Promise<ReadonlyMap<string, Bench>> {
  const files = readdirSync(import.meta.dirname).filter((file) => {
    if (!file.endsWith('.ts')) return false
    return /^export const bench\b/m.test(readFileSync(join(import.meta.dirname, file), 'utf8'))
  })
  const entries = files.toSorted().map(async (file) => {
    const module = (await import(join(import.meta.dirname, file))) as { bench: Bench }
    return [file.replace(/\.ts$/, ''), module.bench] as const
  })
  return new Map(await Promise.all(entries))
}
