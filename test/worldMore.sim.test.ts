import { describeSeeds } from './runSeeds.ts'

// The other half of the seeds, in a process of its own.
describeSeeds({ part: 1, parts: 2 })
