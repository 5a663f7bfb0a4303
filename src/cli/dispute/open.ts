import { existsSync } from 'node:fs'
import { Command } from 'commander'
import type { Network } from '../../network/Network.ts'
import * as DisputeKey from '../../protocol/dispute/DisputeKey.ts'
import * as ExactClaim from '../../protocol/ExactClaim.ts'
import type * as Hex from '../../protocol/Hex.ts'
import { BaseError } from '../../runtime/Errors.ts'
import { fetchEvidence } from '../../verification/fetchEvidence.ts'
import { openProviderDirectory } from '../../verification/providerDirectory.ts'
import { joinNetwork, withPartyOptions, type Party, type PartyOptions } from '../joinNetwork.ts'
import { formatUsd } from '../money.ts'
import { parseAddress } from '../parseOptions.ts'
import { run } from '../run.ts'
import * as ClaimFile from './ClaimFile.ts'

type OpenOptions = PartyOptions & { provider?: Hex.Address }

/** `weft dispute open`: challenges a claim, with a bond from our credit. */
export function openCommand(): Command {
  return withPartyOptions(new Command('open'))
    .description('challenge a claim, with a bond from our credit')
    .argument('<claim>', 'file with the signed claim, or the job that it is for')
    .option('--provider <address>', 'whom to ask for the claim of a job', parseAddress)
    .action((what: string, options: OpenOptions) =>
      run(options, async () => {
        await using party = await joinNetwork('dispute', options)
        const file = await findClaim(party, what, options)
        const { message, signature } = file.claim
        ExactClaim.verify(party.domain, file.claim)
        const id = ExactClaim.hash(party.domain, message)
        const path = ClaimFile.keep(party.home, id, file)
        await checkBond(party, message)
        const { gasUsed } = await party.chain.send({ type: 'challenge', claim: message, signature })
        const dispute = DisputeKey.id({ claim: id, challenger: party.identity.address })
        if (options.json)
          return console.log(JSON.stringify({ dispute, claim: id, gasUsed: Number(gasUsed) }))
        const { clockSeconds } = party.chain.parameters.disputes
        console.log(`Dispute ${dispute} is open.`)
        console.log(`Each side has ${clockSeconds} seconds for all its moves; theirs run now.`)
        console.log(`Kept as ${path}. Play it with:\n  weft dispute play ${fix(file)}`)
      }),
    )
}

function fix({ request }: ClaimFile.ClaimFile): string {
  return request ? '--model FILE' : '--run FOLDER'
}

async function findClaim(
  party: Party,
  what: string,
  { provider }: OpenOptions,
): Promise<ClaimFile.ClaimFile> {
  if (existsSync(what) || !/^0x[0-9a-f]{64}$/.test(what)) return ClaimFile.read(what)
  const job = what as Hex.Hex
  if (!provider) throw new WhoseJobError(job)
  const network = await party.network()
  await using directory = openProviderDirectory({ ...party, network })
  const peer = await heard(party, directory, provider)
  return claimOfJob(party, network, { peer, job })
}

/** Providers say every few seconds where they are. */
async function heard(
  { clock }: Party,
  directory: { peerOf(provider: Hex.Address): string | undefined },
  provider: Hex.Address,
): Promise<string> {
  for (let waitedMs = 0; waitedMs < 20_000; waitedMs += 250) {
    const peer = directory.peerOf(provider)
    if (peer !== undefined) return peer
    await clock.sleep(250)
  }
  throw new NoEvidenceError('Network.UnreachableError')
}

async function claimOfJob(
  { clock }: Party,
  network: Network,
  { peer, job }: { peer: string; job: Hex.Hex },
): Promise<ClaimFile.ClaimFile> {
  const { signal } = new AbortController()
  const limits = { signal, timeoutMs: 10_000, waitsMs: [500, 2_000] }
  const fetched = await fetchEvidence({ network, clock }, peer, job, limits)
  if (fetched.type === 'unavailable') throw new NoEvidenceError(fetched.code)
  const { claim, request } = fetched.evidence
  if (!claim) throw new NoEvidenceError('Exact.ClaimMissing')
  return { claim, request }
}

/** Says before anything is sent that our credit does not do. */
async function checkBond({ chain, identity }: Party, claim: ExactClaim.ExactClaim): Promise<void> {
  const known = await chain.exactClaim(claim)
  const theirs = (await chain.credit(claim.claimant)).freeMicroUsd
  const first = claim.bond < theirs ? claim.bond : theirs
  const bond = known.state === 'challenged' ? known.bondMicroUsd : first
  const { freeMicroUsd } = await chain.credit(identity.address)
  if (freeMicroUsd < bond) throw new BondError({ bond, freeMicroUsd })
}

/** Thrown when a challenge would take more credit than there is. */
class BondError extends BaseError {
  override readonly code = 'Cli.BondError'

  constructor({ bond, freeMicroUsd }: { bond: bigint; freeMicroUsd: bigint }) {
    super('The bond of a challenge is more than our free credit.', {
      metaMessages: [
        `Bond: ${formatUsd(bond)}; free: ${formatUsd(freeMicroUsd)}`,
        `Fix: weft dispute deposit ${formatUsd(bond - freeMicroUsd).slice(1)}`,
      ],
    })
  }
}

/** Thrown when it is not said whom to ask for the claim of a job. */
class WhoseJobError extends BaseError {
  override readonly code = 'Cli.WhoseJobError'

  constructor(job: Hex.Hex) {
    super('Say whom to ask for the claim of a job.', {
      metaMessages: [`Job: ${job}`, 'Fix: add --provider ADDRESS; the receipt names it.'],
    })
  }
}

/** Thrown when a provider does not hand out the claim of a job. */
class NoEvidenceError extends BaseError {
  override readonly code = 'Cli.NoEvidenceError'

  constructor(reason: string) {
    super('The provider did not hand out a claim for this job.', {
      metaMessages: [
        `Reason: ${reason}`,
        'Fix: ask as the buyer, or as a validator that its order named; or give a file with the claim.',
      ],
    })
  }
}
