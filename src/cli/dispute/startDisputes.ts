import type { Network } from '../../network/Network.ts'
import type { Adoptable, Chain } from '../../chain/Chain.ts'
import type * as Domain from '../../protocol/Domain.ts'
import * as ExactClaim from '../../protocol/ExactClaim.ts'
import type * as Hex from '../../protocol/Hex.ts'
import type { Identity } from '../../protocol/Identity.ts'
import type { Clock } from '../../runtime/Clock.ts'
import { BaseError } from '../../runtime/Errors.ts'
import type { Logger } from '../../runtime/Logger.ts'
import type { Store } from '../../runtime/Store.ts'
import type { OffChain, OurDispute, Report } from '../../settlement/DisputePorts.ts'
import { type DisputeKeeper, startDisputeKeeper } from '../../settlement/startDisputeKeeper.ts'
import { playDispute, playedSoFar } from '../../verification/dispute/playDispute.ts'
import { playerOf } from '../../verification/dispute/playerOf.ts'
import { type DisputeDesk, startDisputeDesk } from '../../verification/dispute/startDisputeDesk.ts'
import type { Prover } from '../../verification/dispute/startProver.ts'
import type * as Table from '../../verification/dispute/Table.ts'
import { openProviderDirectory } from '../../verification/providerDirectory.ts'
import { openProvers } from './openProvers.ts'

/**
 * Plays all disputes of one party, whichever side it is on: off the chain as far as the other plays along, then on
 * it. It needs nothing but to be told how to compute the runs of the claims.
 */
export async function startDisputes(
  ports: startDisputes.Ports,
  {
    report,
    quietSeconds,
    attempts,
    intervalMs,
    offerTimeoutMs = 20_000,
  }: startDisputes.Options = {},
): Promise<DisputeKeeper> {
  const { identity, chain, network, clock, logger, store, domain, proverFor } = ports
  await using stack = new AsyncDisposableStack()
  const provers = stack.use(openProvers({ proverFor }))
  const directory = stack.use(openProviderDirectory({ network, clock, domain }))
  const proverOf = (claim: ExactClaim.ExactClaim) =>
    provers.of(ExactClaim.hash(domain, claim), claim)
  const started = Promise.withResolvers<DisputeDesk>()
  const { clockSeconds } = chain.parameters.disputes

  const offChain: OffChain = {
    async read({ id, role }) {
      if (role === 'challenger') {
        const played = await playedSoFar(store, id)
        return played && { newest: adoptable(played.newest), shown: played.history }
      }
      return { newest: adoptable(await (await started.promise).newest(id)), shown: [] }
    },
    async play({ id, claim, key }, { signal }) {
      const peer = await peerOf(claim.claimant, signal)
      const { claimant } = claim
      const dispute = { id, claimant, challenger: key.challenger, clockSeconds }
      const prover = await proverOf(claim)
      await playDispute(
        { identity, network, store, clock, domain, prover },
        { dispute, claim, peer, signal, attempts },
      )
    },
  }

  /** Where a claimant can be asked: providers say so every few seconds. */
  async function peerOf(claimant: Hex.Address, signal: AbortSignal): Promise<string> {
    for (let waitedMs = 0; waitedMs < offerTimeoutMs; waitedMs += 250) {
      const peer = ports.peerOf?.(claimant) ?? directory.peerOf(claimant)
      if (peer !== undefined) return peer
      await clock.sleep(250, { signal })
    }
    throw new UnheardClaimantError(claimant)
  }

  const keeper = stack.use(
    await startDisputeKeeper(
      {
        chain,
        clock,
        logger,
        store,
        offChain,
        report,
        async openPlayer({ claim }: OurDispute) {
          const player = playerOf(claim, await proverOf(claim))
          return { ...player, [Symbol.asyncDispose]: () => Promise.resolve() }
        },
      },
      { quietSeconds, intervalMs },
    ),
  )
  const desk = stack.use(
    await startDisputeDesk({
      identity,
      network,
      store,
      clock,
      domain,
      logger,
      proverOf,
      async opened(id) {
        const found = await keeper.find(id)
        const { state, number } = await chain.dispute(id)
        // What has gone on on the chain stays there.
        if (!found || state !== 'open' || number > 0) return undefined
        const { claim, key } = found
        const { claimant } = claim
        return { id, claim, claimant, challenger: key.challenger, clockSeconds }
      },
    }),
  )
  started.resolve(desk)
  const owned = stack.move()
  return { ...keeper, [Symbol.asyncDispose]: () => owned.disposeAsync() }
}

export declare namespace startDisputes {
  type Ports = {
    identity: Identity
    chain: Chain
    network: Network
    clock: Clock
    logger: Logger
    store: Store
    domain: Domain.Domain
    /**
     * Starts a prover of the run that a claim is about.
     *
     * @throws when nothing is known of it.
     */
    proverFor: (claim: ExactClaim.ExactClaim, id: Hex.Hex) => Promise<Prover>
    /** Where a claimant can be asked, where offers do not say it. */
    peerOf?: ((claimant: Hex.Address) => string | undefined) | undefined
  }
  type Options = {
    report?: ((report: Report) => void) | undefined
    /** How long a challenger may be quiet off the chain before we move on it. @default 60 */
    quietSeconds?: number | undefined
    /** How often a move is sent off the chain before the claimant counts as stalling. @default 3 */
    attempts?: number | undefined
    /** How often the chain is looked at. @default 2_000 */
    intervalMs?: number | undefined
    /** How long to wait for a claimant's offer, which says where it can be asked. @default 20_000 */
    offerTimeoutMs?: number | undefined
  }
}

/** What both have signed, as the chain takes it. */
function adoptable(newest: Table.Adoptable | undefined): Adoptable | undefined {
  return newest && { ...newest, ply: newest.ply.message }
}

/** Thrown when a claimant cannot be asked, because no offer of it was heard. */
class UnheardClaimantError extends BaseError {
  override readonly code = 'Dispute.UnheardClaimantError'

  constructor(claimant: Hex.Address) {
    super('The claimant has not been heard of: the dispute is played on the chain alone.', {
      metaMessages: [`Claimant: ${claimant}`],
    })
  }
}
