/**
 * The page in a real browser, against a real explorer that hears real signed messages. Screenshots go to
 * `test/artefacts/`, for eyes.
 */
import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { chromium, type BrowserContext, type Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { build } from 'vite'
import { startExplorer, type Explorer } from '../src/indexer/startExplorer.ts'
import { startIndexer } from '../src/indexer/startIndexer.ts'
import type { Clock } from '../src/runtime/Clock.ts'
import { silentLogger } from '../src/runtime/silentLogger.ts'
import { systemClock } from '../src/runtime/systemClock.ts'
import { explorerWorld, type ExplorerWorld } from './explorerWorld.ts'
import { busyHour } from './busyHour.ts'
import { type ToldRuns, tellTraining } from './tellTraining.ts'

const executablePath = process.env['CHROMIUM'] ?? '/usr/bin/chromium'
const artefacts = fileURLToPath(new URL('artefacts', import.meta.url))

if (!existsSync(executablePath))
  throw new Error(
    `No Chromium at ${executablePath}. Fix: apt-get install chromium, or set CHROMIUM to its path.`,
  )

const sizes = {
  desktop: { width: 1280, height: 860 },
  phone: { width: 360, height: 740 },
} as const

let stack: AsyncDisposableStack
let world: ExplorerWorld
let story: Awaited<ReturnType<typeof busyHour>>
let runs: ToldRuns
let explorer: Explorer
let context: BrowserContext
let page: Page
let folder: string
let ports: startExplorer.Ports
const complaints: string[] = []
const foreign: string[] = []

beforeAll(async () => {
  mkdirSync(artefacts, { recursive: true })
  folder = mkdtempSync(join(tmpdir(), 'weft-explorer-'))
  stack = new AsyncDisposableStack()
  stack.defer(() => rmSync(folder, { recursive: true, force: true }))
  await build({
    root: fileURLToPath(new URL('../explorer', import.meta.url)),
    logLevel: 'warn',
    build: { outDir: join(folder, 'page'), emptyOutDir: true },
  })

  const clock = lateClock(990_000)
  world = explorerWorld(clock, { seed: 11 })
  const validator = world.party()
  const indexer = stack.use(
    await startIndexer(
      {
        chain: world.ledger.connect(world.domain.vault),
        network: world.network.join('explorer'),
        clock,
        logger: silentLogger(),
      },
      { path: ':memory:', validators: [validator.identity.address], pollMs: 100 },
    ),
  )
  ports = { indexer, clock, logger: silentLogger() }
  explorer = stack.use(await startExplorer(ports, { port: 0, page: join(folder, 'page') }))
  story = await busyHour(world, { validator, pass: (ms) => clock.pass(ms) })
  clock.catchUp()
  runs = stack.use(await tellTraining(world, clock))

  context = await chromium.launchPersistentContext(join(folder, 'profile'), {
    executablePath,
    viewport: sizes.desktop,
    args: [
      '--headless',
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  })
  stack.defer(() => context.close())
  page = context.pages()[0] ?? (await context.newPage())
  page.on('console', (message) => {
    if (message.type() !== 'log') complaints.push(`${message.type()}: ${message.text()}`)
  })
  page.on('pageerror', (error) => complaints.push(error.message))
  page.on('request', (request) => {
    const { protocol, origin } = new URL(request.url())
    if (protocol !== 'data:' && origin !== new URL(explorer.url).origin) foreign.push(request.url())
  })
})

afterAll(async () => {
  await stack.disposeAsync()
})

describe('the page', () => {
  test('shows the network in one glance', async () => {
    await open('')
    await eventually(() => text('h1')).toContain('every result carries evidence')
    await eventually(() => text('.status')).toContain('Live')
    await eventually(() => text('.counters')).toMatch(/Providers online\s*3\s*of 4 known/)
    expect(await text('.check')).toContain('Every cent is accounted for.')
    expect(await page.locator('.cloth li').count()).toBe(3)
    expect(await page.locator('.cloth .stitch.bad').count()).toBeGreaterThan(3)
  })

  test('shows a new job without a reload, from its start to its verdict', async () => {
    await open('#/jobs')
    await page.locator('tbody tr').first().waitFor()
    await page.evaluate(() => Object.assign(window, { mark: 'not reloaded' }))
    const lease = story.leases[0]!
    const job = await world.startJob(lease)
    const row = page.locator(`tbody tr:has(a[href="#/jobs/${job}"])`)
    await row.waitFor()
    expect(await row.innerText()).toContain('running')

    const done = await world.deliver(lease, job)
    await eventually(() => row.innerText()).toContain('pending')
    await world.judge(story.validator, done, 'valid')
    await eventually(() => row.innerText()).toContain('verified (rerun)')
    await world.pay(lease, done.receipt)
    await eventually(() => row.innerText()).toContain('paid')
    expect(await page.evaluate(() => 'mark' in window)).toBe(true)
  })

  test('tells a job from the order to the claim', async () => {
    await open(`#/jobs/${story.paid}`)
    await page.locator('.timeline li').first().waitFor()
    const codes = await page.locator('.timeline .by > .code').allInnerTexts()
    expect(codes.filter((code, index) => codes.indexOf(code) === index)).toEqual([
      'order-created',
      'order-bid',
      'order-declined',
      'lease-signed',
      'lease-opened',
      'lease-open',
      'lease-ready',
      'job-start',
      'job-delivered',
      'receipt-signed',
      'verdict-valid',
      'payment-signed',
      'claimed',
    ])
    expect(await page.locator('.steps .done').count()).toBe(8)
    expect(await text('.assurance .badge')).toMatch(/statistical\s*verified \(rerun\)/)
    await page.locator('details:has-text("signed receipt") summary').first().click()
    expect(await text('details[open] pre')).toContain('"signature"')
    const [download] = await Promise.all([
      page.waitForEvent('download'),
      page.getByRole('link', { name: 'Download the receipt' }).click(),
    ])
    expect(download.suggestedFilename()).toMatch(/^weft-receipt-0x[0-9a-f]{8}\.json$/)
  })

  test('does not blur a rejected job into a verified one', async () => {
    await open(`#/jobs/${story.rejected}`)
    await page.locator('.timeline li').first().waitFor()
    expect(await text('.assurance')).toMatch(/statistical\s*challenged \(rerun\)/)
    expect(await text('.assurance')).toContain('does not hold')
    expect(await text('.steps')).toMatch(/verdict\s*invalid/)
    expect(await text('.steps')).toMatch(/voucher\s*withheld/)
  })

  test('says why a provider declined, in words', async () => {
    await open(`#/orders/${story.unfilled}`)
    await page.locator('.timeline li').first().waitFor()
    expect(await text('.timeline')).toContain('its price for output is above the ceiling')
    expect(await text('main')).toContain('No lease came of this order.')
  })

  test('shows a run of training round by round, without a reload, and who was dropped and why', async () => {
    const { live, over } = runs
    await open(`#/training/${live.log.run}`)
    await eventually(() => text('.verdict')).toContain('14 of 40 rounds are in the model.')
    await page.evaluate(() => Object.assign(window, { mark: 'not reloaded' }))
    await live.round([0, 1, 2])
    await runs.tell()
    await eventually(() => text('.verdict')).toContain('15 of 40 rounds are in the model.')
    expect(await page.evaluate(() => 'mark' in window)).toBe(true)
    await open(`#/training/${over.log.run}`)
    await eventually(() => text('.verdict')).toContain('A liar was found by audits and convicted.')
    expect(await text('main')).toContain('Worker 3 is out: it missed three rounds in a row.')
    expect(await page.locator('.round-bars rect').count()).toBeGreaterThan(60)
  })

  test('compares runs in one plot, those that the reader chooses', async () => {
    await open('#/training')
    await eventually(() => page.locator('.chart .legend > span').count()).toBe(3)
    await page.getByRole('checkbox').first().uncheck()
    await eventually(() => page.locator('.chart .legend > span').count()).toBe(2)
    await page.getByText('bytes', { exact: true }).click()
    expect(await text('.across')).toBe('bytes of all payloads')
  })

  test('can be used with the keyboard alone', async () => {
    await open('')
    await page.locator('.counters').waitFor()
    await page.keyboard.press('Tab')
    expect(await focused()).toBe('Skip to content')
    for (let count = 0; count < 3; count++) await page.keyboard.press('Tab')
    expect(await focused()).toBe('Providers')
    await page.keyboard.press('Enter')
    await eventually(() => text('h1')).toBe('Providers')
    await eventually(() => page.evaluate(() => document.activeElement?.tagName)).toBe('H1')
  })

  test('goes back to older rows', async () => {
    await open('#/jobs')
    await page.locator('tbody tr').first().waitFor()
    const before = await page.locator('tbody tr').count()
    await page.getByRole('button', { name: 'Show older jobs' }).click()
    await eventually(() => page.locator('tbody tr').count()).toBeGreaterThan(before)
  })

  test('says so when the explorer is gone, and is live again when it is back', async () => {
    await open('')
    await eventually(() => text('.status')).toContain('Live')
    const before = complaints.length
    const port = Number(new URL(explorer.url).port)
    await explorer[Symbol.asyncDispose]()
    await eventually(() => text('.status')).toContain('Reconnecting')
    explorer = stack.use(await startExplorer(ports, { port, page: join(folder, 'page') }))
    await eventually(() => text('.status')).toContain('Live')
    // The browser itself logs each attempt that failed.
    expect(complaints.splice(before).filter((line) => !line.includes('net::ERR_'))).toEqual([])
  })

  test('has enough contrast, in the light and in the dark', { timeout: 400_000 }, async () => {
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme })
      for (const place of [
        '',
        '#/providers',
        `#/jobs/${story.rejected}`,
        '#/money',
        `#/training/${runs.over.log.run}`,
      ]) {
        await open(place)
        await page.locator('.card').first().waitFor()
        await eventually(() => page.locator('.loading').count()).toBe(0)
        expect(await page.evaluate(lowContrast), `${colorScheme} ${place}`).toEqual([])
      }
    }
    await page.emulateMedia({ colorScheme: 'light' })
  })

  test('fits every view on desktop and phone, light and dark', { timeout: 400_000 }, async () => {
    const views = {
      overview: '',
      providers: '#/providers',
      provider: `#/providers/${story.leases[0]!.key.provider}`,
      jobs: '#/jobs',
      job: `#/jobs/${story.paid}`,
      'job-rejected': `#/jobs/${story.rejected}`,
      leases: '#/leases',
      lease: `#/leases/${story.leases[0]!.id}`,
      order: `#/orders/${story.unfilled}`,
      money: '#/money',
      training: '#/training',
      'training-run': `#/training/${runs.over.log.run}`,
      unknown: '#/elsewhere',
    }
    const inTheDark = ['overview', 'job', 'provider', 'money', 'training', 'training-run']
    for (const [size, viewport] of Object.entries(sizes)) {
      await page.setViewportSize(viewport)
      await open('')
      for (const colorScheme of ['light', 'dark'] as const) {
        await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' })
        for (const [name, place] of Object.entries(views)) {
          if (colorScheme === 'dark' && !inTheDark.includes(name)) continue
          await page.evaluate((hash) => void (location.hash = hash), place || '#/')
          await eventually(() => page.locator('.card').count()).toBeGreaterThanOrEqual(
            name === 'unknown' ? 0 : 1,
          )
          await eventually(() => page.locator('.loading').count()).toBe(0)
          const overflow = await page.evaluate(
            () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
          )
          expect(overflow, `${name} on ${size}`).toBe(0)
          const path = join(artefacts, `explorer-${name}-${size}-${colorScheme}.png`)
          await page.screenshot({ path, fullPage: true })
        }
      }
    }
    const paper = await page.evaluate(() => getComputedStyle(document.body).backgroundColor)
    expect(paper).toBe('rgb(13, 16, 21)')
    await page.setViewportSize(sizes.desktop)
  })

  test('complains about nothing and asks nobody else', () => {
    expect(complaints).toEqual([])
    expect(foreign).toEqual([])
  })
})

describe('an empty network', () => {
  test('says what to do', async () => {
    const clock = systemClock()
    const quiet = explorerWorld(clock, { seed: 3 })
    await using indexer = await startIndexer(
      {
        chain: quiet.ledger.connect(quiet.domain.vault),
        network: quiet.network.join('explorer'),
        clock,
        logger: silentLogger(),
      },
      { path: ':memory:', validators: [], pollMs: 100 },
    )
    const options = {
      port: 0,
      page: join(fileURLToPath(new URL('../explorer/dist', import.meta.url))),
    }
    await using server = await startExplorer({ indexer, clock, logger: silentLogger() }, options)
    const other = await context.newPage()
    await other.goto(server.url)
    await eventually(() => other.locator('main').innerText()).toContain('No job has run yet.')
    await other.screenshot({ path: join(artefacts, 'explorer-empty.png'), fullPage: true })
    await other.goto(`${server.url}/#/providers`)
    await eventually(() => other.locator('main').innerText()).toContain('weft provide')
    await other.close()
  })
})

/** Waits for what the page will show, as long as a busy machine may take. */
function eventually<value>(read: () => Promise<value>) {
  return expect.poll(read)
}

/** Opens a view in a fresh page, as somebody does who follows a link. */
async function open(place: string): Promise<void> {
  await page.goto('about:blank')
  await page.goto(`${explorer.url}/${place}`)
}

async function text(selector: string): Promise<string> {
  return await page.locator(selector).first().innerText()
}

async function focused(): Promise<string> {
  return await page.evaluate(() => (document.activeElement as HTMLElement).innerText)
}

/** Runs in the page: texts whose contrast to what is behind them is under 4.5 (WCAG AA). */
function lowContrast(): readonly string[] {
  const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true })!
  const parse = (colour: string) => {
    canvas.clearRect(0, 0, 1, 1)
    canvas.fillStyle = colour
    canvas.fillRect(0, 0, 1, 1)
    return [...canvas.getImageData(0, 0, 1, 1).data]
  }
  const luminance = (rgb: readonly number[]) => {
    const [r, g, b] = rgb.map((value) => {
      const part = value / 255
      return part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4
    })
    return 0.2126 * r! + 0.7152 * g! + 0.0722 * b!
  }
  const behind = (element: Element | null): readonly number[] => {
    for (let at = element; at; at = at.parentElement) {
      const found = parse(getComputedStyle(at).backgroundColor)
      if (found[3]! > 200) return found.slice(0, 3)
    }
    return [255, 255, 255]
  }
  const found: string[] = []
  for (const element of document.querySelectorAll<HTMLElement>('body *')) {
    const own = [...element.childNodes].some(
      (node) => node.nodeType === 3 && node.textContent!.trim() !== '',
    )
    if (!own || element.closest('svg, canvas, .hidden, [aria-hidden], .bar')) continue
    const [a, b] = [
      luminance(parse(getComputedStyle(element).color).slice(0, 3)),
      luminance(behind(element)),
    ]
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05)
    if (ratio < 4.5) found.push(`${element.innerText.slice(0, 40)}: ${ratio.toFixed(2)}`)
  }
  return [...new Set(found)]
}

/** The real clock, late by `ms`, until it catches up: a history can be told in no time. */
function lateClock(ms: number): Clock & { pass(ms: number): void; catchUp(): void } {
  const real = systemClock()
  let late = ms
  return {
    now: () => real.now() - late,
    sleep: (length, options) => real.sleep(length, options),
    pass: (length) => void (late = Math.max(0, late - length)),
    catchUp: () => void (late = 0),
  }
}
