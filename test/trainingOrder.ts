import * as Hex from '../src/protocol/Hex.ts'
import type * as TrainingOrder from '../src/protocol/training/TrainingOrder.ts'

/** A small order for tests of training, with whatever a test wants otherwise. */
export function trainingOrder(
  changes: Partial<TrainingOrder.TrainingOrder> & { buyer: Hex.Address },
): TrainingOrder.TrainingOrder {
  return {
    graph: Hex.sha256('graph'),
    graphCid: Hex.sha256('cid'),
    start: Hex.sha256('start'),
    data: Hex.sha256('data'),
    seed0: 1,
    seed1: 2,
    rounds: 5,
    steps: 10,
    trainer: 'exact',
    rule: 'sparse',
    keptFirst: 1024,
    keptLast: 64,
    fragments: 4,
    aggregation: 'mean',
    toleratedMicro: 250_000,
    outerRateMicro: 700_000,
    outerMomentumMicro: 0,
    overlap: false,
    privacy: 'none',
    clipMicro: 0,
    noiseMicro: 0,
    rhoMicro: 0,
    deltaPico: 0,
    minWorkers: 2,
    maxWorkers: 100,
    roundMs: 40_000,
    auditMicro: 0,
    priceMicroUsd: 3n,
    budgetMicroUsd: 1_000_000n,
    tier: 'unverified',
    bondMicroUsd: 0n,
    deadlineSeconds: 0,
    nonce: 0n,
    ...changes,
  }
}
