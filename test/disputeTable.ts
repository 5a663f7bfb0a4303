/** A claimant's desk and a challenger on a memory network, for tests of disputes off the chain. */
import { ask } from '../src/network/Network.ts'
import { memoryNetwork } from '../src/network/memory.ts'
import { protocols } from '../src/protocol/Exchange.ts'
import type { ExactClaim } from '../src/protocol/ExactClaim.ts'
import * as Hex from '../src/protocol/Hex.ts'
import * as Identity from '../src/protocol/Identity.ts'
import * as Json from '../src/protocol/Json.ts'
import { memoryStore } from '../src/runtime/memoryStore.ts'
import { seededRandom } from '../src/runtime/seededRandom.ts'
import { silentLogger } from '../src/runtime/silentLogger.ts'
import type { Store } from '../src/runtime/Store.ts'
import { virtualClock } from '../src/runtime/virtualClock.ts'
import { playDispute } from '../src/verification/dispute/playDispute.ts'
import { startDisputeDesk } from '../src/verification/dispute/startDisputeDesk.ts'
import type { Prover } from '../src/verification/dispute/startProver.ts'
import * as Table from '../src/verification/dispute/Table.ts'
import { runUntilDone } from './runUntilDone.ts'

export const domain = { chainId: 31337, vault: `0x${'5f'.repeat(20)}` } as const

/** Two parties, a claim of one of them, and the provers of both. */
export function disputeTable(options: {
  claim: ExactClaim
  claimant: Prover
  challenger: Prover
  clockSeconds?: number
}) {
  const clock = virtualClock()
  const network = memoryNetwork({ clock, random: seededRandom(7) })
  const claimant = Identity.from(new Uint8Array(32).fill(1))
  const challenger = Identity.from(new Uint8Array(32).fill(2))
  const claim = { ...options.claim, claimant: claimant.address }
  const dispute: Table.Dispute = {
    id: Hex.sha256('dispute'),
    claimant: claimant.address,
    challenger: challenger.address,
    clockSeconds: options.clockSeconds ?? 3600,
  }
  const stores = { claimant: memoryStore(), challenger: memoryStore() }
  const seat = network.join(challenger.peerId)
  const common = { clock, domain, logger: silentLogger() }

  return {
    clock,
    network,
    claim,
    dispute,
    claimant,
    challenger,
    stores,
    /** Brings the claimant to life, on what its store holds. */
    open({
      store = stores.claimant,
      prover = options.claimant,
    }: { store?: Store; prover?: Prover } = {}) {
      return startDisputeDesk({
        ...common,
        identity: claimant,
        network: network.join(claimant.peerId),
        store,
        opened: (id) => Promise.resolve(id === dispute.id ? { ...dispute, claim } : undefined),
        proverOf: () => Promise.resolve(prover),
      })
    },
    play: (more: Partial<playDispute.Options> = {}) =>
      playDispute(
        {
          ...common,
          identity: challenger,
          network: seat,
          store: stores.challenger,
          prover: options.challenger,
        },
        { dispute, claim, peer: claimant.peerId, idleTimeoutMs: 10_000, ...more },
      ),
    /** Asks the desk as somebody. */
    async ask(request: unknown, from = seat): Promise<Table.Reply> {
      const reply = await ask(from, claimant.peerId, protocols.dispute, Json.toBytes(request))
      return Json.decode(Table.reply, reply, { what: 'dispute reply' })
    },
    /** Waits for something while the clock runs. */
    drive: <result>(work: PromiseLike<result>) => runUntilDone(clock, work, { limitMs: 600_000 }),
  }
}
