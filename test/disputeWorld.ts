/** A claimant and a challenger with keepers, on a chain in memory and a virtual clock. */
import { memoryChain } from '../src/chain/memory.ts'
import * as DisputeKey from '../src/protocol/dispute/DisputeKey.ts'
import type { Party } from '../src/protocol/dispute/Position.ts'
import * as ExactClaim from '../src/protocol/ExactClaim.ts'
import { memoryStore } from '../src/runtime/memoryStore.ts'
import { seededRandom } from '../src/runtime/seededRandom.ts'
import { silentLogger } from '../src/runtime/silentLogger.ts'
import { virtualClock } from '../src/runtime/virtualClock.ts'
import type { DisputePlayer, Report } from '../src/settlement/DisputePorts.ts'
import { type DisputeKeeper, startDisputeKeeper } from '../src/settlement/startDisputeKeeper.ts'
import { play } from '../src/verification/dispute/Game.ts'
import { playerOf } from '../src/verification/dispute/playerOf.ts'
import type { Claimed } from './exactDisputes.ts'
import { identityOf } from './providerWorld.ts'
import { runUntilDone } from './runUntilDone.ts'

/** Both have credit of a hundred micro-USD and a stake; the claim has a bond of forty. */
export async function disputeWorld({ claimed, seed = 1 }: { claimed: Claimed; seed?: number }) {
  const clock = virtualClock()
  const random = seededRandom(seed)
  const chain = memoryChain({ clock, random, game: play }, { blockTimeMs: 1_000 })
  const identities = { claimant: identityOf('claimant'), challenger: identityOf('challenger') }
  const stores = { claimant: memoryStore(), challenger: memoryStore() }
  const reports: (Report & { readonly by: Party })[] = []

  const drive = <result>(work: PromiseLike<result>) => runUntilDone(clock, work)

  const accounts = {
    claimant: chain.connect(identities.claimant),
    challenger: chain.connect(identities.challenger),
  }
  for (const { address, peerId } of Object.values(identities)) {
    chain.mint(address, 150n)
    const account = chain.connect(address)
    await drive(
      Promise.all([
        account.send({ type: 'dispute-deposit', account: address, amountMicroUsd: 100n }),
        account.send({ type: 'register', peerId, offerUri: '', stakeMicroUsd: 50n }),
      ]),
    )
  }
  // So deep that no rollback of a test takes it away.
  await clock.run(clock.now() + 10_000)
  const message: ExactClaim.ExactClaim = {
    ...claimed.claim,
    claimant: identities.claimant.address,
    bond: 40n,
    challengeUntil: Math.floor(clock.now() / 1000) + 1_200,
  }
  const claim = ExactClaim.sign(chain.domain, message, identities.claimant)
  const challenger = identities.challenger.address
  const key = { claim: ExactClaim.hash(chain.domain, message), challenger }

  return {
    clock,
    random,
    chain,
    accounts,
    identities,
    stores,
    reports,
    claim,
    key,
    id: DisputeKey.id(key),
    drive,
    /** Lets time pass. */
    advance: (ms: number) => clock.run(clock.now() + ms),
    /** Starts the keeper of a side; again after a crash, on the same store. */
    keep(
      role: Party,
      player: DisputePlayer | Claimed['prover'],
      more: Partial<startDisputeKeeper.Ports & startDisputeKeeper.Options> = {},
    ): Promise<DisputeKeeper> {
      const plays = 'follow' in player ? player : playerOf(message, player)
      return startDisputeKeeper(
        {
          chain: accounts[role],
          clock,
          logger: silentLogger(),
          store: stores[role],
          openPlayer: () =>
            Promise.resolve({ ...plays, [Symbol.asyncDispose]: () => Promise.resolve() }),
          report: (report) => void reports.push({ ...report, by: role }),
          ...more,
        },
        { intervalMs: 2_000, ...more },
      )
    },
    state: () => accounts.challenger.dispute(DisputeKey.id(key)),
    /** What each has free and reserved. */
    async money() {
      const credit = async (role: Party) => {
        const found = await accounts[role].credit(identities[role].address)
        return [found.freeMicroUsd, found.reservedMicroUsd]
      }
      const { stakeMicroUsd } = await accounts.claimant.registration(identities.claimant.address)
      return {
        claimant: await credit('claimant'),
        challenger: await credit('challenger'),
        stakeMicroUsd,
      }
    },
  }
}
