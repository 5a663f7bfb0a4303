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
  /** Bonds and credit for disputes, and what of lost bonds nobody gets. */
  readonly disputes: bigint
  /** What the buyer of a run of training has in the vault, and what its workers earned. */
  readonly training: bigint
  /** What left the buyer's leases for the providers so far. */
  readonly claimed: bigint
  /** Everything that was ever made, and everything that can be found. */
  readonly minted: bigint
  readonly accounted: bigint
  /** Both are equal, and the contracts hold what they owe. */
  readonly conserved: boolean
}

/** Reads the money of a local network from its chain, holding every token against who owns it. */
export function openLedger(network: Parties & { readonly chain: Chain }) {
  return {
    async read(): Promise<Money> {
      let money = await readMoney(network.chain, network)
      // The balances are of different moments: money that moved meanwhile is missed, or seen twice. Lost money stays lost.
      for (let again = 0; !money.conserved && again < rereads; again++)
        money = await readMoney(network.chain, network)
      return money
    },
  }
}

const rereads = 10

type Parties = Pick<LocalNetwork, 'buyer' | 'customer' | 'validator' | 'providers' | 'minted'> &
  Partial<Pick<LocalNetwork, 'trainers'>>

async function readMoney(chain: Chain, parties: Parties): Promise<Money> {
  const { buyer, customer, validator, providers, minted, trainers = [] } = parties
  const sum = async (
    read: (account: Hex.Address) => Promise<bigint>,
    accounts: readonly Hex.Address[] = providers,
  ) => (await Promise.all(accounts.map(read))).reduce((total, amount) => total + amount, 0n)
  const all = [...providers, customer, validator, ...trainers]
  const court = chain.parameters.disputes.address
  const inVault = async (account: Hex.Address) => {
    const { freeMicroUsd, reservedMicroUsd } = await chain.deposit(account)
    return freeMicroUsd + reservedMicroUsd
  }
  const [buyerWallet, deposit, ofCustomer, training, earned, staked, wallets] = await Promise.all([
    chain.balance(buyer),
    chain.deposit(buyer),
    inVault(customer),
    sum(async (account) => (await inVault(account)) + (await chain.earned(account)), trainers),
    sum((account) => chain.earned(account)),
    sum(async (account) => {
      const { stakeMicroUsd, unbondingMicroUsd } = await chain.registration(account)
      return stakeMicroUsd + unbondingMicroUsd
    }),
    sum((account) => chain.balance(account), all),
  ])
  const [vault, registry, inDisputes, burned, credit] = await Promise.all([
    chain.balance(chain.domain.vault),
    chain.balance(chain.parameters.registry),
    chain.balance(court),
    chain.balance(nobody),
    sum(async (account) => {
      const { freeMicroUsd, reservedMicroUsd } = await chain.credit(account)
      return freeMicroUsd + reservedMicroUsd
    }, all),
  ])
  const owed = deposit.freeMicroUsd + deposit.reservedMicroUsd + ofCustomer + training + earned
  const disputes = inDisputes + burned
  const accounted = buyerWallet + wallets + owed + staked + disputes
  return {
    buyerWallet,
    buyerFree: deposit.freeMicroUsd,
    buyerReserved: deposit.reservedMicroUsd,
    providersEarned: earned,
    providersStaked: staked,
    disputes,
    training,
    claimed: earned,
    minted,
    accounted,
    conserved:
      accounted === minted && vault === owed && registry === staked && credit <= inDisputes,
  }
}

/** Where the part of a lost bond goes that nobody gets. */
const nobody = '0x000000000000000000000000000000000000dead'
