import { Template } from '@huggingface/jinja'
import type * as Completion from '../../protocol/Completion.ts'
import { UnsupportedError } from '../Engine.ts'

/**
 * Writes a conversation as the model's own template wants it. Without a template it is plain:
 * `role: content` lines, then `assistant:`.
 *
 * Templates that ask for today's date get a fixed one, so that equal requests give equal prompts on
 * every day and machine.
 *
 * @throws {UnsupportedError} when the template refuses the conversation or cannot be rendered.
 */
export function chatPrompt(
  messages: Extract<Completion.Request['input'], { kind: 'chat' }>['messages'],
  model: {
    readonly template: string | undefined
    readonly bos: string
    readonly eos: string
  },
): string {
  const turns = messages.map(({ role, content }) => ({
    role: role === 'developer' ? 'system' : role,
    content,
  }))
  if (model.template === undefined)
    return `${turns.map(({ role, content }) => `${role}: ${content}\n`).join('')}assistant:`
  try {
    return compile(model.template).render({
      messages: turns,
      add_generation_prompt: true,
      bos_token: model.bos,
      eos_token: model.eos,
      fixed_date: () => fixedDate,
      date_string: fixedDate,
    })
  } catch (cause) {
    throw new UnsupportedError({
      feature: `this conversation with the model's chat template (${reasonOf(cause)})`,
      fix: 'let user and assistant take turns, with one system message at most, or send a text prompt.',
    })
  }
}

const fixedDate = '26 Jul 2024'
const templateLimit = 1_000_000
const compiled = new Map<string, Template>()

function compile(source: string): Template {
  const known = compiled.get(source)
  if (known) return known
  if (source.length > templateLimit) throw new RangeError('the template is too long')
  // The renderer's own `strftime_now` reads the clock and cannot be replaced.
  const template = new Template(source.replaceAll(/\bstrftime_now\b/g, 'fixed_date'))
  if (compiled.size >= 16) compiled.clear()
  compiled.set(source, template)
  return template
}

function reasonOf(cause: unknown): string {
  return cause instanceof Error ? cause.message.slice(0, 200) : String(cause)
}
