import type { IncomingHttpHeaders } from 'node:http'
import * as Assurance from '../protocol/Assurance.ts'
import { RequestError } from './Problem.ts'

/**
 * What a client may ask of the network beyond OpenAI's fields, in headers: `weft-tier`, the assurance
 * to buy, and `weft-max-micro-usd`, the most each choice may cost.
 *
 * @throws {RequestError} 400 with the header in `param`.
 */
export function limitsOf(headers: IncomingHttpHeaders): {
  readonly tier?: Assurance.Tier | undefined
  readonly maxMicroUsd?: bigint | undefined
} {
  const tier = headers['weft-tier']
  const known = Assurance.tiers.find((name) => name === tier)
  if (tier !== undefined && !known)
    throw invalid('weft-tier', `use one of ${Assurance.tiers.join(', ')}`)
  const most = headers['weft-max-micro-usd']
  if (most !== undefined && !/^[0-9]{1,15}$/.test(String(most)))
    throw invalid('weft-max-micro-usd', 'give a whole number of micro-USD')
  return {
    ...(known === undefined ? {} : { tier: known }),
    ...(most === undefined ? {} : { maxMicroUsd: BigInt(String(most)) }),
  }
}

function invalid(param: string, fix: string): RequestError {
  return new RequestError(`Invalid value in the header '${param}'.`, {
    code: 'invalid_value',
    param,
    metaMessages: [`Fix: ${fix}.`],
  })
}
