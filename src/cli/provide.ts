import { Command } from 'commander'
import { parseBit } from './flippedBit.ts'
import { refuseIdle } from './refuseIdle.ts'
import { run } from './run.ts'
import { refuseIdlePrices, sell, type SellOptions, withSellingOptions } from './sell.ts'

/** `weft provide`: sells completions of a model file or of an OpenAI-compatible server. */
export function provideCommand(): Command {
  return withSellingOptions(new Command('provide'))
    .description('sell completions of a GGUF file, or of an OpenAI-compatible server')
    .option(
      '--model <file>',
      'GGUF file to serve; with --engine exact also a folder with safetensors',
    )
    .option(
      '--upstream <url>',
      'serve an OpenAI-compatible server instead: vLLM, SGLang, Ollama ...',
    )
    .option(
      '--upstream-key-env <name>',
      'environment variable with its API key',
      'UPSTREAM_API_KEY',
    )
    .option('--cheat-with <file>', "for testing validators: answer with this file's model instead")
    .option(
      '--cheat-bit <tensor:bit>',
      'for testing disputes: compute exact answers with one wrong bit',
      parseBit,
    )
    .action((options: SellOptions, command: Command) =>
      run(options, async () => {
        checkOptions(command, options)
        await sell(options)
      }),
    )
}

/** Refuses options about what is not sold. */
function checkOptions(command: Command, options: SellOptions): void {
  if (options.upstream === undefined)
    refuseIdle(command, ['upstreamKeyEnv'], 'add --upstream, or leave it out.')
  else
    refuseIdle(
      command,
      ['modelId', 'engine', 'exact', 'cheatWith', 'cheatBit'],
      'serve a file with --model instead of --upstream, or leave it out.',
    )
  refuseIdlePrices(command, options)
}
