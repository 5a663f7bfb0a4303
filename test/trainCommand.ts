/** `weft train` alone, which starts sooner than the whole program. */
import { trainCommand } from '../src/cli/train.ts'

await trainCommand().parseAsync()
