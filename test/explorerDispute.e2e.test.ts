/**
 * The page of a dispute in a real browser: disputes played on a real chain, by the contracts, to their ends.
 * Screenshots go to `test/artefacts/`, for eyes.
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { chromium, type BrowserContext, type Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { build } from 'vite'
import { startDevnet } from '../src/chain/devnet.ts'
import { startParties } from '../src/chain/viemCompliance.ts'
import { startExplorer } from '../src/indexer/startExplorer.ts'
import { startIndexer } from '../src/indexer/startIndexer.ts'
import { memoryNetwork } from '../src/network/memory.ts'
import * as Hex from '../src/protocol/Hex.ts'
import { seededRandom } from '../src/runtime/seededRandom.ts'
import { silentLogger } from '../src/runtime/silentLogger.ts'
import { systemClock } from '../src/runtime/systemClock.ts'
import { type Dispute, minting, openDispute, tampered, wrongRuns } from './explorerDisputes.ts'

const executablePath = process.env['CHROMIUM'] ?? '/usr/bin/chromium'
const artefacts = fileURLToPath(new URL('artefacts', import.meta.url))
const sizes = { desktop: { width: 1280, height: 860 }, phone: { width: 360, height: 740 } } as const

let stack: AsyncDisposableStack
let url: string
let context: BrowserContext
let page: Page
/** One that ended by arithmetic, one by an operand, one by the state, one that is open. */
const disputes: Record<string, Dispute> = {}
const complaints: string[] = []

beforeAll(async () => {
  mkdirSync(artefacts, { recursive: true })
  stack = new AsyncDisposableStack()
  const folder = mkdtempSync(join(tmpdir(), 'weft-dispute-'))
  stack.defer(() => rmSync(folder, { recursive: true, force: true }))
  await build({
    root: fileURLToPath(new URL('../explorer', import.meta.url)),
    logLevel: 'warn',
    build: { outDir: join(folder, 'page'), emptyOutDir: true },
  })
  const devnet = stack.use(await startDevnet({ blockTimeSeconds: 0 }))
  const parties = await startParties(devnet, { disputesAreCourt: true })
  const { provider: claimant, buyer: challenger, stranger } = parties
  const mint = minting(stranger.chain)
  await mint(claimant.identity.address, 8_000_000n)
  const { peerId } = claimant.identity
  const stake = { peerId, offerUri: '', stakeMicroUsd: 8_000_000n }
  await claimant.chain.send({ type: 'register', ...stake })
  const both = { claimant, challenger, mint }

  const sums = await wrongRuns('sum', { steps: 12, rows: 16, length: 8 })
  const runs = {
    sum: sums,
    operand: { ...sums, tamper: tampered },
    data: await wrongRuns('data'),
    state: await wrongRuns('state'),
  }
  for (const [name, run] of Object.entries(runs)) {
    const dispute = await openDispute(both, run, { job: Hex.sha256(name) })
    await dispute.play()
    disputes[name] = dispute
  }
  const { claim, key } = disputes['sum']!
  await stranger.chain.send({ type: 'slash-claimant', claim, challenger: key.challenger })
  await stranger.chain.send({ type: 'burn-bond', claim: key.claim })
  disputes['open'] = await openDispute(both, sums)
  await disputes['open'].play(({ phase }) => phase === 'value')

  const clock = systemClock()
  const network = memoryNetwork({ clock, random: seededRandom(1) }).join('explorer')
  const ports = { chain: stranger.chain, network, clock, logger: silentLogger() }
  const indexer = stack.use(
    await startIndexer(ports, { path: ':memory:', validators: [], pollMs: 100 }),
  )
  const served = { port: 0, page: join(folder, 'page') }
  const explorer = stack.use(
    await startExplorer({ indexer, clock, logger: silentLogger() }, served),
  )
  url = explorer.url

  context = await chromium.launchPersistentContext(join(folder, 'profile'), {
    executablePath,
    viewport: sizes.desktop,
    args: ['--headless', '--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-sync'],
  })
  stack.defer(() => context.close())
  page = context.pages()[0] ?? (await context.newPage())
  page.on('console', (message) => {
    if (message.type() !== 'log') complaints.push(`${message.type()}: ${message.text()}`)
  })
  page.on('pageerror', (error) => complaints.push(error.message))
}, 400_000)

afterAll(() => stack.disposeAsync())

describe('the page of a dispute', () => {
  test('shows the one sum that was wrong, and computes it again', async () => {
    await open('sum')
    await eventually(() => text('.bottom-head')).toContain('the contract gets something else')
    expect(await text('.verdict')).toMatch(/The claim was false\..*lost \$5\.00 of its stake/s)
    expect(await text('.narrowing')).toMatch(
      /Step 8.*Value \d+.*matrix product.*Element \[.*Segment/s,
    )
    const [claimed, computed] = await page
      .locator('.pair .figure')
      .allInnerTexts()
      .then((all) => all.slice(-2))
    expect(claimed).not.toBe(computed)
    expect(await page.locator('.bits .other').count()).toBeGreaterThanOrEqual(2)
    await page.locator('.bottom summary').click()
    const last = page.locator('.terms tbody tr').last().locator('td').last()
    expect(await last.innerText()).toBe(computed)
    expect(await text('.moves')).toMatch(/gas/)
  })

  test('shows the one number that was not there', async () => {
    await open('operand')
    await eventually(() => text('.bottom-head')).toContain('that is not what stands there')
    const [claimed, held] = await page.locator('.pair .figure').allInnerTexts()
    expect(claimed!.replace('−', '')).toBe(held!.replace('−', ''))
    expect(claimed).not.toBe(held)

    await open('data')
    await eventually(() => text('.bottom')).toContain('The data holds')
    const [token, byte] = await page.locator('.pair .figure').allInnerTexts()
    expect(Number(token) ^ Number(byte)).toBe(1)
  })

  test('shows a state that does not follow from its step', async () => {
    await open('state')
    await eventually(() => text('.bottom-head')).toContain('next state must hold')
    expect(await text('.narrowing')).toMatch(/Slot 3 of the state after it/)
  })

  test('shows whose clock runs, and each move as it is made', async () => {
    await open('open')
    await eventually(() => text('.clocks .runs')).toMatch(/Claimant.*its turn/s)
    const before = await text('.clocks .runs .clock-time')
    await eventually(() => text('.clocks .runs .clock-time')).not.toBe(before)
    const moves = await page.locator('.moves li').count()
    await disputes['open']!.move()
    await eventually(() => page.locator('.moves li').count()).toBe(moves + 1)
    await eventually(() => text('.clocks .runs')).toMatch(/Challenger.*its turn/s)
  })

  test('is found from the list and from the overview', async () => {
    await page.goto(`${url}/`)
    await eventually(() => text('main')).toContain('1 dispute open, 4 claims proven false')
    await page.goto(`${url}/#/disputes`)
    await eventually(() => page.locator('tbody tr').count()).toBe(5)
  })

  test('fits desktop and phone, light and dark', { timeout: 400_000 }, async () => {
    for (const [size, viewport] of Object.entries(sizes)) {
      await page.setViewportSize(viewport)
      for (const colorScheme of ['light', 'dark'] as const) {
        await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' })
        for (const name of [...Object.keys(disputes), 'list', 'overview']) {
          if (colorScheme === 'dark' && !['sum', 'open'].includes(name)) continue
          await (name in disputes
            ? open(name)
            : page.goto(`${url}/#/${name === 'list' ? 'disputes' : ''}`))
          await eventually(() => page.locator('.card').count()).toBeGreaterThanOrEqual(1)
          await eventually(() => page.locator('.loading').count()).toBe(0)
          if (name in disputes && name !== 'open') await page.locator('.bottom').waitFor()
          if (name === 'sum') await page.locator('.bottom summary').click()
          const overflow = await page.evaluate(
            () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
          )
          expect(overflow, `${name} on ${size}`).toBe(0)
          // The head of the page stays in view, and would lie over what was scrolled to.
          await page.evaluate(() => window.scrollTo(0, 0))
          const path = join(artefacts, `explorer-dispute-${name}-${size}-${colorScheme}.png`)
          await page.screenshot({ path, fullPage: true })
        }
      }
    }
    await page.setViewportSize(sizes.desktop)
    await page.emulateMedia({ colorScheme: 'light' })
  })

  test('complains about nothing', () => {
    expect(complaints).toEqual([])
  })
})

async function open(name: string): Promise<void> {
  await page.goto('about:blank')
  await page.goto(`${url}/#/disputes/${disputes[name]!.id}`)
  await page.locator('.narrowing').waitFor()
}

function eventually<value>(read: () => Promise<value>) {
  return expect.poll(read)
}

async function text(selector: string): Promise<string> {
  return await page.locator(selector).first().innerText()
}
