import type { Command } from 'commander'
import tab from '@bomb.sh/tab/commander'
import { addExamples } from '../global-options.ts'

/**
 * `permctl completion SHELL` prints a script for the shell; the script asks the hidden command
 * `complete` for words. To be added last: it offers the commands that are there by then.
 */
export function addCompletion(program: Command): void {
  tab(program, { completionCommandName: 'completion' })
  const command = program.commands.find((each) => each.name() === 'completion')
  if (!command) throw new Error('the completion adapter added no command')
  command.description('print a script that completes permctl in a shell')
  addExamples(command, [
    'permctl completion bash >> ~/.bashrc',
    'permctl completion zsh > ~/.zfunc/_permctl',
    'permctl completion fish > ~/.config/fish/completions/permctl.fish',
  ])
}
