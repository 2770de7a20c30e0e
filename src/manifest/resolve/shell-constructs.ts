/** What shells would do with a text, and mcp-run does not: no shell is started. */

const PARAMETER = /^(?:env:)?([A-Za-z_]\w*)([^]*)$/;

const EDITS = 'variables are not edited: set one to the value that is meant';

/** What to write in place of a parameter expansion of the shell; undefined if the text within `${}` is none. */
export function insteadOfShell(reference: string): string | undefined {
  if (/^[!#][A-Za-z_]/.test(reference)) return EDITS;
  const [, name = '', rest = ''] = PARAMETER.exec(reference) ?? [];
  if (name === '' || rest === '') return undefined;
  if (/^:?\?/.test(rest)) return `write \${${name}}: a variable that is not set is an error anyway`;
  if (/^(?::?=|-)/.test(rest))
    return `write \${${name}:-default}, which also counts if the variable is empty`;
  if (/^:?\+/.test(rest)) return `write \${${name}}, or set another variable to the text that is meant`;
  return /^(?:[%#/^,@[]|:\s*[\d-])/.test(rest) ? EDITS : undefined;
}

/** Programs whose arguments are meant for a shell. */
const SHELLS = /(?:^|[\\/])(?:(?:ba|z|da|k|fi|a|pw)?sh|cmd|powershell)(?:\.exe)?$/i;

/** Whether the text has a command substitution, which reaches the server as it is. */
export function hasCommandSubstitution(text: string): boolean {
  return /\$\([^()]/.test(text);
}

/** Shells expand variables of their own as well. */
export function isShell(command: string): boolean {
  return SHELLS.test(command);
}
