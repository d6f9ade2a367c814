// A second ignore matcher for property tests: regular expressions, and the walk from the top written out.

/** Whether a path is ignored, as `createIgnoreMatcher` must say. */
export function naiveIgnored(patterns: readonly string[], path: string): boolean {
  const rules = patterns.map((pattern) => {
    const negated = pattern.startsWith('!');
    return { negated, regexp: toRegExp(negated ? pattern.slice(1) : pattern) };
  });
  const parts = path.split('/');
  let tookEffect = rules.map(() => false);
  let ignored = false;
  for (let depth = 1; depth <= parts.length; depth++) {
    const prefix = parts.slice(0, depth).join('/');
    ignored = false;
    tookEffect = rules.map(({ negated, regexp }, i) => {
      const matches = tookEffect[i]! || (negated === ignored && regexp.test(prefix));
      if (matches) ignored = !negated;
      return matches;
    });
  }
  return ignored;
}

function toRegExp(pattern: string): RegExp {
  const leading = /^\*\*([^*?[\]/]+(?:\/[^*?[\]]*)?)$/.exec(pattern);
  if (leading !== null) return new RegExp(`${escaped(leading[1]!)}$`, 'su');
  const source = pattern.replace(/\*\*\/?$|\*\*\/?|\*|\?|\[[^\]]*\]|[^*?[]/gu, (token, offset: number) => {
    if (token.startsWith('**')) return offset + token.length === pattern.length ? '.*' : '(?:.*/)?';
    if (token === '*') return '[^/]*';
    if (token === '?') return '[^/]';
    return token.length > 1 && token.startsWith('[') ? token : escaped(token);
  });
  return new RegExp(`^${source}$`, 'su');
}

function escaped(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&');
}
