import tab from '@bomb.sh/tab/commander'
import type { Command } from 'commander'
import { regionNames } from '../../domain/region.ts'
import { COMPLETION_SCRIPTS } from '../completion-script.ts'
import { addExamples } from '../global-options.ts'
import { FORMATS } from '../output.ts'
import { profileNames } from '../profile.ts'

type Shell = keyof typeof COMPLETION_SCRIPTS
type Offered = ReturnType<typeof tab>

/**
 * `permctl completion SHELL` prints a script for the shell; the script asks the hidden command
 * `complete` for words. To be added last: it offers the commands that are there by then. The
 * library's own scripts are not printed: they evaluate the line that is being written.
 */
export function addCompletion(program: Command, write: (text: string) => void): void {
  const offered = tab(program, { completionCommandName: 'completion' })
  offerGlobalOptions(program, offered)
  const command = program.commands.find((each) => each.name() === 'completion')
  if (!command) throw new Error('the completion adapter added no command')
  const shells = Object.keys(COMPLETION_SCRIPTS)
  for (const argument of command.registeredArguments) argument.choices(shells)
  offered.commands.get('completion')?.argument('shell', (offer) => {
    for (const shell of shells) offer(shell, '')
  })
  command
    .description('print a script that completes permctl in a shell')
    .action((shell: Shell) => write(COMPLETION_SCRIPTS[shell]))
  addExamples(command, [
    'permctl completion bash >> ~/.bashrc',
    'permctl completion zsh > ~/.zfunc/_permctl',
    'permctl completion fish > ~/.config/fish/completions/permctl.fish',
  ])
}

/** Values of options that only looking tells, or that are known in one place. */
const VALUES: Readonly<Record<string, () => readonly string[]>> = {
  environment: regionNames,
  output: () => FORMATS,
  profile: () => profileNames('.'),
}

/** Global options stand behind a command as well as before it. */
function offerGlobalOptions(program: Command, offered: Offered): void {
  for (const { long, short, description, required } of program.options) {
    const name = long?.slice(2) ?? ''
    const alias = short?.slice(1)
    const values = VALUES[name] ?? (() => [])
    const offerValues = (offer: (value: string, description: string) => void): void => {
      for (const value of values()) offer(value, '')
    }
    for (const place of [offered, ...offered.commands.values()]) {
      if (required) place.option(name, description, offerValues, alias)
      else if (alias === undefined) place.option(name, description)
      else place.option(name, description, alias)
    }
  }
}
