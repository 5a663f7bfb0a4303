/** The chain's part of the program sends moves too, so they stand with the other words. */
export * from '../../protocol/dispute/Move.ts'
