/** The chain's part of the program reads positions too, so they stand with the other words. */
export * from '../../protocol/dispute/Position.ts'
