/** The explorer as its readers meet it: the API over HTTP, the live stream, and the words of the page. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import * as format from '../explorer/src/format.ts'
import { assuranceSentence, isKnown, sentence } from '../explorer/src/reasons.ts'
import { parsePlace } from '../explorer/src/router.ts'
import { entriesOf, piecesOf } from '../explorer/src/timeline.ts'
import type * as Api from '../src/indexer/Api.ts'
import { startExplorer } from '../src/indexer/startExplorer.ts'
import { startIndexer } from '../src/indexer/startIndexer.ts'
import * as screen from '../src/market/screen.ts'
import { tiers } from '../src/protocol/Assurance.ts'
import * as Hex from '../src/protocol/Hex.ts'
import * as Receipt from '../src/protocol/Receipt.ts'
import * as TimelineEvent from '../src/protocol/TimelineEvent.ts'
import * as Verdict from '../src/protocol/Verdict.ts'
import { silentLogger } from '../src/runtime/silentLogger.ts'
import { systemClock } from '../src/runtime/systemClock.ts'
import { explorerWorld, usualStory } from './explorerWorld.ts'

describe('startExplorer', () => {
  test('answers every route, and each answer is what the tables say', async () => {
    await using setup = await start()
    const { get, story } = setup
    const job = story.delivered[0]!.receipt.job
    expect(await get('/api/network')).toMatchObject({
      status: 200,
      body: { chainId: 31_337, chain: { state: 'live' }, jobs: { delivered: 6, probes: 2 } },
    })
    expect((await get('/api/providers')).body).toHaveLength(2)
    expect((await get(`/api/providers/${story.honest.identity.address}`)).body).toMatchObject({
      provider: { online: true, stake: '5000000', checks: { verified: 3 } },
      leases: [{ state: 'ready', total: '2000000' }],
    })
    expect((await get('/api/jobs?show=rejected')).body).toMatchObject({
      rows: Array.from({ length: 3 }, () => ({ check: 'invalid', payment: 'withheld' })),
    })
    expect((await get(`/api/jobs/${job}`)).body).toMatchObject({ job: { id: job }, claimed: true })
    expect((await get(`/api/leases/${story.leases[0]!.id}`)).body).toMatchObject({
      lease: { claimed: '63', jobs: 3, order: story.orderId },
    })
    expect((await get(`/api/orders/${story.orderId}`)).body).toMatchObject({
      leases: [{ state: 'ready' }, { state: 'ready' }],
    })
    expect((await get('/api/disputes')).body).toEqual({ rows: [], next: null })
    expect((await get('/api/money')).body).toMatchObject({
      totals: { deposited: '10000000', claimed: '63', earned: '63' },
      conservation: { conserved: true },
    })
    expect((await get('/api/activity?minutes=60')).body).toMatchObject({
      threads: [{ jobs: { length: 3 } }, { jobs: { length: 3 } }],
    })
  })

  test('goes through all jobs page by page, each once', async () => {
    await using setup = await start()
    const seen: string[] = []
    let next: string | null = null
    do {
      const path: string = `/api/jobs?limit=4&probes=1${next === null ? '' : `&before=${next}`}`
      const { body } = await setup.get(path)
      const page = body as { rows: { id: string }[]; next: string | null }
      seen.push(...page.rows.map(({ id }) => id))
      next = page.next
    } while (next !== null)
    expect(seen).toHaveLength(8)
    expect(new Set(seen).size).toBe(8)
  })

  test('hands out the receipt exactly as its provider signed it', async () => {
    await using setup = await start()
    const { receipt, id } = setup.story.delivered[0]!
    const response = await fetch(`${setup.url}/api/jobs/${receipt.job}/receipt`)
    expect(response.headers.get('content-disposition')).toContain('attachment')
    const signed = Receipt.deserialize(new Uint8Array(await response.arrayBuffer()))
    expect(Receipt.hash(setup.domain, Receipt.verify(setup.domain, signed))).toBe(id)
  })

  test('can only be read: every route takes GET and HEAD, every other method is refused', async () => {
    await using setup = await start()
    expect(setup.routes.length).toBeGreaterThan(12)
    expect(setup.routes.filter((route) => !/^(GET|HEAD) \//.test(route))).toEqual([])
    const paths = [...setup.routes, 'GET /', 'GET /api', 'GET /api/nothing']
      .map((route) => route.split(' ')[1]!.replace(/:\w+|\*/, Hex.zero))
      .filter((path) => path !== '/api/events')
    for (const path of new Set(paths))
      for (const method of ['POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']) {
        const response = await fetch(`${setup.url}${path}`, { method })
        expect(response.status, `${method} ${path}`).toBe(405)
        expect(response.headers.get('allow')).toBe('GET, HEAD')
        expect(await response.json()).toMatchObject({ code: 'Explorer.ReadOnlyError' })
      }
  })

  test('says what is wrong as problem details', async () => {
    await using setup = await start()
    const bad = [
      ['/api/jobs?limit=0', 400],
      ['/api/jobs?limit=9999', 400],
      ['/api/jobs?before=zebra', 400],
      ["/api/jobs?show='; DROP TABLE jobs", 400],
      ['/api/jobs?limit=5&limit=6', 400],
      ['/api/network?debug=1', 400],
      ['/api/jobs/0x12', 400],
      ['/api/disputes?show=lost', 400],
      ['/api/disputes/0x12', 400],
      [`/api/disputes/${Hex.zero}`, 404],
      [`/api/jobs/${Hex.zero}`, 404],
      [`/api/jobs/${Hex.zero}/receipt`, 404],
      [`/api/leases/${Hex.zero}`, 404],
      [`/api/orders/${Hex.zero}`, 404],
      [`/api/providers/0x${'00'.repeat(20)}`, 404],
      ['/nothing', 404],
      ['/..%2f..%2fpackage.json', 404],
    ] as const
    for (const [path, status] of bad) {
      const response = await fetch(setup.url + path)
      expect(response.status, path).toBe(status)
      expect(response.headers.get('content-type')).toContain('application/problem+json')
      expect(await response.json()).toMatchObject({ status, code: expect.any(String) as string })
    }
  })

  test('sends nothing twice that did not change', async () => {
    await using setup = await start()
    const first = await fetch(`${setup.url}/api/providers`)
    const etag = first.headers.get('etag')!
    const headers = { 'if-none-match': etag }
    expect((await fetch(`${setup.url}/api/providers`, { headers })).status).toBe(304)

    await setup.world.register(setup.story.honest, 1n)
    await expect
      .poll(async () => (await fetch(`${setup.url}/api/providers`, { headers })).status, patience)
      .toBe(200)
  })

  test('lets the page load nothing from elsewhere', async () => {
    await using setup = await start()
    for (const path of ['/', '/api/network', '/api/nothing']) {
      const { headers } = await fetch(setup.url + path)
      expect(headers.get('content-security-policy')).toContain("default-src 'none'")
      expect(headers.get('content-security-policy')).not.toContain('unsafe')
      expect(headers.get('x-content-type-options')).toBe('nosniff')
    }
  })

  test('tells what changed, and after a break what was missed', async () => {
    await using setup = await start()
    await using stream = await listen(setup.url)
    expect(await stream.next()).toMatchObject({ event: 'hello' })

    const job = await setup.world.startJob(setup.story.leases[0]!)
    const told = await stream.next()
    expect(told).toMatchObject({ event: 'change' })
    expect(told.data).toContain(job)
    await stream[Symbol.asyncDispose]()

    const missed = await setup.world.startJob(setup.story.leases[0]!)
    await using probe = await listen(setup.url)
    await probe.next()
    await setup.world.startJob(setup.story.leases[0]!)
    await probe.next()

    await using again = await listen(setup.url, told.id)
    await again.next()
    expect((await again.next()).data).toContain(missed)

    await using stranger = await listen(setup.url, 'zzz-9')
    await stranger.next()
    expect(await stranger.next()).toMatchObject({ event: 'reset' })
  })

  test('refuses a listener too many, and goes on serving the others', async () => {
    await using setup = await start({ maxListeners: 1 })
    await using stream = await listen(setup.url)
    await stream.next()
    const response = await fetch(`${setup.url}/api/events`)
    expect(response.status).toBe(503)
    expect(await response.json()).toMatchObject({ code: 'Explorer.TooManyListenersError' })
    await stream[Symbol.asyncDispose]()
    await expect.poll(() => listens(setup.url), patience).toBe(200)
  })

  test('beats its heart, so that a quiet stream is known to live', async () => {
    await using setup = await start({ heartbeatMs: 50 })
    await using stream = await listen(setup.url)
    await stream.next()
    expect(await stream.raw()).toContain(': still here')
  })

  test('says what to do when the page is not built or the port is taken', async () => {
    await using setup = await start()
    const { indexer, clock } = setup
    const ports = { indexer, clock, logger: silentLogger() }
    await expect(startExplorer(ports, { page: '/nowhere' })).rejects.toMatchObject({
      code: 'Explorer.PageError',
    })
    const port = Number(new URL(setup.url).port)
    await expect(startExplorer(ports, { page: setup.page, port })).rejects.toMatchObject({
      code: 'Explorer.ListenError',
    })
  })
})

describe('reasons', () => {
  test('has a sentence for every code of a timeline, a verdict and a refusal', () => {
    const codes = [
      ...TimelineEvent.codes,
      ...Verdict.outcomes.map((outcome) => `verdict-${outcome}`),
      ...Object.values(screen.codes),
    ]
    expect(codes.filter((code) => !isKnown(code))).toEqual([])
  })

  test('makes words of a code it does not know', () => {
    expect(sentence('Receipt.OutputDiffers')).toBe('Receipt: output differs')
    expect(sentence('something-new')).toBe('Something new.')
  })

  test('says of each tier and state what it is worth, never more', () => {
    for (const tier of tiers) {
      expect(assuranceSentence(tier, 'verified', 'rerun')).toContain('re-run')
      expect(assuranceSentence(tier, 'pending', undefined)).toContain(
        tier === 'exact' ? 'can still challenge' : 'No verdict',
      )
      expect(assuranceSentence(tier, 'challenged', 'rerun')).toContain('does not hold')
    }
    expect(assuranceSentence('unverified', 'final', undefined)).toContain('Nobody checks')
    expect(assuranceSentence('exact', 'verified', 'exact')).toContain('bit for bit')
    expect(assuranceSentence('exact', 'final', undefined)).toContain('Nobody challenged')
  })
})

describe('format', () => {
  test('writes money with as many places as it needs', () => {
    expect(format.usd('0')).toBe('$0.00')
    expect(format.usd('21')).toBe('$0.000021')
    expect(format.usd('1500000')).toBe('$1.50')
    expect(format.usd('1500001')).toBe('$1.500001')
    expect(format.usd('20')).toBe('$0.000020')
    expect(format.usd('-50000')).toBe('−$0.05')
    expect(format.usd('12345670000')).toBe('$12,345.67')
  })

  test('writes times, sizes and shares for people', () => {
    expect(format.ago(1000, 1500)).toBe('now')
    expect(format.ago(0, 61_000)).toBe('61 s ago')
    expect(format.span(1234)).toBe('1.2 s')
    expect(format.span(3_600_000)).toBe('60 min')
    expect(format.bytes(32 * 2 ** 30)).toBe('32 GiB')
    expect(format.bytes(1536)).toBe('1.5 KiB')
    expect(format.percent(0.9996)).toBe('99.9 %')
    expect(format.short(Hex.zero)).toBe('0x0000…0000')
  })
})

describe('entriesOf', () => {
  const accounts = {
    buyer: `0x${'b1'.repeat(20)}`,
    provider: `0x${'a1'.repeat(20)}`,
    other: `0x${'a2'.repeat(20)}`,
  } as const
  const line = (
    code: string,
    role: keyof typeof accounts | 'chain',
    at: number,
    detail = '',
  ): Api.Line => ({
    at,
    subject: code.split('-')[0] as Api.Line['subject'],
    code,
    detail,
    by: role === 'chain' ? null : accounts[role],
    role,
    transaction: role === 'chain' ? { hash: Hex.zero, block: 7 } : null,
    document: null,
  })

  test('puts together what both parties say of one thing', () => {
    const entries = entriesOf([
      line('job-start', 'buyer', 0),
      line('job-start', 'provider', 4, 'began'),
      line('job-delivered', 'provider', 900, '48 tokens'),
    ])
    expect(entries.map(({ code, lines, details }) => [code, lines.length, ...details])).toEqual([
      ['job-start', 2, 'began'],
      ['job-delivered', 1, '48 tokens'],
    ])
  })

  test('keeps apart what one party says twice, what is long ago, and what the chain did', () => {
    const lines = [
      line('lease-ready', 'buyer', 0),
      line('lease-ready', 'buyer', 10),
      line('lease-ready', 'provider', 60_000),
      line('lease-opened', 'chain', 60_001, '5'),
      line('lease-opened', 'chain', 60_002, '6'),
    ]
    expect(entriesOf(lines)).toHaveLength(5)
  })

  test('joins a bid with the buyer who heard it, and with no other bid', () => {
    const entries = entriesOf([
      line('order-bid', 'buyer', 0, accounts.provider),
      line('order-bid', 'buyer', 1, accounts.other),
      line('order-bid', 'provider', 2, 'weft-first'),
    ])
    expect(entries.map(({ lines }) => lines.map(({ at }) => at))).toEqual([[0, 2], [1]])
  })
})

describe('piecesOf', () => {
  test('finds accounts, ids, amounts and codes among the words', () => {
    const account = `0x${'ab'.repeat(20)}`
    expect(piecesOf(`${account}: Screen.NoCapacity, Screen.ClockSkew`)).toEqual({
      spoken: false,
      pieces: [
        { kind: 'account', text: account },
        { kind: 'text', text: ': ' },
        { kind: 'code', text: 'Screen.NoCapacity' },
        { kind: 'text', text: ', ' },
        { kind: 'code', text: 'Screen.ClockSkew' },
      ],
    })
    expect(piecesOf(`Rerun.OutputDiffers: Wrong in job ${Hex.zero}.`).spoken).toBe(true)
    const { pieces } = piecesOf('48 tokens, 28 micro-USD')
    expect(pieces).toContainEqual({ kind: 'amount', text: '28' })
  })
})

describe('parsePlace', () => {
  test('finds the view and the id, and nothing in nonsense', () => {
    expect(parsePlace('')).toEqual({ view: 'overview', id: undefined })
    expect(parsePlace('#/jobs')).toEqual({ view: 'jobs', id: undefined })
    expect(parsePlace(`#/jobs/${Hex.zero}`)).toEqual({ view: 'jobs', id: Hex.zero })
    expect(parsePlace('#/elsewhere').view).toBe('unknown')
    expect(parsePlace('#/jobs/<script>').view).toBe('unknown')
  })
})

/** How long a busy machine may take. */
const patience = { timeout: 30_000 }

async function start(options: startExplorer.Options = {}) {
  const clock = systemClock()
  const world = explorerWorld(clock)
  const page = mkdtempSync(join(tmpdir(), 'weft-page-'))
  onTestFinished(() => rmSync(page, { recursive: true, force: true }))
  mkdirSync(join(page, 'assets'))
  writeFileSync(join(page, 'index.html'), '<!doctype html><title>Weft</title>')

  await using stack = new AsyncDisposableStack()
  const validators: Hex.Address[] = []
  const indexer = stack.use(
    await startIndexer(
      {
        chain: world.ledger.connect(world.domain.vault),
        network: world.network.join('explorer'),
        clock,
        logger: silentLogger(),
      },
      { path: ':memory:', validators, pollMs: 20 },
    ),
  )
  const party = world.party
  let parties = 0
  world.party = () => {
    const made = party()
    if (++parties === 2) validators.push(made.identity.address)
    return made
  }
  const story = await usualStory(world)
  const explorer = stack.use(
    await startExplorer(
      { indexer, clock, logger: silentLogger() },
      { port: 0, page, beatMs: 20, ...options },
    ),
  )
  const { url, routes } = explorer
  const get = async (path: string) => {
    const response = await fetch(url + path)
    return { status: response.status, body: (await response.json()) as unknown }
  }
  await expect
    .poll(async () => (await get('/api/network')).body, patience)
    .toMatchObject({ money: { claimed: '63' }, conservation: { conserved: true } })
  await expect.poll(() => quiet(indexer), patience).toBe(true)
  const owned = stack.move()
  return {
    clock,
    world,
    story,
    indexer,
    page,
    url,
    routes,
    get,
    domain: world.domain,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

/** Whether nothing more is on its way: the chain has been read, and the beat has been told. */
async function quiet(indexer: { readonly revision: number }): Promise<boolean> {
  const before = indexer.revision
  await systemClock().sleep(250)
  return indexer.revision === before
}

async function listens(url: string): Promise<number> {
  const controller = new AbortController()
  const { status } = await fetch(`${url}/api/events`, { signal: controller.signal })
  controller.abort()
  return status
}

type Told = { readonly event: string; readonly id: string; readonly data: string }

/** A reader of the live stream. */
async function listen(url: string, lastEventId?: string) {
  const controller = new AbortController()
  const response = await fetch(`${url}/api/events`, {
    signal: controller.signal,
    headers: lastEventId === undefined ? {} : { 'last-event-id': lastEventId },
  })
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader()
  let text = ''
  const raw = async () => {
    while (!text.includes('\n\n')) text += (await reader.read()).value ?? ''
    const end = text.indexOf('\n\n') + 2
    const frame = text.slice(0, end)
    text = text.slice(end)
    return frame
  }
  return {
    raw,
    async next(): Promise<Told> {
      const frame = await raw()
      const field = (name: string) => new RegExp(`^${name}: (.*)$`, 'm').exec(frame)?.[1] ?? ''
      return { event: field('event'), id: field('id'), data: field('data') }
    },
    async [Symbol.asyncDispose]() {
      controller.abort()
    },
  }
}
