import type { Dispute, DisputeDetail, Page } from '../../indexer/Api.ts'
import type { Clock } from '../../runtime/Clock.ts'
import { BaseError } from '../../runtime/Errors.ts'
import { formatUsd } from '../money.ts'
import type { Printer } from './printer.ts'
import type { LocalNetwork } from './startLocalNetwork.ts'

/** What came of buying an exact answer from a cheat; numbers of the JSON line. */
export type DisputeSummary = {
  readonly winner: 'challenger' | 'claimant'
  /** Moves of both, and gas of all transactions together. */
  readonly moves: number
  readonly gas: number
  readonly slashedMicroUsd: string
}

/**
 * Buys an exact answer of the cheat: the validator computes it again, disputes the claim, and the chain decides
 * over one segment of one element. On a network that has seen this, it only tells of it: the cheat is known.
 */
export async function disputeOnce(
  { clock, say }: { clock: Clock; say: Printer },
  { network }: { network: LocalNetwork },
): Promise<DisputeSummary> {
  const { urls, asCustomer, exactModel: model } = network
  if (!(await endedDispute(urls.explorer))) {
    // Longer than a probe, which a clever cheat answers honestly.
    const bought = await say.step('an exact answer is bought from provider-4', async () => {
      const ask = ['ask', prompt, '--tier', 'exact', '--model', model, '--max-tokens', '24']
      for (let attempt = 1; ; attempt++)
        try {
          const lines = await asCustomer(...ask, '--deposit', '2')
          return JSON.parse(lines.at(-1)!) as { assurance: string; state: string }
        } catch (error) {
          // The offer may not have been heard yet.
          if (attempt === 4) throw error
          await clock.sleep(3_000)
        }
    })
    say.line(`      ${bought.assurance}, ${bought.state}: the validator computed something else`)
  }
  const ended = await say.step('the dispute about it is decided on the chain', () =>
    waitForEnd({ clock }, urls.explorer),
  )
  const detail = await get<DisputeDetail>(`${urls.explorer}/api/disputes/${ended.id}`)
  for (const { words } of detail.moves.slice(-3)) say.line(`      ${words}`)
  say.line(
    `      ${ended.moves} moves, ${ended.gas.toLocaleString('en-US')} gas; slashed ${formatUsd(BigInt(ended.slashed))}` +
      `; ${urls.explorer}/#/disputes/${ended.id}`,
  )
  return {
    winner: ended.state === 'challenger-won' ? 'challenger' : 'claimant',
    moves: ended.moves,
    gas: ended.gas,
    slashedMicroUsd: String(ended.slashed),
  }
}

const prompt = 'Say what a receipt binds.'

/** The cheat's dispute, once it has ended and its stake is taken; a minute and a half at most. */
async function waitForEnd({ clock }: { clock: Clock }, url: string): Promise<Dispute> {
  for (let attempt = 0; attempt < 180; attempt++) {
    const ended = await endedDispute(url)
    if (ended) return ended
    await clock.sleep(500)
  }
  throw new UndecidedError()
}

async function endedDispute(url: string): Promise<Dispute | undefined> {
  const { rows } = await get<Page<Dispute>>(`${url}/api/disputes`)
  return rows.find(({ state, slashed }) => state !== 'open' && BigInt(slashed) > 0n)
}

async function get<body>(url: string): Promise<body> {
  const answer = await fetch(url)
  return (await answer.json()) as body
}

/** Thrown when the dispute takes longer than it may. */
class UndecidedError extends BaseError {
  override readonly code = 'Demo.UndecidedError'

  constructor() {
    super('The dispute was not decided within a minute and a half.', {
      metaMessages: ['Fix: see the logs of validator and provider-4 in the `logs` folder.'],
    })
  }
}
