/** Whether a pattern, in which `*` stands for any text, means a name. */
export type ToolPattern = (name: string) => boolean;

/** Each literal of the pattern takes time in proportion to the name at most. */
export function toPattern(text: string): ToolPattern {
  const [first = '', ...others] = text.split('*');
  const last = others.pop();
  if (last === undefined) return (name) => name === text;
  const inner = others.filter((literal) => literal !== '');

  return (name) => {
    const end = name.length - last.length;
    if (end < first.length || !name.startsWith(first) || !name.endsWith(last)) return false;
    // The leftmost place of each literal leaves the most room for those behind it.
    let at = first.length;
    for (const literal of inner) {
      const found = name.indexOf(literal, at);
      if (found === -1 || found + literal.length > end) return false;
      at = found + literal.length;
    }
    return true;
  };
}
