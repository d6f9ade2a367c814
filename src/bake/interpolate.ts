const VARIABLE = /\$(?:(\$)|([A-Za-z_]\w*)|\{([A-Za-z_]\w*)(?:(:?[-?+])((?:[^{}]|\{[^{}]*\})*))?\})/g;

/**
 * Replaces variables in a text as compose does (compose-spec, interpolation.md): `$NAME`, `${NAME}`, with `:-`, `-`, `:?`, `?`,
 * `:+` and `+`; `$$` is a dollar. A variable that is not set is empty.
 */
export function interpolate(
  text: string,
  env: Readonly<Record<string, string | undefined>>,
  toError: (why: string) => Error,
): string {
  return text.replace(VARIABLE, (_, dollar, bare, braced, operator = '', argument = '') => {
    if (dollar !== undefined) return '$';
    const name = (bare ?? braced) as string;
    const value = env[name];
    const isSet = value !== undefined && !(String(operator).startsWith(':') && value === '');
    const word = (): string => interpolate(String(argument), env, toError);
    switch (String(operator).at(-1)) {
      case '-':
        return isSet ? value : word();
      case '+':
        return isSet ? word() : '';
      case '?':
        if (!isSet) throw toError(`The variable ${name} is needed: ${word() || 'it is not set'}`);
        return value;
      default:
        return value ?? '';
    }
  });
}
