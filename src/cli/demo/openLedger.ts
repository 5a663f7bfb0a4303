import type { Chain } from '../../chain/Chain.ts'
import type * as Hex from '../../protocol/Hex.ts'
import type { LocalNetwork } from './startLocalNetwork.ts'

/** Where all the money of a local network is, in micro-USD. */
export type Money = {
  readonly buyerWallet: bigint
  readonly buyerFree: bigint
  readonly buyerReserved: bigint
  readonly providersEarned: bigint
  readonly providersStaked: bigint
  /** What left the buyer's leases for the providers so far. */
  readonly claimed: bigint
  /** Everything that was ever made, and everything that can be found. */
  readonly minted: bigint
  readonly accounted: bigint
  /** Both are equal, and the vault holds exactly what it owes. */
  readonly conserved: boolean
}

/** Reads the money of a local network from its chain, holding every token against who owns it. */
export function openLedger({
  chain,
  buyer,
  providers,
  minted,
}: Pick<LocalNetwork, 'chain' | 'buyer' | 'providers' | 'minted'>) {
  return { read: () => readMoney(chain, buyer, providers, minted) }
}

async function readMoney(
  chain: Chain,
  buyer: Hex.Address,
  providers: readonly Hex.Address[],
  minted: bigint,
): Promise<Money> {
  const sum = async (read: (account: Hex.Address) => Promise<bigint>) =>
    (await Promise.all(providers.map(read))).reduce((total, amount) => total + amount, 0n)
  const [buyerWallet, deposit, earned, staked, wallets, vault, registry] = await Promise.all([
    chain.balance(buyer),
    chain.deposit(buyer),
    sum((account) => chain.earned(account)),
    sum(async (account) => {
      const { stakeMicroUsd, unbondingMicroUsd } = await chain.registration(account)
      return stakeMicroUsd + unbondingMicroUsd
    }),
    sum((account) => chain.balance(account)),
    chain.balance(chain.domain.vault),
    chain.balance(chain.parameters.registry),
  ])
  const owed = deposit.freeMicroUsd + deposit.reservedMicroUsd + earned
  const accounted = buyerWallet + wallets + owed + staked
  return {
    buyerWallet,
    buyerFree: deposit.freeMicroUsd,
    buyerReserved: deposit.reservedMicroUsd,
    providersEarned: earned,
    providersStaked: staked,
    claimed: earned,
    minted,
    accounted,
    conserved: accounted === minted && vault === owed && registry === staked,
  }
}
