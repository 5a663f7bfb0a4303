import { zero } from '../Hex.ts'
import { define, type MessageOf } from '../SignedMessage.ts'

/** What a buyer wants trained, how, and what it pays; its hash is the id of the run. docs/training-rules.md says what follows. */
export type TrainingOrder = MessageOf<typeof types, 'TrainingOrder'>

/** How a round's updates are made and applied; a node refuses an order by any other rule. */
export const rules = ['sparse', 'diloco', 'streaming', 'data-parallel'] as const

/** How they are joined; a node refuses an order that says otherwise. */
export const aggregations = ['mean', 'trimmed-mean', 'centred-clipping', 'krum'] as const

/** What may compute the inner steps: the exact engine alone, or any program; then nobody can repeat them to the bit. */
export const trainers = ['exact', 'any'] as const

/** What of an update others see: all of it, or nothing but the sum over all who take part. */
export const privacies = ['none', 'sums'] as const

/** `exact`: each segment is a claim that can be disputed on the chain; `unverified`: what audits find counts in the log alone. */
export const tiers = ['exact', 'unverified'] as const

/** EIP-712 types. */
export const types = {
  TrainingOrder: [
    { name: 'buyer', type: 'address' },
    /** The training step, as in an `ExactClaim`. */
    { name: 'graph', type: 'bytes32' },
    { name: 'graphCid', type: 'bytes32' },
    /** State root of the first state. */
    { name: 'start', type: 'bytes32' },
    { name: 'data', type: 'bytes32' },
    { name: 'seed0', type: 'uint32' },
    { name: 'seed1', type: 'uint32' },
    { name: 'rounds', type: 'uint32' },
    /** Inner steps of a round for a worker of ordinary speed. */
    { name: 'steps', type: 'uint32' },
    /** One of `trainers`. */
    { name: 'trainer', type: 'string' },
    /** One of `rules`. */
    { name: 'rule', type: 'string' },
    /** Entries of a block of 4,096 that are sent at first and at last. */
    { name: 'keptFirst', type: 'uint32' },
    { name: 'keptLast', type: 'uint32' },
    /** Into how many parts the rule `streaming` cuts the parameters, one of them sent each round. */
    { name: 'fragments', type: 'uint32' },
    /** One of `aggregations`, and the share of liars that it is to bear, millionths. */
    { name: 'aggregation', type: 'string' },
    { name: 'toleratedMicro', type: 'uint32' },
    /** The outer learning rate and momentum, millionths. */
    { name: 'outerRateMicro', type: 'uint32' },
    { name: 'outerMomentumMicro', type: 'uint32' },
    /** Whether aggregates are applied one round late, and a worker's own update at once. */
    { name: 'overlap', type: 'bool' },
    /** One of `privacies`; what follows is of `sums`, and zero otherwise. */
    { name: 'privacy', type: 'string' },
    /** The greatest Euclidean norm of an update, millionths. */
    { name: 'clipMicro', type: 'uint32' },
    /** Standard deviation of the noise of a sum as a multiple of that norm, millionths; 0 for none. */
    { name: 'noiseMicro', type: 'uint32' },
    /** The run ends before its sums cost more: zero-concentrated differential privacy, millionths. */
    { name: 'rhoMicro', type: 'uint32' },
    /** The delta at which that is told as an epsilon, in units of 10^-12. */
    { name: 'deltaPico', type: 'uint48' },
    { name: 'minWorkers', type: 'uint32' },
    { name: 'maxWorkers', type: 'uint32' },
    /** The longest a round may take. */
    { name: 'roundMs', type: 'uint32' },
    /** Share of contributions that are re-executed or, where any trainer may have made them, scored, millionths. */
    { name: 'auditMicro', type: 'uint32' },
    /** For an accepted inner step. */
    { name: 'priceMicroUsd', type: 'uint96' },
    { name: 'budgetMicroUsd', type: 'uint96' },
    /** One of `tiers`. */
    { name: 'tier', type: 'string' },
    /** What answers for the claim of each segment; of tier `exact`, else zero. */
    { name: 'bondMicroUsd', type: 'uint96' },
    { name: 'deadlineSeconds', type: 'uint40' },
    { name: 'nonce', type: 'uint64' },
  ],
} as const

export const { schema, hash, sign, serialize, deserialize, verify } = define({
  types,
  name: 'TrainingOrder',
  signer: 'buyer',
})

/** Why no node can work by an order's rules; undefined when it can. */
export function problemOf(order: TrainingOrder): string | undefined {
  const { rule, aggregation, fragments, keptFirst, keptLast, steps, overlap } = order
  if (!trainers.some((each) => each === order.trainer))
    return `the trainer ${order.trainer} is not known`
  if (order.trainer === 'any' && order.tier !== 'unverified')
    return 'segments of any trainer cannot be run again: it takes tier unverified'
  if (!tiers.some((each) => each === order.tier)) return `the tier ${order.tier} is not sold`
  if ((order.tier === 'exact') !== order.bondMicroUsd > 0n)
    return 'segments of tier exact, and no others, have a bond'
  if (!rules.some((each) => each === rule)) return `the rule ${rule} is not known`
  if (!aggregations.some((each) => each === aggregation))
    return `the aggregation ${aggregation} is not known`
  if (rule === 'streaming' && (fragments < 1 || fragments > greatestFragments))
    return `there are 1 to ${greatestFragments} fragments, not ${fragments}`
  if (rule === 'sparse' && (keptLast < 1 || keptLast > keptFirst || keptFirst > 4096))
    return `of 4,096 entries ${keptFirst} and then ${keptLast} are to be sent`
  if (rule === 'data-parallel' && steps !== 1) return 'rounds of data-parallel have one step'
  if (rule === 'data-parallel' && overlap) return 'data-parallel cannot overlap'
  return privacyProblemOf(order)
}

function privacyProblemOf(order: TrainingOrder): string | undefined {
  const { privacy, clipMicro, noiseMicro, rhoMicro, deltaPico, minWorkers, maxWorkers } = order
  if (!privacies.some((each) => each === privacy)) return `the privacy ${privacy} is not known`
  if (privacy === 'none')
    return clipMicro || noiseMicro || rhoMicro || deltaPico
      ? 'clipping, noise and budget are of privacy sums'
      : undefined
  if (order.rule !== 'diloco' || order.overlap || order.aggregation !== 'mean')
    return 'privacy sums takes the rule diloco, the aggregation mean and no overlap'
  if (order.data !== zero || order.auditMicro > 0 || order.tier !== 'unverified')
    return 'private data cannot be checked: it takes data root zero, an audit share of 0 and tier unverified'
  if (minWorkers < leastInSum || maxWorkers > mostInSum)
    return `a sum is of ${leastInSum} to ${mostInSum} workers`
  if (clipMicro === 0) return 'privacy sums takes a clipping norm'
  if (order.toleratedMicro > 500_000)
    return 'the noise of at least half of the workers is counted on'
  if (noiseMicro === 0) return undefined
  if (noiseMicro < leastNoiseMicro || noiseMicro > mostNoiseMicro)
    return 'noise is 0, or 0.001 to 16 times the clipping norm'
  if (deltaPico === 0 || deltaPico >= 1e12) return 'noise takes a delta between 0 and 1'
  if (rhoMicro / 1e6 < 1 / (2 * (noiseMicro / 1e6) ** 2))
    return 'the budget of privacy is less than one sum costs'
  return undefined
}

/** With two, each would see the other's update. */
const leastInSum = 3
/** So that no sum and no noise leaves 32 bits. */
const mostInSum = 1000
/** So that a worker's own noise has at least 8 units, and is drawn exactly. */
const [leastNoiseMicro, mostNoiseMicro] = [1000, 16_000_000]
const greatestFragments = 1024
