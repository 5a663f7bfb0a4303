import { writeFileSync } from 'node:fs'
import { Command } from 'commander'
import type { AvailableModel, Buyer } from '../buyer/Buyer.ts'
import { unchecked } from '../buyer/checkClaim.ts'
import { startBuyer } from '../buyer/startBuyer.ts'
import * as Assurance from '../protocol/Assurance.ts'
import type * as Completion from '../protocol/Completion.ts'
import type * as ExactClaim from '../protocol/ExactClaim.ts'
import * as Json from '../protocol/Json.ts'
import { BaseError } from '../runtime/Errors.ts'
import { joinNetwork, withPartyOptions, type Party, type PartyOptions } from './joinNetwork.ts'
import { formatUsd, parseUsd } from './money.ts'
import { parseInteger, parseTier } from './parseOptions.ts'
import { run } from './run.ts'

type AskOptions = PartyOptions & {
  model?: string
  maxTokens?: number
  seed?: number
  tier: Assurance.Tier
  deposit?: bigint
  receipt?: string
}

/** Tokens of an answer, when nobody says how many. */
const usualTokens = 256

/** `weft ask`: buys one completion directly, without a gateway. */
export function askCommand(): Command {
  return withPartyOptions(new Command('ask'))
    .description('buy one answer and print it, with its price and its assurance')
    .argument('<prompt>', 'what to ask')
    .option('--model <name>', 'model to ask (default: what most providers offer)')
    .option(
      '--max-tokens <count>',
      `longest answer (default: ${usualTokens}, or half of the model's context)`,
      parseInteger({ min: 1, max: 100_000 }),
    )
    .option('--seed <number>', 'seed of the sampling', parseInteger({ min: 0, max: 0xffffffff }))
    .option('--tier <tier>', 'assurance to buy', parseTier, 'unverified')
    .option(
      '--deposit <usd>',
      'keep at least this much free in the vault, from the wallet',
      parseUsd,
    )
    .option('--receipt <file>', 'write the signed receipt to this file')
    .action((prompt: string, options: AskOptions) =>
      run(options, async () => {
        await using party = await joinNetwork('ask', options)
        const { identity, chain, clock, random, logger } = party
        const network = await party.network()
        const store = party.store('buyer')
        await using buyer = await startBuyer(
          { identity, chain, network, store, clock, random, logger },
          { validators: party.file.validators, keepDepositMicroUsd: options.deposit },
        )
        await ask(party, buyer, prompt, options)
      }),
    )
}

async function ask(party: Party, buyer: Buyer, prompt: string, options: AskOptions): Promise<void> {
  const { tier, json } = options
  const { id: model, contextTokens } = await chooseModel(party, buyer, options)
  const request: Completion.Request = {
    model,
    input: { kind: 'chat', messages: [{ role: 'user', content: prompt }] },
    maxTokens: options.maxTokens ?? Math.max(1, Math.min(usualTokens, contextTokens >> 1)),
    temperatureMicro: 0,
    topPMicro: 1_000_000,
    seed: options.seed ?? Buffer.from(party.random.bytes(4)).readUInt32BE(),
    stop: [],
    logprobs: 0,
  }
  const events = buyer.complete(request, { tier })
  let text = ''
  for await (const event of events) {
    if (event.type === 'completion-delta') {
      text += event.delta.text
      if (!json) process.stdout.write(event.delta.text)
    }
    if (event.type !== 'completion-end') continue
    const { receipt, receiptId, priceMicroUsd, usage, claim } = event
    if (options.receipt) writeFileSync(options.receipt, `${Json.stringify(receipt)}\n`)
    const settled = await buyer.settled(receipt.message.job)
    const assurance = Assurance.format(settled.assurance)
    if (json)
      console.log(
        Json.stringify({
          text,
          usage,
          priceMicroUsd,
          receiptId,
          assurance,
          state: settled.state,
          // With both, `weft dispute` can have the chain decide about the answer.
          ...(claim && { claim, request }),
        }),
      )
    else {
      const { inputTokens, outputTokens } = usage
      console.log(
        `\n\n${inputTokens} + ${outputTokens} tokens, ${formatUsd(settled.priceMicroUsd)}, ${settled.state}`,
      )
      console.log(`provider ${settled.provider}\nreceipt  ${receiptId}\nassurance ${assurance}`)
      if (claim) console.log(answering(claim.message, settled.assurance.state))
    }
  }
}

/** What is known of a claim, and what is not when no validator has looked at it. */
function answering({ bond, challengeUntil }: ExactClaim.ExactClaim, state: string): string {
  const until = new Date(challengeUntil * 1000).toISOString()
  const line = `claim    bond of ${formatUsd(bond)}, can be challenged until ${until}`
  if (state === 'verified' || state === 'challenged') return line
  return `${line}\n         not checked, for want of the weights: ${unchecked.join(', ')}`
}

/**
 * The model of this name; without a name, what most providers offer at this tier. Offers come one by one, every few seconds from each
 * provider: it listens until two offer the same, or no longer than each takes to say it again.
 */
async function chooseModel(
  { clock }: Party,
  buyer: Buyer,
  { model: name, tier }: Pick<AskOptions, 'model' | 'tier'>,
): Promise<AvailableModel> {
  const offersMs = 6_000
  let heardAt = Infinity
  for (let waitedMs = 0; waitedMs < 15_000; waitedMs += 100) {
    const models = buyer
      .models()
      .filter(({ id, tiers }) => (name === undefined ? tiers.includes(tier) : id === name))
    if (models.length > 0) heardAt = Math.min(heardAt, waitedMs)
    const [best] = models.toSorted((a, b) => b.providers.length - a.providers.length)
    const isEnough = name !== undefined || best?.providers.length !== 1
    if (best && (isEnough || waitedMs >= heardAt + offersMs)) return best
    await clock.sleep(100)
  }
  throw new NoOfferError({ model: name })
}

/** Thrown when nothing is for sale. */
class NoOfferError extends BaseError {
  override readonly code = 'Cli.NoOfferError'

  constructor({ model }: { model: string | undefined }) {
    super(`No offer${model === undefined ? '' : ` of ${model}`} was heard within 15 seconds.`, {
      metaMessages: [
        'Fix: see with `weft offers` what is for sale, and that the network file leads to a live network.',
      ],
    })
  }
}
