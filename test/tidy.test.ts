/** Checks properties of the code base itself, after TigerBeetle's `tidy.zig`. The tables below are the architecture. */
import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { describe, expect, test } from 'vitest'

/** What each folder of `src/` may import. Data flows down this list; imports may only flow up it. */
const layers: Readonly<Record<string, readonly string[]>> = {
  runtime: [],
  exact: ['runtime'],
  protocol: ['runtime'],
  chain: ['protocol', 'runtime'],
  network: ['protocol', 'runtime'],
  engine: ['exact', 'protocol', 'runtime'],
  market: ['protocol', 'runtime'],
  settlement: ['chain', 'protocol', 'runtime'],
  provider: ['chain', 'engine', 'market', 'network', 'protocol', 'runtime'],
  buyer: ['chain', 'market', 'network', 'protocol', 'runtime'],
  verification: ['engine', 'exact', 'network', 'protocol', 'runtime'],
  gateway: ['buyer', 'protocol', 'runtime'],
  training: ['chain', 'exact', 'network', 'protocol', 'runtime'],
  indexer: ['chain', 'network', 'protocol', 'runtime', 'training'],
}

/** Files that stages may import from a port's folder; every other file there is an adapter, for `cli/` and `test/` alone. */
const ports: Readonly<Record<string, readonly string[]>> = {
  chain: ['Chain.ts'],
  network: ['Network.ts', 'Bulk.ts'],
  engine: ['Engine.ts'],
  runtime: ['Clock.ts', 'Errors.ts', 'Logger.ts', 'Random.ts', 'Semaphore.ts', 'Store.ts'],
}

/** Packages that one part alone may import: heavy ones, native ones, and whatever an adapter is for. */
const owners: readonly (readonly [RegExp, RegExp])[] = [
  [/^(@libp2p\/|libp2p$|@multiformats\/)/, /^network\//],
  [/^viem/, /^chain\//],
  [/^node-llama-cpp$/, /^engine\/llamaCpp\.ts$/],
  [/^systeminformation$/, /^engine\/hardware\//],
  [/^secp256k1/, /^runtime\/secp256k1\.ts$/],
  [/^pino$/, /^runtime\/pinoLogger\.ts$/],
  [/^node:sqlite$/, /^(runtime|indexer)\//],
  [/^(fastify|@fastify\/)/, /^(gateway|indexer)\//],
  [/^(commander|yaml)$/, /^cli\//],
  [/^@huggingface\/tokenizers$/, /^exact\/Tokenizer\.ts$/],
]

const inAdapters =
  /^(runtime|cli)\/|^(network\/(libp2p|https)|chain\/(viem|anvil|evm)|engine\/(openai|llamaCpp|hardware\/))/

const banned: readonly (readonly [RegExp, string, RegExp?])[] = [
  [/\bDate\.now\(|new Date\(\)|performance\.now\(/, 'clock.now()', inAdapters],
  [/\bMath\.random\(|randomUUID\(|\brandomBytes\(/, 'random.next()', inAdapters],
  [/\bset(Timeout|Interval)\(/, 'clock.sleep()', inAdapters],
  [/(await|return|=|\() ?fetch\(/, 'a port', inAdapters],
  [/\bcrypto\.subtle\b/, '@noble (synchronous, so simulations replay)'],
  [/^export default/m, 'a named export'],
  [/^\s*(export )?(const )?enum /m, 'a union of string literals'],
  [/\bas any\b|: any\b/, 'unknown'],
  [/\b(TODO|FIXME|XXX)\b/, 'an issue'],
]

const names = /^(utils?|helpers?|common|misc|shared|components|core|lib|types)$/i
const generated = /^chain\/artifacts\.ts$/

const files = readdirSync('src', { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.ts'))
  .toSorted()

describe('src', () => {
  test.each(files)('%s', (file) => {
    const text = readFileSync(`src/${file}`, 'utf8')
    expect([...shape(file, text), ...bans(file, text), ...imports(file, text)]).toEqual([])
  })
})

test('every folder of src/ stands in the table of layers', () => {
  const folders = readdirSync('src', { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => entry.name)
  expect(folders.filter((folder) => folder !== 'cli' && !layers[folder])).toEqual([])
})

test('every link in a Markdown page leads somewhere', () => {
  const pages = [
    ...readdirSync('.'),
    ...readdirSync('docs/decisions').map((f) => `docs/decisions/${f}`),
  ]
  const broken = pages
    .filter((page) => page.endsWith('.md'))
    .flatMap((page) =>
      [...readFileSync(page, 'utf8').matchAll(/\]\(([^)#:]+)(#[^)]*)?\)/g)]
        .map(([, target]) => new URL(target!, `file:///${page}`).pathname.slice(1))
        .filter((target) => !existsSync(target))
        .map((target) => `${page}: ${target}`),
    )
  expect(broken).toEqual([])
})

function shape(file: string, text: string): readonly string[] {
  const problems: string[] = []
  const lines = text.split('\n')
  if (file.split('/').length > 3) problems.push('nested deeper than src/<folder>/<folder>/<file>')
  if (
    file
      .split('/')
      .some((part) => names.test(part.replace(/(\.test|\.fuzz|\.e2e|\.sim)?\.ts$/, '')))
  )
    problems.push('named after nothing: name the domain instead')
  if (generated.test(file)) return problems
  if (lines.length > 500) problems.push('longer than 500 lines')
  lines.forEach((line, index) => {
    if (line.length > 140) problems.push(`line ${index + 1} is longer than 140`)
  })
  return problems
}

function bans(file: string, text: string): readonly string[] {
  return banned
    .filter(
      ([pattern, , except]) =>
        pattern.test(withoutComments(text)) && !except?.test(file) && !isTest(file),
    )
    .map(([pattern, instead]) => `${pattern} is banned, use ${instead}`)
}

function imports(file: string, text: string): readonly string[] {
  const folder = file.includes('/') ? file.split('/')[0]! : undefined
  const targets = [...text.matchAll(/(?:from|import\() ?'([^']+)'/g)].map(([, target]) => target!)
  if (isTest(file)) return []
  const problems = targets
    .filter((target) => !target.startsWith('.'))
    .flatMap((target) => owners.filter(([name, owner]) => name.test(target) && !owner.test(file)))
    .map(([name]) => `${name} belongs to another part`)
  if (!folder || folder === 'cli') return problems
  for (const [, target, rest] of targets.join('\n').matchAll(/^(?:\.\.\/)+([a-z]\w*)\/(.+)$/gm)) {
    if (target === folder || !(target! in layers)) continue
    if (!layers[folder]?.includes(target!)) problems.push(`${folder} may not import ${target}`)
    const allowed = ports[target!]
    const pure = target === 'runtime' && ['protocol', 'network', 'chain', 'engine'].includes(folder)
    if (allowed && !pure && !allowed.includes(rest!))
      problems.push(`${target}/${rest} is an adapter: only cli/ and test/ choose adapters`)
  }
  return problems
}

function isTest(file: string): boolean {
  return /\.(test|fuzz\.test|sim\.test|e2e\.test|bench)\.ts$|\/(compliance|\w+Compliance)\.ts$/.test(
    file,
  )
}

function withoutComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/^\s*\/\/.*$/gm, '')
}
