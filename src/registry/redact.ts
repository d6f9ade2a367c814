/** Takes secrets out of texts that people will read. Knows the patterns of secrets, and every secret it was told. */
export interface Redactor {
  /** Remembers a secret that must never be shown. */
  addSecret(secret: string): void;
  redact(text: string): string;
}

const SCHEMES = /\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{6,}/gi;
const USER_INFO = /(\b[a-z][a-z0-9+.-]*:\/\/)[^\s/?#"'<>]*@/gi;
const SECRET_PARAMETERS =
  /([?&;][^=&\s"]*(?:token|sig|signature|secret|passw|credential|accesskey)[^=&\s"]*=)[^&\s"']+/gi;
const SECRET_FIELDS = /("[^"]*(?:token|secret|password|authorization)"\s*:\s*")(?:[^"\\]|\\.)*/gi;
const CONTROL = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g;
const SHORTEST_SECRET = 3;

/** Redacts what looks like a secret: authorization values, user info and signatures in URLs, token fields in JSON. */
export function redactText(text: string): string {
  return text
    .replace(CONTROL, ' ')
    .replace(SCHEMES, '$1 ***')
    .replace(USER_INFO, '$1***@')
    .replace(SECRET_PARAMETERS, '$1***')
    .replace(SECRET_FIELDS, '$1***');
}

export function createRedactor(): Redactor {
  const secrets = new Set<string>();
  return {
    addSecret: (secret) => {
      if (secret.length < SHORTEST_SECRET) return;
      secrets.add(secret);
      secrets.add(encodeURIComponent(secret));
    },
    // Longest first: a secret may contain another one.
    redact: (text) =>
      redactText(
        [...secrets].sort((a, b) => b.length - a.length).reduce((rest, secret) => rest.replaceAll(secret, '***'), text),
      ),
  };
}
